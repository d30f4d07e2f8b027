"""`kilter up --recreate`: a new cluster where the old one is gone or beyond repair, and nowhere else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import told, workspace

from kilter.clusters import ports
from kilter.clusters.node import engine_file
from kilter.clusters.ports import Holder
from kilter.clusters.provider import ApiPortTaken, BeyondRepair, Cluster, State, StaysUnready
from kilter.dev import tilt_process
from kilter.dev.up import Up, UpOptions
from kilter.dev.workspace import Workspace
from kilter.errors import Busy, KilterError, MachineLacks, NotReady, TimedOut
from kilter.state.files import write_whole
from kilter.tools import docker


@dataclass
class FakeProvider:
    """A provider that remembers what it was asked, and whose clusters do not start when the test says so."""

    fault: KilterError | None = None
    asked: list[str] = field(default_factory=list)

    def create(self, project: str, config: str, image: str) -> None:
        self.asked.append(f"create {project} {config}")

    def start(self, project: str, timeout: float) -> Cluster:
        self.asked.append(f"start {project}")
        if self.fault:
            raise self.fault
        return Cluster(project, State.RUNNING)

    def discard(self, project: str, grace: int) -> None:
        self.asked.append(f"discard {project}")


@pytest.fixture(autouse=True)
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: True)


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    """The project `shop` with data on disk."""
    found = workspace(tmp_path, FakeRunner(ENGINE))
    (found.machine.paths.volumes("shop") / "pvc-1").mkdir(parents=True)
    return found


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=1) as made:
        yield made


def bring_up(opened: Workspace, provider: Any, state: State, pool: ThreadPoolExecutor, *, recreate: bool) -> None:
    """Bring the cluster up as `kilter up` does."""
    up = Up(opened.machine, opened.project, UpOptions(recreate=recreate), pool)
    up.bring_up(provider, Cluster("shop", state), opened, "config")


@pytest.mark.requirement("LC-Q13")
@pytest.mark.parametrize("state", [State.ABSENT, State.UNFINISHED])
def test_a_flag_without_a_cluster_makes_one_and_says_so(state: State, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    flagged = workspace(tmp_path, FakeRunner(ENGINE), "cluster: {stopped: true}\nservices: {redis: }\n")
    provider = FakeProvider()
    bring_up(flagged, provider, state, pool, recreate=False)
    assert provider.asked == ["create shop config"]
    assert (
        told(flagged.machine)[0] == f"note: {flagged.project.file} says `stopped`, and this machine has no such cluster"
    )


@pytest.mark.requirement("LC-Q19")
def test_a_tilt_that_speaks_to_the_cluster_before_is_ended_before_a_new_one_is_made(
    opened: Workspace, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = FakeProvider()
    monkeypatch.setattr(tilt_process, "end", lambda _, name: provider.asked.append(f"end the Tilt of {name}"))
    bring_up(opened, provider, State.ABSENT, pool, recreate=True)
    assert provider.asked == ["end the Tilt of shop", "create shop config"]


BROKEN = BeyondRepair("the container does not start")
TAKEN = ApiPortTaken("port 35599 is held by ssh (process 7)", "kilter-shop")
SILENT = StaysUnready("kilter-shop-control-plane", 300, "etcd failed")


@pytest.mark.requirement("LC-Q19")
@pytest.mark.parametrize("fault", [BROKEN, TAKEN, SILENT])
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.DEAD])
def test_a_cluster_beyond_repair_is_kept_until_the_user_says_recreate(
    fault: KilterError, state: State, opened: Workspace, pool: ThreadPoolExecutor
) -> None:
    provider = FakeProvider(fault)
    with pytest.raises(type(fault)):
        bring_up(opened, provider, state, pool, recreate=False)
    assert provider.asked == ["start shop"]
    bring_up(opened, provider, state, pool, recreate=True)
    assert provider.asked[1:] == ["start shop", "discard shop", "create shop config"]
    assert (opened.machine.paths.volumes("shop") / "pvc-1").is_dir()
    assert (
        f"warn: it takes over the services' data in {opened.machine.paths.volumes('shop')}; all else is made anew"
        in told(opened.machine)
    )


@pytest.mark.requirement("LC-Q19")
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED])
def test_a_healthy_cluster_is_never_made_anew(state: State, opened: Workspace, pool: ThreadPoolExecutor) -> None:
    provider = FakeProvider()
    bring_up(opened, provider, state, pool, recreate=True)
    assert provider.asked == ["start shop"]


@pytest.mark.requirement("LC-Q19", "NS-Q3")
@pytest.mark.parametrize(
    "fault", [MachineLacks("the disk is full"), Busy("is not this project's"), TimedOut("`docker start` did not end")]
)
def test_what_is_the_machines_or_anothers_is_no_reason_to_make_a_cluster_anew(
    fault: KilterError, opened: Workspace, pool: ThreadPoolExecutor
) -> None:
    provider = FakeProvider(fault)
    with pytest.raises(type(fault)):
        bring_up(opened, provider, State.STOPPED, pool, recreate=True)
    assert provider.asked == ["start shop"]


@pytest.mark.requirement("LC-Q19", "LC-Q21")
def test_a_new_cluster_over_the_data_of_a_lost_one_takes_the_word_too(
    opened: Workspace, pool: ThreadPoolExecutor
) -> None:
    provider = FakeProvider()
    with pytest.raises(NotReady, match="its data is still there") as caught:
        bring_up(opened, provider, State.ABSENT, pool, recreate=False)
    assert "`kilter up --recreate`" in caught.value.hint
    bring_up(opened, provider, State.ABSENT, pool, recreate=True)
    assert provider.asked == ["create shop config"]


@pytest.mark.requirement("LC-Q19", "LC-Q21")
def test_data_of_a_cluster_on_another_engine_is_said_to_be_that(opened: Workspace, pool: ThreadPoolExecutor) -> None:
    write_whole(engine_file(opened.machine.paths, "shop"), "there\n")
    runner = opened.machine.runner
    assert isinstance(runner, FakeRunner)
    runner.answers = {**runner.answers, docker.info().argv: '{"ServerVersion": "28.0.0", "ID": "here"}'}
    with pytest.raises(NotReady, match="was made on another Docker than this one: unix:") as caught:
        bring_up(opened, FakeProvider(), State.ABSENT, pool, recreate=False)
    assert "choose the other Docker" in caught.value.hint
    engine_file(opened.machine.paths, "shop").unlink()
    with pytest.raises(NotReady, match="removed outside kilter") as caught:
        bring_up(opened, FakeProvider(), State.ABSENT, pool, recreate=False)
    assert "another Docker than unix:///run/docker.sock" in caught.value.hint


@pytest.mark.requirement("LC-Q22")
def test_the_ports_of_a_creation_that_was_cut_off_are_no_foreign_programs(
    opened: Workspace, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = opened.allocation.mapped_ports
    monkeypatch.setattr(ports, "is_free", lambda port: port not in held)
    monkeypatch.setattr(ports, "named", lambda _, taken: [Holder(port) for port in taken])
    monkeypatch.setattr(Cluster, "ports", property(lambda self: held if self.state is State.UNFINISHED else ()))
    bring_up(opened, FakeProvider(), State.UNFINISHED, pool, recreate=True)
    with pytest.raises(MachineLacks, match="held by other programs"):
        bring_up(opened, FakeProvider(), State.ABSENT, pool, recreate=True)


@pytest.mark.requirement("NS-Q16", "LC-13")
def test_who_meets_a_held_port_is_told_of_the_option_that_is_not_refused_while_there_is_a_cluster(
    opened: Workspace, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    monkeypatch.setattr(ports, "named", lambda _, taken: [Holder(port) for port in taken])
    with pytest.raises(MachineLacks) as caught:
        bring_up(opened, FakeProvider(), State.STOPPED, pool, recreate=False)
    assert "`kilter up --reassign-ports --recreate`" in caught.value.hint
    with pytest.raises(MachineLacks) as caught:
        bring_up(opened, FakeProvider(), State.ABSENT, pool, recreate=True)  # there is data
    assert "`kilter up --reassign-ports` to move" in caught.value.hint
