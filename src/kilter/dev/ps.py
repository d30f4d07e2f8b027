"""`kilter ps`: the projects of this machine, and what they use."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Literal

from kilter.clusters.node import node_name
from kilter.clusters.provider import Listed, State
from kilter.dev import clusters, tilt_process
from kilter.dev.documents import ProjectRow, PsDocument, SharedRow
from kilter.dev.machine import Machine
from kilter.errors import MachineLacks
from kilter.state import records
from kilter.state.lock import holder
from kilter.state.records import Allocation
from kilter.tools import cgroup, docker

UNRECORDED = "`kilter up` in the project's directory takes it up again, `kilter stop --all` stops it"
Used = tuple[float, int]  # cores, bytes


def ps(machine: Machine, *, everything: bool) -> PsDocument:
    """List the projects that run, or that a command works on.

    With `everything` also the stopped and the vanished ones, and the shared containers. Raises MachineLacks.
    """
    before = cgroup.readings()  # the second look comes once Docker has answered: no time passes for this alone
    found = {cluster.project: cluster for cluster in _clusters(machine)}
    known = records.all(machine.paths)
    owned = {record.project for record in known}
    nodes = {name: one.node for name, one in found.items() if one.runs}
    for name in sorted(nodes.keys() - owned):
        machine.progress.warn(f"the cluster kilter-{name} runs, and its project's record is lost; {UNRECORDED}")
    used = usage(machine, {name: node for name, node in nodes.items() if name in owned}, before)
    rows = [_row(machine, record, found.get(record.project), used) for record in known]
    shown = [row for row in rows if everything or row.at_work or row.state in ("up", "down")]
    return PsDocument(projects=shown, shared=_shared(machine) if everything else [])


def _clusters(machine: Machine) -> Sequence[Listed]:
    try:
        return clusters.provider(machine).all()
    except MachineLacks:
        from kilter.clusters import engine  # start-up: asked for where Docker fails alone

        engine.check(machine.runner, machine.environment)  # says what is wrong with it, and what to do
        raise


def _row(machine: Machine, record: Allocation, cluster: Listed | None, used: Mapping[str, Used]) -> ProjectRow:
    cpu, memory = used.get(record.project, (None, None))
    log = machine.paths.tilt_log(record.project)
    working = holder(machine.paths, record.project)
    last = None
    with suppress(OSError):  # never used, or in a folder of another user
        last = datetime.fromtimestamp(log.stat().st_mtime).astimezone()
    return ProjectRow(
        name=record.project,
        state=_state(machine, record, cluster),
        ports=(record.block[0], record.block[-1]),
        cpu=cpu,
        memory=memory,
        at_work=working.verb if working else None,
        directory=str(Path(record.directory)),
        last_used=last.isoformat(timespec="minutes") if last else None,
    )


def _state(machine: Machine, record: Allocation, cluster: Listed | None) -> Literal["up", "down", "stopped", "gone"]:
    if cluster is not None and cluster.runs:
        is_whole = records.is_trial(machine.paths, record)  # it has no dev loop
        return "up" if is_whole or tilt_process.alive(machine.paths, record.project) else "down"
    return "stopped" if cluster is not None and cluster.state in (State.STOPPED, State.DEAD) else "gone"


def usage(machine: Machine, nodes: Mapping[str, str], before: Mapping[str, cgroup.Reading]) -> dict[str, Used]:
    """Return what the running nodes of projects (name to container) use, by the kernel's count since `before`.

    What the kernel does not count is asked of Docker, once for all.
    """
    counted = cgroup.usage(before, nodes.values())
    used = {name: counted[node] for name, node in nodes.items() if node in counted}
    if rest := {node_name(name): name for name in nodes if name not in used}:
        rows = docker.parse_stats(machine.runner.run(docker.stats(*rest)).stdout)
        used |= {rest[row.container]: (row.cpu, row.memory) for row in rows if row.container in rest}
    return used


def _shared(machine: Machine) -> list[SharedRow]:
    from kilter.clusters.registry import ROLE  # start-up: asked for with --all alone

    rows = docker.parse_lines(machine.runner.run(docker.list_containers(labels=[ROLE])).stdout)
    return sorted((SharedRow(name=row["Names"], state=row["State"]) for row in rows), key=lambda row: row.name)
