"""Closing the databases before their node stops, seen by the commands that are run in it."""

import time
from itertools import count
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import machine, told

from kilter.clusters.node import stopping_mark
from kilter.dev import quiesce as module
from kilter.dev.quiesce import CTR, PATIENCE, quiesce
from kilter.errors import MachineLacks
from kilter.proc import Command, Outcome
from kilter.progress import Recorder
from kilter.tools import docker

NODE = "kilter-shop-control-plane"
KUBELET = docker.execute(NODE, "systemctl", "stop", "kubelet").argv
TASKS = docker.execute(NODE, *CTR, "tasks", "list").argv
POD = 'labels."io.kubernetes.pod.namespace"'
NAME = 'labels."io.kubernetes.container.name"'
OURS = (f'{POD}==shop-dev,{NAME}~="^(.+)$"', f'{POD}==kube-system,{NAME}~="^(etcd)$"')
CONTAINERS = docker.execute(NODE, *CTR, "containers", "list", "--quiet", *OURS).argv
IDLE = f'{POD}==kube-system,{NAME}~="^(coredns|kube-apiserver|kube-controller-manager|kube-scheduler)$"'
WITHOUT_DATA = docker.execute(NODE, *CTR, "containers", "list", "--quiet", IDLE).argv
Argv = tuple[str, ...]


def asking(signal: str, containers: int) -> Argv:
    each = ("xargs", "-r", "-n", "1", "-P", str(containers), *CTR, "tasks", "kill", "--signal", signal)
    return docker.execute(NODE, *each, stdin="").argv


def tasks(*running: str) -> str:
    """What `ctr tasks list` prints where those run, beside one that has ended."""
    rows = [f"{name}    7    RUNNING" for name in running]
    return "\n".join(["TASK    PID    STATUS", *rows, "job    0    STOPPED"])


def closed(folder: Path, answers: dict[Argv, "str | Outcome | list[str | Outcome]"]) -> tuple[list[Command], list[str]]:
    """Close what runs in the node; returns what was run there, and what the user was told."""
    runner = FakeRunner({KUBELET: "", CONTAINERS: "db\nweb\njob\n", WITHOUT_DATA: "", **answers})
    opened = machine(folder, runner)
    with Recorder().step("stop") as step:
        quiesce(opened, NODE, "shop", step)
    return runner.commands, told(opened)


def kills(done: list[Command]) -> list[tuple[Argv, object]]:
    return [(command.argv, command.stdin) for command in done if "kill" in command.argv]


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, of which none is made."""
    made: list[float] = []
    monkeypatch.setattr(time, "sleep", made.append)
    return made


@pytest.mark.requirement("LC-Q11")
def test_the_kubelet_ends_first_and_then_the_projects_containers_are_asked_until_none_runs(
    tmp_path: Path, naps: list[float]
) -> None:
    """PostgreSQL waits for its clients at the first signal, and closes at the second."""
    seen: list[str | Outcome] = [tasks("db", "web", "dns"), tasks("db", "dns"), tasks("db", "dns"), tasks("dns")]
    done, said = closed(tmp_path, {TASKS: seen, asking("SIGTERM", 2): "", asking("SIGINT", 1): ""})
    assert done[0].argv == KUBELET
    assert kills(done) == [(asking("SIGTERM", 2), "db\nweb"), (asking("SIGINT", 1), "db")]
    assert (done[-1].argv, len(naps), said) == (TASKS, 1, [])


def test_what_holds_no_data_ends_at_once_and_is_not_waited_for(tmp_path: Path) -> None:
    """Asked to end in good order, cluster DNS and the API server keep a node for seconds."""
    seen: list[str | Outcome] = [tasks("db", "dns", "api"), tasks("api"), tasks("api")]
    answers = {WITHOUT_DATA: "dns\napi\nformer\n", asking("SIGKILL", 2): "", asking("SIGTERM", 1): ""}
    done, said = closed(tmp_path, {TASKS: seen, **answers})
    assert kills(done) == [(asking("SIGKILL", 2), "api\ndns"), (asking("SIGTERM", 1), "db")]
    assert said == []


def test_a_stop_that_is_cut_off_leaves_a_mark(tmp_path: Path) -> None:
    """The next start of the node starts the kubelet again."""
    closed(tmp_path, {TASKS: tasks()})
    assert stopping_mark(machine(tmp_path, FakeRunner({})).paths, "shop").exists()


def test_on_a_full_disk_the_databases_close_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They of all things: their logs are what a recovery would write."""

    def full(*_: object) -> None:
        raise MachineLacks("the disk is full")

    monkeypatch.setattr(module, "write_whole", full)
    done, said = closed(tmp_path, {TASKS: [tasks("db"), tasks(), tasks()], asking("SIGTERM", 1): ""})
    assert (done[0].argv, said) == (KUBELET, [])


def test_a_container_that_ended_just_now_is_no_failure(tmp_path: Path) -> None:
    gone = Outcome(123, "", "ctr: process already finished: not found")
    done, said = closed(tmp_path, {TASKS: [tasks("db"), tasks(), tasks()], asking("SIGTERM", 1): gone})
    assert (done[-1].argv, said) == (TASKS, [])


@pytest.mark.requirement("LC-Q11")
def test_a_database_that_does_not_end_is_waited_for_a_bounded_time(
    tmp_path: Path, naps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(0.0, 1.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    _, said = closed(tmp_path, {TASKS: tasks("db"), asking("SIGTERM", 1): "", asking("SIGINT", 1): ""})
    assert len(naps) == int(PATIENCE) - 1
    assert said == []


@pytest.mark.parametrize("broken", [KUBELET, CONTAINERS, WITHOUT_DATA, TASKS])
def test_a_node_that_does_not_answer_is_a_warning_and_stops_nobody(broken: Argv, tmp_path: Path) -> None:
    _, said = closed(tmp_path, {TASKS: tasks(), broken: Outcome(1, "", "it is gone")})
    [warning] = said
    assert warning.startswith("warn: the databases were not asked to close first: ")
