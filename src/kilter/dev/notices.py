"""What `kilter up` tells of a kilter.yaml that is valid and yet not all that its author may think it is."""

from collections.abc import Iterator

from kilter.dev.workspace import Workspace
from kilter.project.plaintext import plaintext


def notices(workspace: Workspace) -> Iterator[str]:
    """Yield one line each: likely secrets in plain text (Y14), and variables of kilter's that the file replaces."""
    project = workspace.project
    if project.source is not None:
        yield from map(str, plaintext(project.config, project.source))
    yield from workspace.plan.notices
