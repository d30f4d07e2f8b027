"""Runs of stages that fail."""

import io
from pathlib import Path
from typing import Any

import pytest

from testbed.build import Run, perform
from testbed.home import Home
from testbed.plan import Stage
from testbed.timeline import Timeline
from testbed.work import StageFailed, Work


def broken(work: Work, _: Path) -> None:
    """Fails, with a word in its log."""
    work.say("no such package")
    raise StageFailed("it broke")


def run(home: Home, *stages: Stage) -> Run:
    """A run that shows nothing."""
    return Run(home, {stage.name: "0" * 16 for stage in stages}, Timeline(stages, {}, io.StringIO()))


def stage(build: Any) -> Stage:
    """The one stage of a run."""
    return Stage("redis", "image redis:8", build)


def test_a_stage_that_fails_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "run")
    home.logs.mkdir()
    with pytest.raises(StageFailed) as told:
        run(home, stage(broken)).all([stage(broken)], set())
    assert str(told.value) == (
        f"stage redis failed: it broke\n  | no such package\n  the whole log: {tmp_path}/logs/redis.log"
    )


def test_an_artefact_that_cannot_be_used_any_more_is_made_again(tmp_path: Path) -> None:
    made: list[Path] = []

    def build(_: Work, target: Path) -> None:
        made.append(target)
        (target / "whole").touch()

    def sound(artefact: Path) -> bool:
        return (artefact / "whole").exists()

    home, go = Home(tmp_path, tmp_path / "run"), Stage("go", "Go toolchain", build, sound=sound)
    for _ in range(2):
        perform(home, [go], [go])
    assert len(made) == 1
    (home.artefact("go") / "whole").rename(home.artefact("go") / "broken")
    perform(home, [go], [go])
    assert len(made) == 2
    assert [path.name for path in home.artefact("go").iterdir()] == ["whole"]


def test_a_stage_whose_log_cannot_be_written_has_failed_and_is_not_waited_for(tmp_path: Path) -> None:
    """No folder for logs stands for a full disk."""
    one = run(Home(tmp_path, tmp_path / "run"), stage(broken))
    one.one(stage(broken))
    _, problem = one.ended.get_nowait()
    assert isinstance(problem, OSError)


def test_a_failure_without_a_log_is_told_all_the_same(tmp_path: Path) -> None:
    told = run(Home(tmp_path, tmp_path / "run"), stage(broken)).explain(stage(broken), StageFailed("it broke"))
    assert told == "stage redis failed: it broke"
