"""Stages whose programs end before their time."""

from pathlib import Path

import pytest
from unit.testbed.test_build import run, stage

from testbed import processes
from testbed.home import Home
from testbed.running import Interrupted
from testbed.work import StageFailed, Work


def test_a_service_that_ends_at_once_is_told_with_the_end_of_its_own_log(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "run")

    def start(_: Work, __: Path) -> None:
        note = home.run / "dockerd.json"
        words = ["sh", "-c", "echo no control groups >&2; exit 1"]
        processes.spawn(note, words, home.logs / "dockerd.log", {"PATH": "/usr/bin:/bin"})
        processes.wait_until(lambda: False, note, "dockerd")

    home.logs.mkdir()
    with pytest.raises(StageFailed) as told:
        run(home, stage(start)).all([stage(start)], set())
    assert str(told.value) == (
        "stage redis failed: dockerd ended while starting\n  | no control groups\n"
        f"  the whole log: {tmp_path}/logs/dockerd.log"
    )


def test_who_interrupts_leaves_no_program_of_a_stage_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, notes = Home(tmp_path, tmp_path / "run"), [tmp_path / "leader", tmp_path / "child"]
    home.logs.mkdir()
    script = f"sh -c 'echo $$ >{notes[1]}; exec sleep 60' & echo $$ >{notes[0]}; wait"
    one = run(home, stage(lambda work, _: work.run("sh", "-c", script)))

    def tick() -> None:
        if all(note.exists() and note.read_text().strip() for note in notes):
            raise KeyboardInterrupt

    monkeypatch.setattr(one.timeline, "tick", tick)
    with pytest.raises(KeyboardInterrupt):
        one.all([stage(lambda work, _: work.run("sh", "-c", script))], set())
    assert [processes.start_time(int(note.read_text())) for note in notes] == [None, None]
    with pytest.raises(Interrupted):
        Work(home, "next").run("true")
