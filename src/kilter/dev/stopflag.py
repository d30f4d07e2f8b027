"""The flag `cluster.stopped` in kilter.yaml: written by a clean stop, removed by the next up (LC-16, LC-Q13..15)."""

from kilter.dev.changing import change
from kilter.dev.machine import Machine
from kilter.project import edit
from kilter.project.load import Project


def set_(machine: Machine, project: Project) -> None:
    """Write the flag; a file that cannot be written is a warning, for the container is stopped either way."""
    change(project.file, machine.progress, edit.set_stopped)


def clear(machine: Machine, project: Project) -> None:
    """Remove the flag, and a `cluster:` that it leaves empty."""
    if project.says_stopped:
        change(project.file, machine.progress, edit.clear_stopped)
