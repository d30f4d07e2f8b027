"""Runs the stages of a plan: what is in the cache is taken, the rest is made, side by side where that helps."""

import fcntl
import json
import os
import queue
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.engine import link
from testbed.home import Home
from testbed.network import unmount_below
from testbed.plan import Stage, keys_of, startable
from testbed.processes import StartFailed, write
from testbed.running import RUNNING
from testbed.timeline import Timeline
from testbed.work import RECIPES, StageFailed, Work

SIDE_BY_SIDE = 2
LAST_LINES = 25
CLEANING = 15.0  # seconds for an interrupted stage to end what it has started


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Only one run at a time; a second one says whom it waits for."""
    home.root.mkdir(parents=True, exist_ok=True)
    with (home.root / "lock").open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            print(f"waiting for another run of the testbed ({handle.read().strip()})", file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        handle.truncate()
        handle.write(f"pid {os.getpid()}")
        handle.flush()
        yield


def finished(home: Home, stage: Stage, key: str) -> Path:
    """Where the artefact of a stage lies once it is whole."""
    return home.stages / stage.name / key


def make(work: Work, stage: Stage, key: str) -> None:
    """Make one stage: into a folder of another name first, so that what carries its name is whole."""
    if stage.cached:
        target = finished(work.home, stage, key)
        half = target.with_name(f"half-{key}")
        discard(half)
        half.mkdir(parents=True)
        stage.build(work, half)
        discard(target)
        half.rename(target)
        use(work.home, stage, key)
        drop_others(target)
    else:
        stage.build(work, work.home.root)


def use(home: Home, stage: Stage, key: str) -> None:
    """Let `current/STAGE` lead to the artefact of this key."""
    home.current.mkdir(parents=True, exist_ok=True)
    link(home.current / stage.name, Path("..") / "stages" / stage.name / key)


def drop_others(target: Path) -> None:
    """Remove what earlier keys and broken runs left of a stage."""
    for other in target.parent.iterdir():
        if other != target:
            discard(other)


def discard(folder: Path) -> None:
    """Remove a folder, whatever was mounted in it."""
    if folder.exists():
        unmount_below([folder])
        shutil.rmtree(folder)


def measured(home: Home) -> dict[str, float]:
    """How long stages took here before."""
    try:
        return {str(name): float(value) for name, value in json.loads((home.root / "usual.json").read_text()).items()}
    except (OSError, ValueError):
        return {}


def perform(home: Home, stages: Sequence[Stage], table: Sequence[Stage]) -> None:
    """Bring all the given stages up to date; raises StageFailed for the first that fails, after the others ended."""
    keys = keys_of(RECIPES, table)
    home.logs.mkdir(parents=True, exist_ok=True)
    kept = [stage for stage in stages if stage.cached and stage.sound(finished(home, stage, keys[stage.name]))]
    for stage in kept:
        use(home, stage, keys[stage.name])
    todo = [stage for stage in stages if stage not in kept]
    usual = measured(home)
    timeline = Timeline(todo, usual)
    took = Run(home, keys, timeline).all(todo, {stage.name for stage in kept})
    write(home.root / "usual.json", json.dumps({**usual, **took}, indent=1, sort_keys=True))


class Run:
    """One run: a thread per stage at work, the decisions in the calling thread."""

    def __init__(self, home: Home, keys: dict[str, str], timeline: Timeline) -> None:
        self.home = home
        self.keys = keys
        self.timeline = timeline
        self.threads: list[threading.Thread] = []
        self.ended: queue.Queue[tuple[Stage, Exception | None]] = queue.Queue()

    def all(self, todo: list[Stage], done: set[str]) -> dict[str, float]:
        """Run until nothing is left or something failed; who interrupts waits for the stages to clean up."""
        try:
            return self.until_done(todo, done)
        except KeyboardInterrupt:
            RUNNING.end()
            for thread in self.threads:
                thread.join(CLEANING)
            raise

    def until_done(self, todo: list[Stage], done: set[str]) -> dict[str, float]:
        """Run until nothing is left or something failed; returns how long each took."""
        running: list[Stage] = []
        took: dict[str, float] = {}
        failure: Exception | None = None
        while running or (todo and not failure):
            for stage in [] if failure else startable(todo, done, running, SIDE_BY_SIDE):
                todo.remove(stage)
                running.append(stage)
                self.timeline.begin(stage)
                self.threads.append(threading.Thread(target=self.one, args=(stage,), daemon=True))
                self.threads[-1].start()
            try:
                stage, problem = self.ended.get(timeout=0.5)
            except queue.Empty:
                self.timeline.tick()
                continue
            running.remove(stage)
            if problem:
                self.timeline.fail(stage, str(problem))
                failure = failure or StageFailed(self.explain(stage, problem))
            else:
                done.add(stage.name)
                took[stage.name] = round(self.timeline.end(stage), 1)
        if failure:
            raise failure
        return took

    def one(self, stage: Stage) -> None:
        """One stage in its own thread."""
        try:
            work = Work(self.home, stage.name)
            work.log.write_text("")
            make(work, stage, self.keys[stage.name])
        except Exception as problem:  # noqa: BLE001 - every failure of a stage is reported the same way
            self.ended.put((stage, problem))
        else:
            self.ended.put((stage, None))

    def explain(self, stage: Stage, problem: Exception) -> str:
        """The failure with the last lines of its log, if there is one."""
        told, log = f"stage {stage.name} failed: {problem}", self.home.logs / f"{stage.name}.log"
        if isinstance(problem, StartFailed) and problem.log:
            log = problem.log
        try:
            lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        except OSError:
            return told
        tail = "".join(f"  | {line}\n" for line in lines)
        return f"{told}\n{tail}  the whole log: {log}"
