"""`kilter up --reassign-ports`: only where another program is in the way, and only while nothing can be lost."""

import re
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import told, workspace

from kilter.clusters import ports
from kilter.clusters.ports import Holder
from kilter.clusters.provider import Cluster, State
from kilter.dev.reassign import make_room, needed, reassign
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import BadInput, MachineLacks
from kilter.project.load import load
from kilter.state import records
from kilter.tools import docker
from kilter.tools.docker import Container

ABSENT = Cluster("shop", State.ABSENT)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The ports that nginx holds on this machine."""
    held: set[int] = set()
    monkeypatch.setattr(ports, "is_free", lambda port: port not in held)
    monkeypatch.setattr(ports, "named", lambda _, asked: [Holder(port, 77, "nginx") for port in asked])
    return held


@pytest.fixture
def opened(tmp_path: Path, taken: set[int]) -> Workspace:
    """The project `shop`, which has its ports."""
    return workspace(tmp_path, FakeRunner({docker.inspect("kilter-shop-control-plane").argv: "[]", **ENGINE}))


def move(opened: Workspace, cluster: Cluster = ABSENT) -> records.Allocation:
    reassign(opened.machine, opened.project, cluster)
    known = records.read(opened.machine.paths, "shop")
    assert known is not None
    return known


@pytest.mark.requirement("NS-Q16", "NS-Q13")
def test_the_block_moves_to_one_where_every_number_is_free_and_both_are_told(
    opened: Workspace, taken: set[int]
) -> None:
    before = opened.allocation
    taken |= {before.base + 1, before.base + 25, 32760}
    after = move(opened)
    assert after.base not in (before.base, before.base + 20)
    assert taken.isdisjoint(after.block)
    assert after.password == before.password
    moved = f"were {before.base}-{before.base + 19} and are now {after.base}-{after.base + 19}"
    assert told(opened.machine) == [
        f"note: port {before.base + 1} is held by nginx (process 77)",
        f"warn: the ports of shop {moved}; `kilter env` prints them",
    ]
    again = open_workspace(opened.machine, opened.project, cluster_exists=False)
    assert again.allocation.ports["redis/redis"] - after.base == before.ports["redis/redis"] - before.base


@pytest.mark.requirement("NS-Q13", "NS-15")
def test_ports_that_nobody_else_holds_stay_as_they_are(opened: Workspace, taken: set[int]) -> None:
    taken.add(opened.allocation.base + 20)
    assert move(opened) == opened.allocation
    [line] = told(opened.machine)
    assert line.startswith("note: no other program holds a port of shop: they stay ")


@pytest.mark.requirement("NS-Q16")
def test_tilts_port_counts_too(opened: Workspace, taken: set[int]) -> None:
    taken.add(opened.allocation.tilt_port)
    assert move(opened).base != opened.allocation.base


@pytest.mark.requirement("NS-Q16", "LC-13")
@pytest.mark.parametrize("state", [State.RUNNING, State.STOPPED, State.DEAD])
def test_a_cluster_is_never_given_up_for_it_unless_that_is_said_too(
    state: State, opened: Workspace, taken: set[int]
) -> None:
    taken.add(opened.allocation.base)
    with pytest.raises(BadInput, match="fixed in its cluster") as caught:
        move(opened, Cluster("shop", state))
    assert "takes over the services' data" in caught.value.why
    assert "--reassign-ports --recreate" in caught.value.hint
    assert records.read(opened.machine.paths, "shop") == opened.allocation


class Discarding:
    """A provider that notes whose cluster is given up."""

    def __init__(self) -> None:
        self.gone: list[str] = []

    def discard(self, project: str, grace: int) -> None:
        self.gone.append(project)


@pytest.mark.requirement("NS-Q16")
@pytest.mark.parametrize(
    ("state", "held", "left"),
    [
        (State.STOPPED, True, State.ABSENT),
        (State.DEAD, True, State.ABSENT),
        (State.STOPPED, False, State.STOPPED),
        (State.RUNNING, True, State.RUNNING),
    ],
)
def test_a_stopped_cluster_makes_room_only_where_another_program_is_in_its_way(
    state: State, held: bool, left: State, opened: Workspace, taken: set[int]
) -> None:
    provider = Discarding()
    if held:
        taken.add(opened.allocation.base)
    assert make_room(opened.machine, provider, opened.project, Cluster("shop", state)).state is left  # type: ignore[arg-type]
    assert bool(provider.gone) is (left is State.ABSENT)


@pytest.mark.requirement("NS-Q3", "LC-Q22")
@pytest.mark.parametrize("state", [State.ABSENT, State.FOREIGN, State.UNFINISHED])
def test_what_is_no_cluster_of_the_projects_makes_no_room(state: State, opened: Workspace, taken: set[int]) -> None:
    provider = Discarding()
    taken.add(opened.allocation.base)
    found = Cluster("shop", state)
    assert make_room(opened.machine, provider, opened.project, found) is found  # type: ignore[arg-type]
    assert (provider.gone, told(opened.machine)) == ([], [])


@pytest.mark.requirement("NS-Q16", "NS-Q18")
def test_a_pin_that_nobody_holds_keeps_no_cluster_from_making_room(tmp_path: Path, taken: set[int]) -> None:
    opened = workspace(tmp_path)
    opened.project.file.write_text(f"services: {{redis: {{hostPort: {opened.allocation.base + 5}}}}}\n")
    project = load(opened.project.file)
    open_workspace(opened.machine, project, cluster_exists=False)
    taken.add(opened.allocation.base)
    provider = Discarding()
    make_room(opened.machine, provider, project, Cluster("shop", State.STOPPED))  # type: ignore[arg-type]
    assert provider.gone == ["shop"]


def test_a_paused_cluster_is_in_nobodys_way_but_its_own(opened: Workspace, taken: set[int]) -> None:
    """Its node holds the ports while it sleeps, and `up` wakes it."""
    provider, container = Discarding(), Container("abc", "node", "img", "sha256:1", "paused", "")
    taken.add(opened.allocation.base)
    found = Cluster("shop", State.STOPPED, container)
    assert make_room(opened.machine, provider, opened.project, found) is found  # type: ignore[arg-type]
    assert provider.gone == []


@pytest.mark.requirement("NS-Q18", "C13")
@pytest.mark.parametrize("offset", [5, 600])
def test_a_pinned_port_is_moved_by_its_owner_alone(offset: int, tmp_path: Path, taken: set[int]) -> None:
    opened = workspace(tmp_path)
    pin = 30000 + (opened.allocation.base - 30000 + offset) % 2700
    opened.project.file.write_text(f"services: {{redis: {{hostPort: {pin}}}}}\n")
    project = load(opened.project.file)
    open_workspace(opened.machine, project, cluster_exists=False)
    taken.add(pin)
    with pytest.raises(MachineLacks, match=rf"port {pin} is held by nginx \(process 77\)") as caught:
        reassign(opened.machine, project, ABSENT)
    assert "services.redis.hostPort" in caught.value.why


@pytest.mark.requirement("NS-Q18")
def test_a_cluster_makes_no_room_where_its_project_cannot_move_anyway(tmp_path: Path, taken: set[int]) -> None:
    opened = workspace(tmp_path)
    pin = opened.allocation.base + 5
    opened.project.file.write_text(f"services: {{redis: {{hostPort: {pin}}}}}\n")
    project = load(opened.project.file)
    open_workspace(opened.machine, project, cluster_exists=False)
    taken.add(pin)
    provider = Discarding()
    with pytest.raises(MachineLacks, match=f"port {pin} is held by nginx"):
        make_room(opened.machine, provider, project, Cluster("shop", State.STOPPED))  # type: ignore[arg-type]
    assert provider.gone == []


@pytest.mark.requirement("NS-Q3")
def test_nothing_is_moved_beside_a_cluster_of_somebody_elses(opened: Workspace, taken: set[int]) -> None:
    taken.add(opened.allocation.base)
    assert move(opened, Cluster("shop", State.FOREIGN)) == opened.allocation


@pytest.mark.requirement("LC-Q22")
def test_what_the_projects_own_things_hold_is_not_in_the_way(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, record = opened.machine.paths, opened.allocation
    assert needed(paths, record, ABSENT) == [*record.mapped_ports, record.tilt_port]
    monkeypatch.setattr("kilter.dev.reassign.tilt_process.alive", lambda *_: "a record")
    monkeypatch.setattr(Cluster, "ports", property(lambda _self: record.mapped_ports[:5]))
    assert needed(paths, record, Cluster("shop", State.UNFINISHED)) == list(record.mapped_ports[5:])


@pytest.mark.requirement("NS-Q16")
def test_who_meets_a_held_port_learns_of_the_option(taken: set[int]) -> None:
    taken.add(30001)
    with pytest.raises(MachineLacks, match=re.escape("port 30001 is held by nginx (process 77)")) as caught:
        ports.check(FakeRunner(), [30000, 30001])
    assert "`kilter up --reassign-ports`" in caught.value.hint
