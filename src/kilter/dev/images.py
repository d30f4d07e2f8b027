"""The images that were built for a project, in Docker's own store."""

from collections.abc import Iterable, Mapping

from kilter.clusters.registry import HOST_ADDRESS
from kilter.dev.machine import Machine
from kilter.errors import KilterError
from kilter.tools import docker, images

UNTAGGED = "<none>"


def built(machine: Machine, project: str) -> list[str]:
    """Return the names of the images that kilter's Tilt built for a project, sorted. Raises Failed."""
    rows = docker.parse_lines(machine.runner.run(images.named(f"{_prefix(project)}*")).stdout)
    return of_project(rows, project)


def remove_built(machine: Machine, project: str) -> bool:
    """Remove a project's built images; tells whether none is left, and warns of what is.

    Names go, and with the last name of an image its layers. What a container still uses stays.
    """
    try:
        names = built(machine, project)
        if not names:
            return True
        machine.runner.run(images.remove(*names))
        left = built(machine, project)
    except KilterError as error:
        machine.progress.warn(f"the images built for {project} were not removed: {error.what}")
        return False
    if gone := len(set(names).difference(left)):
        machine.progress.note(f"removed the images that were built for {project} ({gone})")
    if left:
        machine.progress.warn(f"images built for {project} stay, as something uses them: {', '.join(left)}")
    return not left


def of_project(rows: Iterable[Mapping[str, str]], project: str) -> list[str]:
    """Return what names a project's images in the rows of `docker image ls`, tag or digest, sorted."""
    ours = [row for row in rows if row["Repository"].startswith(_prefix(project))]
    names = {f"{row['Repository']}:{row['Tag']}" for row in ours if row["Tag"] != UNTAGGED}
    # A tag that was pushed, and was then given to a later build, leaves the earlier one with its digest alone.
    unnamed = [row for row in ours if row["Tag"] == UNTAGGED and row.get("Digest", UNTAGGED) != UNTAGGED]
    return sorted(names | {f"{row['Repository']}@{row['Digest']}" for row in unnamed})


def _prefix(project: str) -> str:
    """Return what all these names begin with; no name of a project holds `_`, so it fits no other project's."""
    return f"{HOST_ADDRESS}/{project}_"
