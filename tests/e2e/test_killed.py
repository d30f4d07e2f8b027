"""`kilter up` and `kilter stop` killed in the middle of their work, and run again; on a real cluster."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from harness.cli import Kilter, docker, end
from harness.project import IDLE, declare, small
from harness.trial import eventually

from kilter.clusters.node import node_name
from kilter.proc import start_time

pytestmark = [pytest.mark.cluster, pytest.mark.island]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    with small(tmp_path_factory.mktemp("killed")) as kilter:
        # Process 1 of a container hears no signal that it has not asked for: a stop waits for it as long as it may.
        deaf = {**IDLE, "command": ["sleep", "infinity"]}
        declare(kilter, services=["redis"], components={"side": deaf}, processes=[])
        yield kilter


def node(project: Kilter) -> str:
    return docker("ps", "--all", "--quiet", "--filter", f"name={node_name(project.directory.name)}")


@contextmanager
def begun(project: Kilter, command: str) -> Iterator["subprocess.Popen[str]"]:
    """Start a command; whatever becomes of the test, it does not run on beside the next."""
    child = project.start(command)
    try:
        yield child
    finally:
        if child.poll() is None:
            end(child)


def reaches(child: "subprocess.Popen[str]", point: Callable[[], bool]) -> None:
    """Wait until a command is at some point of its work."""
    assert eventually(lambda: child.poll() is not None or point(), 300)
    assert child.poll() is None, child.communicate()


@pytest.mark.requirement("LC-Q22")
def test_a_killed_up_leaves_nothing_that_makes_a_cluster_behind_the_next_ones_back(project: Kilter) -> None:
    """In the middle of its longest step: at the end of each, kind writes to a kilter that is gone, and ends by that."""
    mark = project.home / ".local/share/kilter" / project.directory.name / "creating"
    with begun(project, "up") as first:
        reaches(first, lambda: "kubeadm init" in docker("top", node_name(project.directory.name), code=None))
        kind = int(mark.read_text().split()[0])
        first.kill()
        first.communicate(timeout=20)
    assert start_time(kind) is not None
    cut_off = node(project)
    again = project.run("up")
    assert "which a killed kilter had left running" in again.err
    assert start_time(kind) is None
    assert node(project) != cut_off
    found = project.json("status")
    assert found["ready"], found
    assert not mark.exists()


@pytest.mark.requirement("LC-Q22", "F3")
def test_a_killed_stop_leaves_a_node_that_the_next_up_makes_work_again(project: Kilter) -> None:
    """Its kubelet has ended, and nothing in the node would ever start the databases that were asked to close."""
    name, before = node_name(project.directory.name), node(project)

    def kubelet() -> str:
        return docker("exec", name, "systemctl", "is-active", "kubelet", code=None).strip()

    with begun(project, "stop") as first:
        reaches(first, lambda: kubelet() == "inactive")
        first.kill()
        first.communicate(timeout=20)
    project.run("up")
    assert (node(project), kubelet()) == (before, "active")
    found = project.json("status")
    assert found["ready"], found


@pytest.mark.requirement("LC-Q22")
def test_an_up_that_is_asked_to_end_leaves_nothing_at_all(project: Kilter) -> None:
    project.run("destroy", "--yes", "--no-snapshot")
    with begun(project, "up") as ended:
        reaches(ended, lambda: node(project) != "")
        ended.terminate()
        told = ended.communicate(timeout=60)[1]
    assert ended.returncode == 130, told
    assert node(project) == ""
