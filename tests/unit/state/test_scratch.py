"""Folders for the time of one command."""

import errno
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from kilter.errors import MachineLacks
from kilter.state.paths import Paths
from kilter.state.scratch import scratch


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


def test_its_owner_alone_may_look_into_it_and_it_goes_with_the_block(paths: Paths) -> None:
    with scratch(paths, "push") as folder:
        (folder / "config.json").write_text("secret")
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent == paths.scratch_dir, "where the next command looks for what a killed one left"
    assert not folder.exists()
    with suppress(RuntimeError), scratch(paths, "push") as folder:
        raise RuntimeError
    assert not folder.exists()


@pytest.mark.requirement("F34")
def test_what_a_killed_command_left_is_removed_by_the_next_one_and_links_are_not_followed(
    paths: Paths, tmp_path: Path
) -> None:
    (mine := tmp_path / "contexts").mkdir()
    (left := paths.scratch_dir / "push-killed").mkdir(parents=True)
    (left / "config.json").write_text("secret")
    (left / "contexts").symlink_to(mine)
    (paths.scratch_dir / "elsewhere").symlink_to(mine)
    with scratch(paths, "push"):
        assert not left.exists()
    assert mine.is_dir()


def test_what_another_command_uses_stays(paths: Paths) -> None:
    with scratch(paths, "push") as first, scratch(paths, "platform") as second:
        (first / "config.json").write_text("secret")
        with scratch(paths, "push"):
            assert (first / "config.json").exists()
            assert second.is_dir()


def test_a_folder_that_cannot_be_removed_does_not_stop_anybody(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    (left := paths.scratch_dir / "push-killed").mkdir(parents=True)
    remove = shutil.rmtree

    def refuse(folder: Path) -> None:
        if folder == left:
            raise PermissionError(13, "Permission denied", str(folder))
        remove(folder)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with scratch(paths, "push") as folder:
        assert folder.is_dir()
    assert left.is_dir()


def test_a_folder_that_cannot_be_made_comes_with_the_next_step(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(MachineLacks, match="cannot write") as caught, scratch(paths, "push"):
        pass
    assert "free some space" in caught.value.hint
