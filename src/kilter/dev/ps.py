"""`kilter ps`: the projects of this machine, and what they use."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from kilter.clusters import registry
from kilter.clusters.node import node_name
from kilter.clusters.provider import Cluster, State
from kilter.dev import clusters, tilt_process
from kilter.dev.documents import ProjectRow, PsDocument, SharedRow
from kilter.dev.machine import Machine
from kilter.state import records
from kilter.state.records import Allocation
from kilter.tools import docker
from kilter.words import quantity


def ps(machine: Machine, *, everything: bool) -> PsDocument:
    """List the running projects; with `everything` the stopped and the vanished ones and the shared containers too."""
    found = {cluster.project: cluster for cluster in clusters.provider(machine).all()}
    known = records.all(machine.paths)
    running = [name for name, cluster in found.items() if cluster.state is State.RUNNING]
    usage = _usage(machine, [name for name in running if any(record.project == name for record in known)])
    rows = [_row(machine, record, found.get(record.project), usage) for record in known]
    shown = [row for row in rows if everything or row.state in ("up", "down")]
    return PsDocument(projects=shown, shared=_shared(machine) if everything else [])


def _row(
    machine: Machine, record: Allocation, cluster: Cluster | None, usage: dict[str, tuple[float, int]]
) -> ProjectRow:
    cpu, memory = usage.get(record.project, (None, None))
    log = machine.paths.tilt_log(record.project)
    used = datetime.fromtimestamp(log.stat().st_mtime).astimezone() if log.exists() else None
    return ProjectRow(
        name=record.project,
        state=_state(machine, record.project, cluster),
        ports=(record.block[0], record.block[-1]),
        cpu=cpu,
        memory=memory,
        directory=str(Path(record.directory)),
        last_used=used.isoformat(timespec="minutes") if used else None,
    )


def _state(machine: Machine, name: str, cluster: Cluster | None) -> Literal["up", "down", "stopped", "gone"]:
    if cluster is None or cluster.state in (State.ABSENT, State.FOREIGN, State.UNFINISHED):
        return "gone"
    if cluster.state is State.RUNNING:
        return "up" if tilt_process.alive(machine.paths, name) else "down"
    return "stopped"


def _usage(machine: Machine, names: list[str]) -> dict[str, tuple[float, int]]:
    """Return cores and bytes per running project; asks Docker once for all."""
    if not names:
        return {}
    rows = docker.parse_stats(machine.runner.run(docker.stats(*map(node_name, names))).stdout)
    by_node = {row.container: (row.cpu / 100, int(quantity(row.memory.removesuffix("B")))) for row in rows}
    return {name: by_node[node_name(name)] for name in names if node_name(name) in by_node}


def _shared(machine: Machine) -> list[SharedRow]:
    rows = docker.parse_lines(machine.runner.run(docker.list_containers(labels=[registry.ROLE])).stdout)
    return sorted((SharedRow(name=row["Names"], state=row["State"]) for row in rows), key=lambda row: row.name)
