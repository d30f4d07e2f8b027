from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.dev import attach, tilt_process
from kilter.dev.machine import Machine
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.state.paths import Paths
from kilter.state.tilt import TiltRecord


def of_shop(directory: Path, log: str) -> tuple[Machine, Path]:
    """Make a project and the log of its Tilt; returns the machine that knows them, and where the log is."""
    (directory / "kilter.yaml").write_text("name: shop\n")
    paths = Paths(directory / "data", directory / "cache")
    path = paths.tilt_log("shop")
    path.parent.mkdir(parents=True)
    path.write_text(log)
    return Machine(FakeRunner(), paths, {}, Recorder()), path


@pytest.mark.requirement("LC-Q6")
@pytest.mark.parametrize("by_user", [False, True])
def test_following_ends_with_tilt_or_by_the_user_and_tells_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_user: bool
) -> None:
    machine, log = of_shop(tmp_path, "old\n")
    looks = iter([TiltRecord(1, "1", 1, "")] * 2)

    def alive(_paths: Paths, _name: str) -> TiltRecord | None:
        with log.open("a") as stream:
            stream.write("new \x1b[31mline\n") if log.read_text() == "old\n" else None
        if (found := next(looks, None)) is None and by_user:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(tilt_process, "alive", alive)
    monkeypatch.setattr(attach, "PAUSE", 0)
    lines: list[str] = []
    assert attach.follow(machine, load(tmp_path / "kilter.yaml"), lines.append) is by_user
    assert lines == ["new \\x1b[31mline"]
    said = [] if by_user else ["warn: the dev loop has ended; `kilter up` starts it again"]
    assert isinstance(machine.progress, Recorder)
    assert machine.progress.lines == ["note: following the dev loop; Ctrl-C leaves it", *said]


def test_a_log_that_is_begun_anew_is_followed_from_its_new_front(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, log = of_shop(tmp_path, "long ago\n" * 100)
    steps: list[Callable[[], object]] = [lambda: log.write_text(""), lambda: log.write_text("after\n"), lambda: None]
    looks = iter(steps)

    def alive(_paths: Paths, _name: str) -> TiltRecord | None:
        if (step := next(looks, None)) is None:
            return None
        step()
        return TiltRecord(1, "1", 1, "")

    monkeypatch.setattr(tilt_process, "alive", alive)
    monkeypatch.setattr(attach, "PAUSE", 0)
    lines: list[str] = []
    attach.follow(machine, load(tmp_path / "kilter.yaml"), lines.append)
    assert lines == ["after"]


def test_a_tilt_that_another_up_starts_in_the_place_of_this_one_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a moment there is none, and its log is another file of the same name."""
    machine, log = of_shop(tmp_path, "before\n")

    def anew() -> None:
        log.unlink()
        log.write_text("of the new one\n")

    record = TiltRecord(1, "1", 1, "")
    looks: Iterator[Callable[[], TiltRecord | None]] = iter([lambda: record, lambda: None, anew, lambda: record])

    def alive(_paths: Paths, _name: str) -> TiltRecord | None:
        step = next(looks, None)
        return None if step is None else step()

    monkeypatch.setattr(tilt_process, "alive", alive)
    monkeypatch.setattr(attach, "PAUSE", 0)
    lines: list[str] = []
    attach.follow(machine, load(tmp_path / "kilter.yaml"), lines.append)
    assert lines == ["of the new one"]
