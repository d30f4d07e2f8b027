import errno
import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE, S_ISDIR

import pytest

from kilter.errors import BadInput, Busy, MachineLacks
from kilter.state import lock, tilt
from kilter.state.files import file_lock, is_filled, is_gone, replace_text, write_whole
from kilter.state.lock import holder, project_lock
from kilter.state.paths import Paths, of_snaps
from kilter.state.tilt import TiltRecord


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.mark.requirement("NS-Q11")
def test_only_absolute_xdg_folders_are_honoured() -> None:
    there = Paths.from_environment({"HOME": "/home/me", "XDG_DATA_HOME": "/data", "XDG_CACHE_HOME": "/cache"})
    assert there == Paths(Path("/data/kilter"), Path("/cache/kilter"))
    usual = Paths.from_environment({"HOME": "/home/me", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": ""})
    assert usual == Paths(Path("/home/me/.local/share/kilter"), Path("/home/me/.cache/kilter"))
    assert usual.kubeconfig("shop") == Path("/home/me/.cache/kilter/shop/kubeconfig")
    assert usual.snapshots("shop") == Path("/home/me/.local/share/kilter/shop/snapshots")


@pytest.mark.parametrize(
    ("data", "cache"),
    [
        ("same", "same"),
        ("same", "same/../same/"),
        ("same", "link"),
        ("link", "same"),
        ("same", "same/kilter"),
        ("same/kilter", "same"),
        ("same/kilter/shop", "link"),
    ],
)
def test_data_and_cache_are_never_in_one_folder(tmp_path: Path, data: str, cache: str) -> None:
    (tmp_path / "same").mkdir()
    (tmp_path / "link").symlink_to("same")
    env = {"HOME": "/home/me", "XDG_DATA_HOME": f"{tmp_path}/{data}", "XDG_CACHE_HOME": f"{tmp_path}/{cache}"}
    with pytest.raises(BadInput, match="in the same folder") as caught:
        Paths.from_environment(env)
    assert str(tmp_path / "same") in caught.value.why
    assert "XDG_CACHE_HOME" in caught.value.hint


@pytest.mark.parametrize(("data", "cache"), [("x", "y"), ("x", "x/data"), ("x", "x/kilter/.cache"), ("x", "xy")])
def test_data_and_cache_that_no_project_can_have_in_common_are_fine(tmp_path: Path, data: str, cache: str) -> None:
    Paths.from_environment({"XDG_DATA_HOME": f"{tmp_path}/{data}", "XDG_CACHE_HOME": f"{tmp_path}/{cache}"})


def test_folders_of_a_snap_are_passed_over_and_told() -> None:
    mine = {"HOME": "/home/me"}
    snap = {name: f"/home/me/snap/code/171/{name}" for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME")}
    assert Paths.from_environment(mine | snap) == Paths.from_environment(mine)
    assert of_snaps(mine | snap) == {name: Path(place) for name, place in snap.items()}
    other = {"XDG_DATA_HOME": "/home/me/snapshots", "XDG_CACHE_HOME": "snap/x"}
    assert Paths.from_environment(mine | other).data == Path("/home/me/snapshots/kilter")
    assert of_snaps(mine | other) == {}


def test_no_folder_of_kilters_own_can_have_a_projects_name() -> None:
    paths = Paths(Path("/data"), Path("/cache"))
    for folder in (paths.certs_dir, paths.tools_dir, paths.locks_dir, paths.ports_file):
        assert "." in folder.name


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "file"
    write_whole(file, "one")
    first = file.stat()
    write_whole(file, "two")
    assert file.read_text() == "two"
    assert first.st_mode & 0o777 == 0o600
    assert file.stat().st_ino != first.st_ino
    assert [entry.name for entry in file.parent.iterdir()] == ["file"]
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("refused", ["open", "fsync"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    refused: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_whole(file, "old")

    def full(place: object, *_: object) -> int:
        if place == tmp_path or (isinstance(place, int) and S_ISDIR(os.fstat(place).st_mode)):
            return os.dup(folder)
        raise OSError(28, "No space left on device")

    folder = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(os, refused, full)
    with pytest.raises(MachineLacks, match="cannot write") as caught:
        write_whole(file, "new")
    monkeypatch.undo()
    os.close(folder)
    assert caught.value.why == "No space left on device"
    assert file.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_file_and_then_its_name_are_on_the_disk_when_it_counts_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, synced = tmp_path / "file", list[str]()

    def sync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        named = "named" if file.exists() else "not yet named"
        synced.append(f"the folder, {named}" if S_ISDIR(facts.st_mode) else f"{facts.st_size} bytes, {named}")

    monkeypatch.setattr(os, "fsync", sync)
    write_whole(file, "text")
    assert synced == ["4 bytes, not yet named", "the folder, named"]


def test_a_file_of_the_users_that_is_gone_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="cannot write") as caught:
        replace_text(tmp_path / "kilter.yaml", "name: a\n")
    assert caught.value.why == "No such file or directory"
    assert not list(tmp_path.iterdir())


def test_what_should_lie_in_a_folder_and_has_a_file_in_its_place_is_gone(tmp_path: Path) -> None:
    (file := tmp_path / "file").touch()
    assert not is_gone(file)
    assert is_gone(file / "kilter.yaml")
    assert not is_filled(file)


@pytest.mark.requirement("LC-Q15")
def test_a_file_of_the_users_is_replaced_whole_with_its_mode_and_through_links(tmp_path: Path) -> None:
    file, link = tmp_path / "real.yaml", tmp_path / "kilter.yaml"
    file.write_text("name: a\n")
    file.chmod(0o640)
    link.symlink_to(file)
    inode = file.stat().st_ino
    replace_text(link, "name: b\n")
    assert link.is_symlink()
    assert (file.read_text(), S_IMODE(file.stat().st_mode)) == ("name: b\n", 0o640)
    assert file.stat().st_ino != inode
    assert sorted(os.listdir(tmp_path)) == ["kilter.yaml", "real.yaml"]  # noqa: PTH208


@pytest.mark.parametrize("allowed", [True, False])
def test_a_file_keeps_its_owner_where_it_may(allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []

    def give(_: int, user: int, group: int) -> None:
        given.append((user, group))
        if not allowed:
            raise PermissionError("not yours to give away")

    monkeypatch.setattr(os, "fchown", give)
    file = tmp_path / "kilter.yaml"
    file.write_text("name: a\n")
    file.chmod(0o664)
    owner = file.stat()
    replace_text(file, "name: b\n")
    assert given == [(owner.st_uid, owner.st_gid)]
    assert (file.read_text(), S_IMODE(file.stat().st_mode)) == ("name: b\n", 0o664)


def locked(file: Path) -> None:
    with file_lock(file, 0, "the record"):
        pass


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EROFS, "let XDG_DATA_HOME, XDG_CACHE_HOME"),
        (errno.EACCES, "a `sudo kilter` may have made it"),
        (errno.EPERM, "a `sudo kilter` may have made it"),
        (errno.EIO, "see what is wrong with"),
    ],
)
@pytest.mark.parametrize("deed", [lambda file: write_whole(file, "text"), locked], ids=["write", "lock"])
def test_a_file_that_the_system_refuses_comes_with_the_next_step(
    tmp_path: Path, number: int, step: str, deed: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "not" / "there" / "file"

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(MachineLacks, match=str(file)) as caught:
        deed(file)
    assert caught.value.why == os.strerror(number)
    assert step in caught.value.hint
    assert re.search(rf" {tmp_path}(?!/)", caught.value.hint), "the folder above that is there"


def test_who_waited_too_long_for_a_lock_is_told_to_come_again(tmp_path: Path) -> None:
    with (
        file_lock(tmp_path / "lock", 0, "the record of ports"),
        pytest.raises(Busy, match="the record of ports is in use by another process") as caught,
        file_lock(tmp_path / "lock", 0, "the record of ports"),
    ):
        pass
    assert "stayed locked for 0 seconds" in caught.value.why
    assert caught.value.hint == "wait for it to end and try again"


def test_a_lock_and_its_folder_are_closed_to_others(tmp_path: Path) -> None:
    locked(file := tmp_path / "data" / "lock")
    assert [S_IMODE(place.stat().st_mode) for place in (file, file.parent)] == [0o600, 0o700]


@pytest.mark.requirement("LC-Q22")
def test_the_second_caller_learns_who_holds_the_lock(paths: Paths) -> None:
    with project_lock(paths, "shop", "up"):
        by = holder(paths, "shop")
        assert by is not None
        assert (by.pid, by.verb) == (os.getpid(), "up")
        with (
            pytest.raises(Busy, match="`kilter up` is working on project shop") as caught,
            project_lock(paths, "shop", "down"),
        ):
            pass
        assert str(os.getpid()) in caught.value.why
        assert by.started in caught.value.why
        assert caught.value.hint == "wait for it to end and try again"
        with project_lock(paths, "other", "up"):
            pass
    assert holder(paths, "shop") is None
    with project_lock(paths, "shop", "down"):
        pass


def test_a_lock_is_given_back_when_its_work_fails(paths: Paths) -> None:
    with pytest.raises(ZeroDivisionError), project_lock(paths, "shop", "up"):
        raise ZeroDivisionError
    with project_lock(paths, "shop", "up"):
        pass


@pytest.mark.requirement("LC-Q15", "LC-Q22")
@pytest.mark.parametrize("refused", ["pwrite", "ftruncate"])
def test_a_lock_that_a_full_disk_leaves_unsigned_is_held_all_the_same(
    paths: Paths, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, refused, full)
    monkeypatch.setattr(lock, "PATIENCE", 0)
    with (
        project_lock(paths, "shop", "stop"),
        pytest.raises(Busy, match="another kilter command is working on project shop") as caught,
        project_lock(paths, "shop", "up"),
    ):
        pass
    assert caught.value.hint == "wait for it to end and try again"
    with project_lock(paths, "shop", "destroy"):
        pass


def test_what_a_killed_holder_left_behind_holds_nothing(paths: Paths) -> None:
    paths.locks_dir.mkdir(parents=True)
    (paths.locks_dir / "shop.lock").write_text('{"pid": 1, "verb": "up", "started": "2026-01-01T00:00:00+00:00"}')
    assert holder(paths, "shop") is None
    with project_lock(paths, "shop", "down"):
        assert holder(paths, "shop") is not None


@pytest.mark.requirement("LC-Q22")
def test_a_lock_bears_the_name_of_its_holder_alone(paths: Paths) -> None:
    """A longer one of a killed holder leaves no end behind, and none stays for who takes the lock next."""
    file = paths.locks_dir / "shop.lock"
    paths.locks_dir.mkdir(parents=True)
    file.write_text('{"pid": 1, "verb": "destroy", "started": "2026-01-01T00:00:00+00:00"}' + " " * 99 + "}")
    with project_lock(paths, "shop", "up"):
        by = holder(paths, "shop")
        assert by is not None
        assert by.verb == "up"
    assert file.read_text() == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_lock_that_bears_no_name_tells_of_no_holder(paths: Paths, text: str) -> None:
    with project_lock(paths, "shop", "up"):
        (paths.locks_dir / "shop.lock").write_text(text)
        assert holder(paths, "shop") is None


def test_the_lock_file_of_another_user_tells_nothing_and_hinders_no_reading(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    with project_lock(paths, "shop", "up"):
        monkeypatch.setattr(os, "open", refuse)
        assert holder(paths, "shop") is None
        monkeypatch.undo()
        assert holder(paths, "shop") is not None


def test_a_file_system_without_locks_tells_of_no_holder(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with project_lock(paths, "shop", "up"):
        monkeypatch.setattr(fcntl, "flock", refuse)
        assert holder(paths, "shop") is None
        monkeypatch.undo()


@pytest.mark.requirement("F12")
def test_a_file_system_without_locks_is_named_with_the_next_step(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(MachineLacks, match="cannot lock") as caught, project_lock(paths, "shop", "up"):
        pass
    assert caught.value.why == "No locks available"
    assert "XDG_DATA_HOME" in caught.value.hint


def test_a_user_without_a_home_is_told_so_unless_none_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(MachineLacks, match="this user has no home") as caught:
        Paths.from_environment({"XDG_DATA_HOME": "/data"})
    assert "let HOME name" in caught.value.hint
    Paths.from_environment({"XDG_DATA_HOME": f"{tmp_path}/data", "XDG_CACHE_HOME": f"{tmp_path}/cache"})


def test_a_home_that_moves_with_the_working_directory_is_none() -> None:
    with pytest.raises(MachineLacks, match="this user has no home") as caught:
        Paths.from_environment({"HOME": "ada"})
    assert "HOME is ada" in caught.value.why


def test_a_folder_that_may_not_be_looked_into_is_taken_for_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_filled(tmp_path / "none")
    assert not is_filled(tmp_path)
    (tmp_path / "file").touch()
    assert is_filled(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert is_filled(tmp_path)


def test_the_record_of_tilt_is_kept_and_cleared(paths: Paths) -> None:
    assert tilt.read(paths, "shop") is None
    record = TiltRecord(123, "456", 30019, "/src/shop")
    tilt.write(paths, "shop", record)
    assert tilt.read(paths, "shop") == record
    tilt.clear(paths, "shop")
    tilt.clear(paths, "shop")
    assert tilt.read(paths, "shop") is None


def test_a_damaged_record_of_tilt_counts_as_none(paths: Paths) -> None:
    tilt.write(paths, "shop", TiltRecord(1, "2", 3, "/x"))
    (paths.project_data("shop") / "tilt" / "tilt.json").write_text('{"pid": 1')
    assert tilt.read(paths, "shop") is None
