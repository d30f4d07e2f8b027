"""The projects of this machine, and what they use."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import machine, told, workspace

from kilter.cli.views import ps_view
from kilter.clusters import registry
from kilter.clusters.node import NODES, creation_mark
from kilter.dev import tilt_process
from kilter.dev.machine import Machine
from kilter.dev.ps import ps
from kilter.errors import MachineLacks
from kilter.proc import Outcome
from kilter.state import records
from kilter.state.lock import project_lock
from kilter.tools import cgroup, docker

LIST = docker.list_containers(name=NODES).argv
SHARED = docker.list_containers(labels=[registry.ROLE]).argv
NODE = "kilter-shop-control-plane"
ID = "1d" * 32


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, cgroup.Reading]]:
    """What the kernel says at each look, nothing at first: the engine is on another machine."""
    looks: list[dict[str, cgroup.Reading]] = []
    monkeypatch.setattr(cgroup, "readings", lambda *_: looks.pop(0) if looks else {})
    return looks


def listed(here: Machine, status: str) -> str:
    """What docker says of the project's own node."""
    labels, mounts = f"{docker.KIND_LABEL}=kilter-shop", f"0123,{here.paths.identity('shop')}"
    return json.dumps({"ID": ID, "Names": NODE, "State": status, "Labels": labels, "Mounts": mounts})


def stats(memory: str, cpu: str) -> str:
    return json.dumps({"Name": NODE, "MemUsage": f"{memory} / 8GiB", "CPUPerc": cpu})


def engine(folder: Path, status: str, usage: str = "") -> Machine:
    """A machine with the project `shop`, whose node has the status."""
    opened = workspace(folder)
    runner = opened.machine.runner
    assert isinstance(runner, FakeRunner)
    runner.answers = {
        LIST: listed(opened.machine, status),
        docker.stats(NODE).argv: usage,
        SHARED: json.dumps({"Names": "kilter-registry", "State": "running"}),
    }
    return opened.machine


def asked(here: Machine) -> list[str]:
    """Return the verbs of docker that were run."""
    assert isinstance(here.runner, FakeRunner)
    return [command.argv[1] for command in here.runner.commands]


@pytest.mark.requirement("NS-41", "NS-Q28")
def test_where_the_engine_is_local_the_kernel_tells_the_usage_and_docker_is_asked_once(
    tmp_path: Path, counted: list[dict[str, cgroup.Reading]]
) -> None:
    counted += [{ID: cgroup.Reading(cpu=10**9, memory=1, at=0)}, {ID: cgroup.Reading(1_600_000_000, 42, 4 * 10**9)}]
    here = engine(tmp_path, "running")
    [row] = ps(here, everything=False).projects
    assert (row.cpu, row.memory) == (0.15, 42)
    assert asked(here) == ["ps"]


@pytest.mark.requirement("NS-Q28")
def test_without_a_running_project_docker_is_asked_once(tmp_path: Path) -> None:
    here = engine(tmp_path, "exited")
    assert ps(here, everything=False).projects == []
    assert asked(here) == ["ps"]


def test_a_project_that_the_kernel_does_not_count_is_asked_of_docker(
    tmp_path: Path, counted: list[dict[str, cgroup.Reading]]
) -> None:
    counted += [{ID: cgroup.Reading(10**9, 1, 0)}, {}]
    here = engine(tmp_path, "running", stats("1MiB", "50%"))
    [row] = ps(here, everything=False).projects
    assert (row.cpu, row.memory) == (0.5, 2**20)
    assert asked(here) == ["ps", "stats"]


def test_a_foreign_container_of_the_name_is_neither_measured_nor_taken_for_the_project(tmp_path: Path) -> None:
    here = engine(tmp_path, "running")
    here.runner.answers[LIST] = json.dumps(json.loads(here.runner.answers[LIST]) | {"Mounts": "/x"})  # type: ignore[attr-defined]
    [row] = ps(here, everything=True).projects
    assert (row.state, row.cpu) == ("gone", None)
    assert asked(here) == ["ps", "ps"]


@pytest.mark.requirement("NS-41", "NS-Q28")
@pytest.mark.parametrize(
    ("memory", "cpu", "cores", "size"),
    [
        ("385.2MiB", "12.50%", 0.125, int(385.2 * 2**20)),
        ("1.5GiB", "230.00%", 2.3, int(1.5 * 2**30)),
        ("512KiB", "0.00%", 0.0, 512 * 2**10),
        ("0B", "0.00%", 0.0, 0),
        ("100MB", "1.00%", 0.01, 100_000_000),
    ],
)
def test_usage_is_cores_and_bytes(memory: str, cpu: str, cores: float, size: int, tmp_path: Path) -> None:
    [row] = ps(engine(tmp_path, "running", stats(memory, cpu)), everything=False).projects
    assert (row.name, row.state, row.memory) == ("shop", "down", size)
    assert row.cpu == pytest.approx(cores)
    assert row.ports[1] - row.ports[0] == 19


def test_a_cluster_whose_record_is_lost_is_not_hidden(tmp_path: Path) -> None:
    here = engine(tmp_path, "running")
    shutil.rmtree(here.paths.data)
    assert ps(here, everything=False).projects == []
    [warning] = told(here)
    assert warning.startswith("warn: the cluster kilter-shop runs, and its project's record is lost")
    assert "`kilter stop --all` stops it" in warning


def test_a_container_that_just_went_has_no_usage(tmp_path: Path) -> None:
    gone = json.dumps({"Name": NODE, "MemUsage": "-- / --", "CPUPerc": "--"})
    [row] = ps(engine(tmp_path, "running", gone), everything=False).projects
    assert (row.cpu, row.memory) == (None, None)


@pytest.mark.requirement("NS-Q28")
def test_stopped_projects_are_listed_on_demand(tmp_path: Path) -> None:
    here = engine(tmp_path, "exited")
    assert ps(here, everything=False).projects == []
    [row] = ps(here, everything=True).projects
    assert (row.state, row.cpu) == ("stopped", None)


@pytest.mark.requirement("NS-Q4")
def test_the_shared_containers_are_listed_on_demand(tmp_path: Path) -> None:
    document = ps(engine(tmp_path, "exited"), everything=True)
    assert [(row.name, row.state) for row in document.shared] == [("kilter-registry", "running")]


def test_a_project_without_a_cluster_is_gone(tmp_path: Path) -> None:
    here = engine(tmp_path, "running")
    here.runner.answers[LIST] = ""  # type: ignore[attr-defined]
    [row] = ps(here, everything=True).projects
    assert row.state == "gone"


@pytest.mark.requirement("NS-Q28", "LC-Q22")
def test_a_cut_off_creation_is_listed_while_its_node_runs(tmp_path: Path) -> None:
    here = engine(tmp_path, "running", stats("1MiB", "50%"))
    creation_mark(here.paths, "shop").touch()
    [row] = ps(here, everything=False).projects
    assert (row.state, row.memory) == ("down", 2**20)
    here.runner.answers[LIST] = listed(here, "exited")  # type: ignore[attr-defined]
    [row] = ps(here, everything=True).projects
    assert (row.state, row.memory) == ("gone", None)


def test_a_trial_platform_that_runs_is_up(tmp_path: Path) -> None:
    """It never has a dev loop, whose end makes a project `down`."""
    here = engine(tmp_path, "running")
    records.move(here.paths, "shop", here.paths.project_data("shop"))
    assert [row.state for row in ps(here, everything=False).projects] == ["up"]


@pytest.mark.requirement("LC-Q6")
def test_a_running_loop_makes_a_project_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = engine(tmp_path, "running", stats("1MiB", "1%"))
    monkeypatch.setattr(tilt_process, "alive", lambda _paths, name: name == "shop")
    assert ps(here, everything=False).projects[0].state == "up"


@pytest.mark.parametrize(("status", "state"), [("running", "down"), ("exited", "stopped")])
def test_what_works_on_a_project_is_told_and_lists_it_whatever_its_state(
    tmp_path: Path, status: str, state: str
) -> None:
    here = engine(tmp_path, status, stats("1MiB", "1%"))
    with project_lock(here.paths, "shop", "up"):
        document = ps(here, everything=False)
    assert [(row.state, row.at_work) for row in document.projects] == [(state, "up")]
    assert f"{state} (kilter up)" in ps_view(document)


def test_an_engine_that_refuses_this_question_alone_is_said_to(tmp_path: Path) -> None:
    here = machine(tmp_path, FakeRunner({LIST: Outcome(1, "", "no such filter"), **ENGINE}))
    with pytest.raises(MachineLacks, match="docker ps") as caught:
        ps(here, everything=False)
    assert caught.value.details == ("no such filter",)


@pytest.mark.requirement("LC-Q3")
def test_an_engine_that_does_not_answer_is_named_with_what_to_do(tmp_path: Path) -> None:
    down = "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?"
    info = {docker.info().argv: json.dumps({"ServerVersion": "", "ServerErrors": [down]})}
    here = machine(tmp_path, FakeRunner({LIST: Outcome(1, "", down), **ENGINE, **info}))
    with pytest.raises(MachineLacks, match="Docker does not answer") as caught:
        ps(here, everything=False)
    assert caught.value.hint == "start Docker and try again"


def test_a_project_whose_folders_may_not_be_looked_into_is_listed_with_the_others(
    tmp_path: Path, close: Callable[[Path], None]
) -> None:
    here = engine(tmp_path, "exited")
    for folder in (here.paths.project_data("shop"), here.paths.tilt_log("shop").parent):
        folder.mkdir(parents=True, exist_ok=True)
        close(folder)
    [row] = ps(here, everything=True).projects
    assert (row.name, row.state, row.last_used) == ("shop", "stopped", None)
