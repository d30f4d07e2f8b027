"""Tidying the registry's volume when it fails or is killed: nothing needed is lost, and the registry serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.server.volume import NOW, A, B, Volume

from kilter.server import logs, registry_volume
from kilter.server.registry_volume import look, main, prune


class Killed(BaseException):
    """The process ends here, as by SIGKILL: nothing of it runs any more."""


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lets so many removals happen and then ends."""
    left = [-1]

    def counted(name: str) -> None:
        whole = getattr(Path, name)

        def step(self: Path, *more: object, **named: object) -> None:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            whole(self, *more, **named)

        monkeypatch.setattr(Path, name, step)

    counted("rmdir")
    counted("unlink")
    yield left
    left[0] = -1


def known(volume: Volume) -> list[str]:
    """The repositories that the registry has: those with `_manifests`."""
    return sorted(str(path.parent.relative_to(volume.root)) for path in volume.root.rglob("_manifests"))


def test_whenever_it_is_killed_nothing_needed_is_lost_and_the_next_time_ends_it(
    tmp_path: Path, deadly: list[int]
) -> None:
    steps = 0
    while True:
        volume = Volume(tmp_path / str(steps))
        volume.push("acme/gone", tag="1")
        volume.delete("acme/gone")
        volume.push("acme/shop", A, layers=A)
        volume.push("acme/shop", B, layers=A)
        volume.delete("acme/shop", B)
        needed = [path for path in volume.tree("acme/shop") if path.endswith("link")]
        deadly[0] = steps
        try:
            prune(volume.path)
            break
        except Killed:
            pass
        deadly[0] = -1
        # Where the registry knows a repository it also wants its layers, or its own collection fails.
        assert all((volume.root / name / "_layers/sha256").is_dir() for name in known(volume))
        assert [path for path in volume.tree("acme/shop") if path.endswith("link")] == needed
        assert look(volume.path, NOW) or known(volume) == ["acme/shop"]
        prune(volume.path)
        assert known(volume) == ["acme/shop"]
        assert not look(volume.path, NOW)
        steps += 1
    deadly[0] = -1
    assert steps > 10


def test_one_repository_that_cannot_be_removed_keeps_no_other(
    volume: Volume, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("acme/bad", "acme/gone"):
        volume.push(name)
        volume.delete(name)
    whole = registry_volume.remove

    def remove(repository: Path, root: Path) -> None:
        if repository.name == "bad":
            raise PermissionError(13, "Permission denied")
        whole(repository, root)

    monkeypatch.setattr(registry_volume, "remove", remove)
    prune(volume.path)
    assert known(volume) == ["acme/bad"]
    assert "repository left alone" in caplog.messages


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logging of the test run as it is."""
    monkeypatch.setattr(logs, "configure", lambda: None)


@pytest.mark.usefixtures("quiet")
def test_the_program_leaves_a_marker_only_when_it_is_time(volume: Volume, tmp_path: Path) -> None:
    marker = tmp_path / "collect"
    marker.touch()
    assert main(["look", str(volume.path), str(marker)]) == 0
    assert not marker.exists()
    volume.push("acme/gone")
    volume.delete("acme/gone")
    assert main(["look", str(volume.path), str(marker)]) == 0
    assert marker.exists()


@pytest.mark.usefixtures("quiet")
def test_a_look_that_is_killed_is_not_tried_again_before_the_registry_serves(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Killed

    marker = tmp_path / "collect"
    volume.push("acme/gone")
    volume.delete("acme/gone")
    with monkeypatch.context() as patch:
        patch.setattr(registry_volume, "repositories", die)
        with pytest.raises(Killed):
            main(["look", str(volume.path), str(marker)])
    looked = []
    for _ in range(2):
        assert main(["look", str(volume.path), str(marker)]) == 0
        looked.append(marker.exists())
    assert looked == [False, True]


@pytest.mark.usefixtures("quiet")
def test_the_program_prunes_only_after_a_collection_and_once_for_each(volume: Volume, tmp_path: Path) -> None:
    volume.push("acme/gone")
    volume.delete("acme/gone")
    marker = tmp_path / "collected"
    assert main(["prune", str(volume.path), str(marker)]) == 0
    assert known(volume) == ["acme/gone"]
    marker.touch()
    assert main(["prune", str(volume.path), str(marker)]) == 0
    assert (known(volume), marker.exists()) == ([], False)


@pytest.mark.usefixtures("quiet")
def test_the_program_never_keeps_the_registry_from_serving(
    volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(registry_volume, "repositories", fail)
    (tmp_path / "collected").touch()
    assert main(["look", str(volume.path), str(tmp_path / "collect")]) == 0
    assert main(["prune", str(volume.path), str(tmp_path / "collected")]) == 0
    assert main(["sweep"]) == 2
