"""`kilter up --reassign-ports`: another block where other programs hold numbers of the project's own (NS-Q16)."""

from kilter.clusters import ports
from kilter.clusters.provider import Cluster, State
from kilter.dev import tilt
from kilter.dev.destroy import losses
from kilter.dev.machine import Machine
from kilter.errors import BadInput, MachineLacks
from kilter.project.load import Project
from kilter.state import records
from kilter.state.paths import Paths
from kilter.state.records import FIRST_PORT, LAST_PORT, Allocation


def reassign(machine: Machine, project: Project, cluster: Cluster) -> None:
    """Move the project to a block of free numbers if another program holds one of its own, and say from where to where.

    Raises BadInput while there is a cluster, whose ports are fixed, and MachineLacks for a pinned port that is held.
    """
    if cluster.state is State.FOREIGN:
        return  # `up` ends with that
    if cluster.state not in (State.ABSENT, State.UNFINISHED):
        raise _fixed(machine, project)
    before = records.claim(machine.paths, project.name, project.root)
    held = [port for port in needed(machine.paths, before, cluster) if not ports.is_free(port)]
    _refuse_pinned(project, held)
    if not held:
        machine.progress.note(f"no other program holds a port of {project.name}: they stay {_shown(before)}")
        return
    taken = [port for port in range(FIRST_PORT, LAST_PORT + 1) if not ports.is_free(port)]
    after = records.reassign(machine.paths, project.name, taken)
    for holder in ports.holders(held):
        machine.progress.note(str(holder))
    machine.progress.warn(
        f"the ports of {project.name} were {_shown(before)} and are now {_shown(after)}; `kilter env` prints them"
    )


def needed(paths: Paths, record: Allocation, cluster: Cluster) -> list[int]:
    """Return the ports that must be free before the cluster is made: those that nothing of the project's own holds."""
    own = set(cluster.ports)
    wanted = (*record.mapped_ports, *(() if tilt.alive(paths, record.project) else (record.tilt_port,)))
    return [port for port in wanted if port not in own]


def _shown(record: Allocation) -> str:
    return f"{record.block[0]}-{record.block[-1]}"


def _refuse_pinned(project: Project, held: list[int]) -> None:
    for name, service in project.config.services.items():
        if service.host_port in held:
            [holder] = ports.holders([service.host_port])
            raise MachineLacks(
                str(holder),
                why=f"`services.{name}.hostPort` in kilter.yaml pins it",
                hint="end the program, or pin another number",
            )


def _fixed(machine: Machine, project: Project) -> BadInput:
    return BadInput(
        f"the ports of {project.name} are fixed in its cluster",
        why="moving them takes a new cluster, and what the old one holds would be lost; "
        "snapshots, which could carry data over, come in a later release",
        hint="to move without it: `kilter destroy`, then `kilter up --reassign-ports`",
        details=[f"would be lost: {line}" for line in losses(machine, project)],
    )
