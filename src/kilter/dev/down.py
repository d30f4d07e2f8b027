"""`kilter down`: end Tilt, and only that."""

from kilter.clusters.lock import held
from kilter.dev import tilt_process
from kilter.dev.machine import Machine
from kilter.dev.workspace import require_record
from kilter.project.load import Project
from kilter.state import records


def down(machine: Machine, project: Project) -> str:
    """End the project's Tilt and say what still runs; the cluster is not even looked at (LC-9, LC-Q5)."""
    records.refuse_foreign(machine.paths, project.name, project.root)
    require_record(machine, project)
    with held(machine.paths, project.name, "down", machine.progress):
        ended = tilt_process.end(machine.paths, project.name)
    what = "ended the dev loop" if ended else "the dev loop was already down"
    return f"{project.name}: {what}; the cluster and its addresses stay up, `kilter stop` frees their memory"
