import ctypes
import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kilter.dev import rendered
from kilter.errors import BadInput, MachineLacks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kilter" / "shop"


@pytest.mark.requirement("CT-26", "CT-Q23")
def test_a_tree_is_written_whole_under_its_name(folder: Path) -> None:
    changed = rendered.write(folder, {"Tiltfile": "x", "manifests/redis.yaml": "y"})
    assert changed == ["Tiltfile", "manifests/redis.yaml"]
    assert (folder / "manifests/redis.yaml").read_text() == "y"
    assert rendered.read(folder) == {"Tiltfile": "x", "manifests/redis.yaml": "y"}
    assert (folder / "Tiltfile").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.requirement("CT-Q24")
def test_a_tree_is_utf8_whatever_the_locale_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def latin(function: Callable[..., object]) -> Callable[..., object]:
        def called(*given: Any, **named: Any) -> object:
            return function(*given, **(named if "wb" in given else {"encoding": "latin-1", **named}))

        return called

    for owner, name in ((Path, "read_text"), (Path, "write_text"), (os, "fdopen")):
        monkeypatch.setattr(owner, name, latin(getattr(owner, name)))
    files = {"manifests/a.yaml": 'value: "\u00e9 \u4e2d"\n'}
    assert rendered.write(folder, files) == ["manifests/a.yaml"]
    assert (folder / "manifests" / "a.yaml").read_bytes() == files["manifests/a.yaml"].encode()
    assert rendered.read(folder) == files
    assert rendered.write(folder, files) == []


def test_unchanged_files_keep_their_time_stamps_and_an_unchanged_tree_is_not_touched(folder: Path) -> None:
    rendered.write(folder, {"a": "1", "b": "1"})
    os.utime(folder / "a", (1, 1))
    assert rendered.write(folder, {"a": "1", "b": "2"}) == ["b"]
    assert (folder / "a").stat().st_mtime == 1
    before = folder.stat().st_ino
    assert rendered.write(folder, {"a": "1", "b": "2"}) == []
    assert folder.stat().st_ino == before


@pytest.mark.requirement("NS-11")
def test_the_kubeconfig_survives_a_render(folder: Path) -> None:
    rendered.write(folder, {})
    (folder / "kubeconfig").write_text("k")
    rendered.write(folder, {"a": "1"})
    assert (folder / "kubeconfig").read_text() == "k"
    assert "kubeconfig" not in rendered.read(folder)


@pytest.mark.requirement("CT-Q27")
def test_edits_in_the_cache_are_noticed(folder: Path) -> None:
    rendered.write(folder, {"a": "1", "b": "1"})
    assert rendered.edited(folder) == []
    (folder / "a").write_text("mine")
    (folder / "b").unlink()
    assert rendered.edited(folder) == ["a", "b"]
    assert rendered.write(folder, {"a": "1", "b": "1"}) == ["a", "b"]
    assert rendered.edited(folder) == []


@pytest.mark.requirement("CT-Q27")
@pytest.mark.parametrize(
    "receipt",
    [
        "",
        "[]",
        "7",
        '{"a": 7}',
        '{"a": "", "b": 7}',
        '{"": ""}',
        '{"../a": ""}',
        '{"a": "", "../a": ""}',
        '{"/etc/hostname": ""}',
        '{"a\\u0000": ""}',
        "[" * 100_000,
    ],
)
def test_a_receipt_that_kilter_never_writes_is_none_and_leads_nowhere(folder: Path, receipt: str) -> None:
    rendered.write(folder, {"a": "1"})
    (folder / rendered.RECEIPT).write_text(receipt)
    assert rendered.read(folder) == {}
    assert rendered.edited(folder) == []
    assert rendered.write(folder, {"a": "1"}) == ["a"]
    assert rendered.read(folder) == {"a": "1"}


@pytest.mark.requirement("LC-Q22")
def test_the_leavings_of_a_killed_render_are_removed_by_the_next(folder: Path) -> None:
    rendered.write(folder, {"a": "1"})
    orphan = folder.parent / ".trees" / "shop-0123456789ab-1"
    neighbour = folder.parent / ".trees" / "shop-api-0123456789ab-1"
    for tree in (orphan, neighbour):
        tree.mkdir()
    rendered.write(folder, {"a": "2"})
    assert not orphan.exists()
    assert neighbour.exists()


def test_removing_a_tree_leaves_nothing_of_it_nor_of_a_killed_render(folder: Path) -> None:
    rendered.write(folder, {"a": "1"})
    (left := folder.parent / ".trees" / "shop-0123456789ab-1").mkdir()
    (left / "kubeconfig").touch()
    rendered.remove(folder)
    assert not folder.exists()
    assert list((folder.parent / ".trees").iterdir()) == []
    rendered.remove(folder)


def no_library(*_: object, **__: object) -> object:
    raise OSError("no such library")


@pytest.mark.parametrize("library", [ctypes.CDLL, lambda *_, **__: object(), no_library])
def test_a_swap_keeps_the_path_real_and_the_kubeconfig(
    folder: Path, library: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system cannot exchange names."""
    monkeypatch.setattr(ctypes, "CDLL", library)
    folder.mkdir(parents=True)
    (folder / "kubeconfig").write_text("k")
    rendered.write(folder, {"a": "1"})
    assert not folder.is_symlink()
    assert list((folder.parent / ".trees").iterdir()) == []
    assert (folder / "a").read_text() == "1"
    assert (folder / "kubeconfig").read_text() == "k"


@pytest.mark.requirement("CT-26")
@pytest.mark.may_skip
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux' renameat2 exchanges two names")
def test_a_tree_that_is_there_is_exchanged_in_one_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise AssertionError(f"between two renames there would be no {path}")

    rendered.write(folder, {"a": "1"})
    monkeypatch.setattr(Path, "rename", refuse)
    assert rendered.write(folder, {"a": "2"}) == ["a"]
    assert rendered.read(folder) == {"a": "2"}


@pytest.mark.parametrize("refused", ["mkdir", "rename"])
def test_a_cache_that_cannot_be_written_is_named_with_what_to_do(
    folder: Path, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.parent.mkdir()

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, refused, refuse)
    with pytest.raises(MachineLacks, match=f"cannot render into {folder}") as caught:
        rendered.write(folder, {"a": "1"})
    assert caught.value.why == "Permission denied"
    assert f"make {folder.parent}" in caught.value.hint


@pytest.mark.parametrize("data", ["record.json", "volumes", "snapshots"])
@pytest.mark.parametrize(
    "deed", [lambda folder: rendered.write(folder, {"a": "1"}), rendered.remove], ids=["write", "remove"]
)
def test_a_folder_with_a_projects_data_is_neither_replaced_nor_removed(
    folder: Path, data: str, deed: Callable[[Path], object]
) -> None:
    (folder / data).mkdir(parents=True)
    with pytest.raises(BadInput, match="is a project's data folder") as caught:
        deed(folder)
    assert data in caught.value.why
    assert (folder / data).is_dir()
    assert not (folder / rendered.RECEIPT).exists()


def test_a_disk_without_hard_links_gets_copies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(one: Path, other: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(one), None, str(other))

    monkeypatch.setattr(os, "link", refuse)
    rendered.write(folder, {"a": "1", "b": "1"})
    (folder / "kubeconfig").write_text("k")
    (folder / "kubeconfig").chmod(0o600)
    os.utime(folder / "a", (1, 1))
    assert rendered.write(folder, {"a": "1", "b": "2"}) == ["b"]
    assert rendered.read(folder) == {"a": "1", "b": "2"}
    assert (folder / "a").stat().st_mtime == 1
    assert (folder / "kubeconfig").stat().st_mode & 0o777 == 0o600


@pytest.mark.requirement("CT-Q27")
@pytest.mark.parametrize("text", ["a: [", "- x", "x: 1", "kind: Deployment\n", "\0"])
def test_a_manifest_that_was_edited_into_no_object_is_told_from_the_others(folder: Path, text: str) -> None:
    good = "kind: Deployment\nmetadata: {name: web}\n"
    rendered.write(folder, {"Tiltfile": "x", "manifests/db.yaml": good, "manifests/web.yaml": good})
    (folder / "manifests/web.yaml").write_text(text)
    (folder / "Tiltfile").write_text("edited")
    assert rendered.illegible(folder, rendered.read(folder)) == ["manifests/web.yaml"]
    assert rendered.legible(folder) == {"Tiltfile": "edited", "manifests/db.yaml": good}
