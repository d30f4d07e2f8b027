"""`kilter stop`: free the memory, keep every byte of data."""

from pathlib import Path

from kilter.clusters import engine
from kilter.clusters.provider import State
from kilter.dev import clusters, stopflag, tilt_process
from kilter.dev.machine import Machine
from kilter.dev.quiesce import quiesce
from kilter.errors import KilterError
from kilter.project.load import FILE_NAME, Project, load
from kilter.state import records
from kilter.state.lock import project_lock

GRACE = 20  # seconds for the node to end by itself; the databases have closed before


def stop(machine: Machine, project: Project) -> str:
    """End Tilt, let the databases close, stop the container, and note it in kilter.yaml (LC-10, LC-16, LC-Q11)."""
    records.refuse_foreign(machine.paths, project.name, project.root)
    with project_lock(machine.paths, project.name, "stop"):
        engine.check(machine.runner, machine.environment)
        said = _stop_cluster(machine, project.name)
        if said is None:
            return f"{project.name} has no cluster; `kilter up` makes one"
        stopflag.set_(machine, project)
    return said


def stop_all(machine: Machine) -> str:
    """Stop every project of the machine; one that cannot be stopped does not keep the others from it."""
    engine.check(machine.runner, machine.environment)
    lines = []
    for cluster in clusters.provider(machine).all():
        record = records.read(machine.paths, cluster.project)
        if cluster.state is not State.RUNNING or record is None:
            continue
        file = Path(record.directory) / FILE_NAME
        try:
            lines.append(stop(machine, load(file)) if file.is_file() else _stop_orphan(machine, cluster.project))
        except KilterError as error:
            machine.progress.warn(f"{cluster.project} was not stopped: {error.what}")
    return "\n".join(lines) or "no kilter project runs on this machine"


def _stop_orphan(machine: Machine, name: str) -> str:
    """Stop a project whose directory is gone."""
    with project_lock(machine.paths, name, "stop"):
        return _stop_cluster(machine, name) or f"{name} was already stopped"


def _stop_cluster(machine: Machine, name: str) -> str | None:
    tilt_process.end(machine.paths, name)
    provider = clusters.provider(machine)
    cluster = provider.find(name)
    if cluster.state is State.ABSENT:
        return None
    if cluster.state is State.RUNNING:
        with machine.progress.step(f"stop the cluster kilter-{name}") as step:
            assert cluster.container is not None
            quiesce(machine, cluster.container.id, f"{name}-dev", step)
            stopped = provider.stop(name, GRACE)
    else:
        stopped = provider.stop(name, GRACE)
    return f"{name} is stopped; all data is kept, `kilter up` resumes" if stopped else f"{name} was already stopped"
