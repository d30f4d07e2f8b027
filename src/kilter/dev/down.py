"""`kilter down`: end Tilt, and only that."""

from kilter.clusters.lock import held
from kilter.clusters.provider import State
from kilter.dev import clusters, tilt_process
from kilter.dev.former import warn_of_former
from kilter.dev.machine import Machine
from kilter.dev.ps import usage
from kilter.dev.workspace import require_record
from kilter.errors import KilterError
from kilter.project.load import Project
from kilter.state import records
from kilter.tools import cgroup
from kilter.words import human_size


def down(machine: Machine, project: Project) -> str:
    """End the project's Tilt and say what still runs; the cluster is looked at and not touched (LC-9, LC-Q5)."""
    records.refuse_foreign(machine.paths, project.name, project.root)
    warn_of_former(machine, project)
    require_record(machine, project)
    with held(machine.paths, project.name, "down", machine.progress):
        ended = tilt_process.end(machine.paths, project.name)
    what = "ended the dev loop" if ended else "the dev loop was already down"
    try:
        return f"{project.name}: {what}; {_runs_on(machine, project.name)}"
    except KilterError as error:
        return f"{project.name}: {what}; {error.what}, so whether its cluster runs on is not known"


def _runs_on(machine: Machine, name: str) -> str:
    before = cgroup.readings()
    cluster = clusters.provider(machine).find(name)
    if cluster.state is not State.RUNNING or cluster.container is None:
        return "its cluster does not run"
    used = usage(machine, {name: cluster.container.id}, before).get(name)
    memory = f"{human_size(used[1])} of memory" if used else "its memory"
    return f"its cluster runs on with {memory}, which `kilter stop` frees, and every address answers as before"
