"""`kilter stop`: free the memory, keep every byte of data."""

from pathlib import Path

from kilter.clusters import engine
from kilter.clusters.lock import held
from kilter.clusters.provider import State
from kilter.dev import clusters, stopflag, tilt_process
from kilter.dev.ending import recorded
from kilter.dev.former import warn_of_former
from kilter.dev.machine import Machine
from kilter.dev.quiesce import quiesce
from kilter.errors import BadInput, KilterError, NotFound
from kilter.project.load import FILE_NAME, Project, load
from kilter.state import records
from kilter.state.records import Allocation
from kilter.tools import docker
from kilter.values import Value

GRACE = 20  # seconds for the node to end by itself; the databases have closed before


def stop(machine: Machine, project: Project) -> str:
    """End Tilt, let the databases close, stop the container, and note it in kilter.yaml (LC-10, LC-16, LC-Q11)."""
    said = _stop_project(machine, project)
    warn_of_former(machine, project)
    return said


def _stop_project(machine: Machine, project: Project) -> str:
    records.refuse_foreign(machine.paths, project.name, project.root)
    with held(machine.paths, project.name, "stop", machine.progress):
        engine.check(machine.runner, machine.environment)
        said = _stop_cluster(machine, project.name)
        if said is None:
            return f"{project.name} has no cluster; `kilter up` makes one"
        stopflag.set_(machine, project)
    return f"{said}; `kilter up` resumes"


class StoppedAll(Value, frozen=True):
    """What came of stopping every project: what there is to say, and which ones run on, each with the reason."""

    said: str
    left: tuple[str, ...]


def stop_all(machine: Machine) -> StoppedAll:
    """Stop every project of the machine; one that cannot be stopped does not keep the others from it."""
    engine.check(machine.runner, machine.environment)
    lines, left = [], []
    for cluster in clusters.provider(machine).all():
        if not cluster.holds:
            continue
        try:
            record = records.read(machine.paths, cluster.project)
            lines.append(_stop_recorded(machine, record) if record else _stop_orphan(machine, cluster.project))
        except KilterError as error:
            left.append(f"{cluster.project}: {error.what}")
        except OSError as error:
            left.append(f"{cluster.project}: {error.strerror}: {error.filename}")
    said = lines if lines or left else ["no kilter project runs on this machine"]
    return StoppedAll("\n".join(said), tuple(left))


def _stop_recorded(machine: Machine, record: Allocation) -> str:
    """Stop the project of a record, whatever has become of its directory and its file."""
    file = Path(record.directory) / FILE_NAME
    try:
        project = load(file)
    except NotFound:
        return _stop_orphan(machine, record.project)
    except BadInput as error:
        project = recorded(machine, record.project, file, error)
    # A file that names another project by now holds no flag of this one.
    return _stop_project(machine, project) if project.name == record.project else _stop_orphan(machine, record.project)


def _stop_orphan(machine: Machine, name: str) -> str:
    """Stop a project that has no file or record, or none any more; a trial platform never had a file."""
    with held(machine.paths, name, "stop", machine.progress):
        return _stop_cluster(machine, name) or f"{name} was already stopped"


def _stop_cluster(machine: Machine, name: str) -> str | None:
    tilt_process.end(machine.paths, name)
    provider = clusters.provider(machine)
    cluster = provider.find(name)
    if cluster.container is None:
        return None
    is_paused = cluster.state is State.STOPPED and cluster.holds_ports
    if cluster.state is State.RUNNING or is_paused:
        with machine.progress.step(f"stop the cluster kilter-{name}") as step:
            if is_paused:  # else no database could close its files
                machine.runner.run(docker.unpause(cluster.container.id))
            quiesce(machine, cluster.container.id, name, step)
            stopped = provider.stop(name, GRACE)
    else:
        stopped = provider.stop(name, GRACE)
    return f"{name} is stopped; all data is kept" if stopped else f"{name} was already stopped"
