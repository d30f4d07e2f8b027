"""What `kilter up` says to a kilter.yaml that is valid and yet not all that its author may think it is."""

from collections.abc import Iterator

from kilter.dev.workspace import Workspace
from kilter.project.load import InvalidProject, Project
from kilter.project.plaintext import plaintext
from kilter.project.unused import refusals, reminders


def refuse_unmet(project: Project) -> None:
    """Raise InvalidProject where the file asks for what this release would silently not do."""
    if project.source is not None and (faults := refusals(project.source)):
        raise InvalidProject(project.file.name, faults)


def notices(workspace: Workspace) -> Iterator[str]:
    """Yield one line each: keys without effect, likely secrets in plain text (Y14), kilter's variables replaced."""
    project = workspace.project
    if project.source is not None:
        yield from map(str, reminders(project.source))
        yield from map(str, plaintext(project.config, project.source))
    yield from workspace.plan.notices
