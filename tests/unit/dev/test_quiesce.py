"""Closing the databases before their node stops, seen by the commands that are run in it."""

from itertools import count
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import machine, told

from kilter.dev import quiesce as module
from kilter.dev.quiesce import CTR, PATIENCE, quiesce
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.tools import docker

NODE = "kilter-shop-control-plane"
KUBELET = docker.execute(NODE, "systemctl", "stop", "kubelet").argv
TASKS = docker.execute(NODE, *CTR, "tasks", "list").argv
OURS = 'labels."io.kubernetes.pod.namespace"==shop-dev,labels."io.cri-containerd.kind"==container'
CONTAINERS = docker.execute(NODE, *CTR, "containers", "list", "--quiet", OURS).argv
Argv = tuple[str, ...]


def asking(signal: str, container: str) -> Argv:
    return docker.execute(NODE, *CTR, "tasks", "kill", "--signal", signal, container).argv


def tasks(*running: str) -> str:
    """What `ctr tasks list` prints where those run, beside one that has ended."""
    rows = [f"{name}    7    RUNNING" for name in running]
    return "\n".join(["TASK    PID    STATUS", *rows, "job    0    STOPPED"])


def closed(folder: Path, answers: dict[Argv, "str | Outcome | list[str | Outcome]"]) -> tuple[list[Argv], list[str]]:
    """Close what runs in the node; returns what was run there, and what the user was told."""
    runner = FakeRunner({KUBELET: "", CONTAINERS: "db\nweb\njob\n", **answers})
    opened = machine(folder, runner)
    with Recorder().step("stop") as step:
        quiesce(opened, NODE, "shop-dev", step)
    return [command.argv for command in runner.commands], told(opened)


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, of which none is made."""
    made: list[float] = []
    monkeypatch.setattr(module.time, "sleep", made.append)
    return made


@pytest.mark.requirement("LC-Q11")
def test_the_kubelet_ends_first_and_then_the_projects_containers_are_asked_until_none_runs(
    tmp_path: Path, naps: list[float]
) -> None:
    """PostgreSQL waits for its clients at the first signal, and closes at the second."""
    seen: list[str | Outcome] = [tasks("db", "web", "dns"), tasks("db", "dns"), tasks("db", "dns"), tasks("dns")]
    asked = [asking("SIGTERM", "db"), asking("SIGTERM", "web"), asking("SIGINT", "db")]
    done, said = closed(tmp_path, {TASKS: seen, **dict.fromkeys(asked, "")})
    assert done[0] == KUBELET
    kills = [argv for argv in done if "kill" in argv]
    assert (sorted(kills[:2]), kills[2:]) == (sorted(asked[:2]), asked[2:])
    assert (done[-1], len(naps), said) == (TASKS, 1, [])


def test_a_container_that_ended_just_now_is_no_failure(tmp_path: Path) -> None:
    gone = Outcome(1, "", "ctr: process already finished: not found")
    done, said = closed(tmp_path, {TASKS: [tasks("db"), tasks(), tasks()], asking("SIGTERM", "db"): gone})
    assert (done[-1], said) == (TASKS, [])


@pytest.mark.requirement("LC-Q11")
def test_a_database_that_does_not_end_is_waited_for_a_bounded_time(
    tmp_path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(0.0, 1.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    _, said = closed(tmp_path, {TASKS: tasks("db"), asking("SIGTERM", "db"): "", asking("SIGINT", "db"): ""})
    assert len(naps) == int(PATIENCE) - 1
    assert said == []


@pytest.mark.parametrize("broken", [KUBELET, CONTAINERS, TASKS])
def test_a_node_that_does_not_answer_is_a_warning_and_stops_nobody(broken: Argv, tmp_path: Path) -> None:
    _, said = closed(tmp_path, {TASKS: tasks(), broken: Outcome(1, "", "it is gone")})
    [warning] = said
    assert warning.startswith("warn: the databases were not asked to close first: ")
