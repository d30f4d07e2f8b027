"""The flag `cluster.stopped` in kilter.yaml: written by a clean stop, removed by the next up (LC-16, LC-Q13..15)."""

from kilter.dev.machine import Machine
from kilter.errors import KilterError
from kilter.project import edit
from kilter.project.load import Project


def set_(machine: Machine, project: Project) -> None:
    """Write the flag; a file that cannot be written is a warning, for the container is stopped either way."""
    _change(machine, project, stopped=True)


def clear(machine: Machine, project: Project) -> None:
    """Remove the flag, and a `cluster:` that it leaves empty."""
    if project.says_stopped:
        _change(machine, project, stopped=False)


def _change(machine: Machine, project: Project, *, stopped: bool) -> None:
    try:
        text = edit.text_of(project.file)
        changed = edit.set_stopped(text) if stopped else edit.clear_stopped(text)
        if changed != text:
            edit.write(project.file, changed)
    except (OSError, KilterError) as error:
        machine.progress.warn(f"{project.file} was left as it is: {error}")
