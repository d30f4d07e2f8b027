"""`kilter up --reassign-ports`: another block where other programs hold numbers of the project's own (NS-Q16)."""

from kilter.clusters import ports
from kilter.clusters.provider import Cluster, Provider, State
from kilter.dev import tilt_process
from kilter.dev.machine import Machine
from kilter.dev.recreate import discard
from kilter.errors import BadInput, MachineLacks
from kilter.project.load import Project
from kilter.state import records
from kilter.state.blocks import FIRST_PORT, LAST_PORT
from kilter.state.paths import Paths
from kilter.state.records import Allocation

# A cluster keeps the ports that it was made with.
MOVE_WITH_A_CLUSTER = (
    "run `kilter up` again, or `kilter up --reassign-ports --recreate`: a new cluster at other ports takes over the "
    "services' data"
)


def reassign(machine: Machine, project: Project, cluster: Cluster) -> None:
    """Move the project to a block of free numbers if another program holds one of its own, and say from where to where.

    Raises BadInput while there is a cluster, whose ports are fixed, and MachineLacks for a pinned port that is held.
    """
    if cluster.state is State.FOREIGN:
        return  # `up` ends with that
    if cluster.exists:
        raise _fixed(project)
    before = records.claim(machine.paths, project.name, project.root)
    held = [port for port in needed(machine.paths, before, cluster) if not ports.is_free(port)]
    _refuse_pinned(machine, project, held)
    if not held:
        machine.progress.note(f"no other program holds a port of {project.name}: they stay {_shown(before)}")
        return
    taken = [port for port in range(FIRST_PORT, LAST_PORT + 1) if not ports.is_free(port)]
    after = records.reassign(machine.paths, project.name, taken)
    for holder in ports.named(machine.runner, held):
        machine.progress.note(str(holder))
    machine.progress.warn(
        f"the ports of {project.name} were {_shown(before)} and are now {_shown(after)}; `kilter env` prints them"
    )


def make_room(machine: Machine, provider: Provider, project: Project, cluster: Cluster) -> Cluster:
    """Remove a stopped cluster whose ports another program holds, for a new one at others that takes its data over.

    Returns the cluster as it is now; one that runs, or is paused, holds its ports itself and is left alone.
    """
    record = records.read(machine.paths, project.name)
    if cluster.state not in (State.STOPPED, State.DEAD) or cluster.holds_ports or record is None:
        return cluster
    if all(ports.is_free(port) for port in record.mapped_ports):
        return cluster
    _refuse_pinned(machine, project, [port for port in record.mapped_ports if not ports.is_free(port)])
    discard(machine, provider, project.name, f"another program holds a port of {project.name}")
    return Cluster(project.name, State.ABSENT)


def needed(paths: Paths, record: Allocation, cluster: Cluster) -> list[int]:
    """Return the ports that must be free before the cluster is made: those that nothing of the project's own holds."""
    own = set(cluster.ports)
    wanted = (*record.mapped_ports, *(() if tilt_process.alive(paths, record.project) else (record.tilt_port,)))
    return [port for port in wanted if port not in own]


def _shown(record: Allocation) -> str:
    return f"{record.block[0]}-{record.block[-1]}"


def _refuse_pinned(machine: Machine, project: Project, held: list[int]) -> None:
    for name, service in project.config.services.items():
        if service.host_port in held:
            [holder] = ports.named(machine.runner, [service.host_port])
            raise MachineLacks(
                str(holder),
                why=f"`services.{name}.hostPort` in kilter.yaml pins it",
                hint="end the program, or pin another number",
            )


def _fixed(project: Project) -> BadInput:
    return BadInput(
        f"the ports of {project.name} are fixed in its cluster",
        why="moving them takes a new cluster: it takes over the services' data, but nothing that was applied by hand",
        hint="`kilter stop`, then `kilter up --reassign-ports --recreate`",
    )
