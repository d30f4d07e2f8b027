"""`kilter env`: every address of a project, from the records alone; and the two comparisons it offers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kilter.catalog import load as catalog
from kilter.dev.machine import Machine
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import NotFound
from kilter.project.load import Project
from kilter.render.addresses import Address, Section, addresses, environment_text
from kilter.state import records
from kilter.state.files import is_gone
from kilter.values import Value

if TYPE_CHECKING:  # start-up: `env` prints text unless JSON is asked for
    from kilter.dev.documents import EnvDocument

Form = Literal["dotenv", "export"]


class Environment(Value, frozen=True):
    """A project's addresses, ready to be printed."""

    workspace: Workspace
    addresses: tuple[Address, ...]

    def text(self, section: Section | None, form: Form) -> str:
        """Return `NAME=value` lines: one section, or both under their titles (NS-24)."""
        return environment_text(self.addresses, section, form)

    def document(self) -> "EnvDocument":
        """Return the JSON document."""
        from kilter.dev.documents import EnvDocument, VariableRow

        rows = [
            VariableRow(
                name=address.variable,
                service=address.name,
                in_cluster=address.in_cluster or None,
                localhost=address.localhost,
            )
            for address in self.addresses
        ]
        return EnvDocument(project=self.workspace.name, variables=rows)


def read(machine: Machine, project: Project) -> Environment:
    """Return the project's addresses; needs no Docker, and no cluster yet (NS-Q24)."""
    workspace = open_workspace(machine, project)
    return Environment(workspace, addresses(workspace.plan))


def silence(view: Environment) -> str:
    """Say why no address answers, as far as files alone tell (NS-Q24); '' where the cluster may well run."""
    workspace, name = view.workspace, view.workspace.name
    if is_gone(workspace.machine.paths.cluster_mark(name)):
        return f"{name} has no cluster yet: `kilter up` makes one"
    return f"kilter.yaml says that {name} is stopped: `kilter up` resumes it" if workspace.project.says_stopped else ""


def differences(view: Environment, file: Path, machine: Machine) -> list[str]:
    """Compare a `.env` file with the localhost addresses (NS-Q27); returns one line per difference, never writes."""
    from kilter.render.envfile import compare  # start-up: printing compares nothing

    try:
        text = file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        why, hint = error.strerror or str(error), "name the file that is to be compared: `kilter env --check .env`"
        raise NotFound(f"{file} cannot be read", why=why, hint=hint) from None
    others = {
        port: record.project
        for record in records.all(machine.paths)
        if record.project != view.workspace.name
        for port in record.block
    }
    variables = {name for entry in catalog.entries().values() for name in entry.variables}
    return [str(difference) for difference in compare(text, view.addresses, others, variables)]


def live(view: Environment) -> tuple[Sequence[str], Sequence[str]]:
    """Ask every localhost address; returns what answers and what does not, each with how that was found out."""
    from kilter.dev.ready import answers, endpoints  # start-up: threads and sockets that printing does not need

    found = answers(view.workspace, endpoints(view.workspace.plan))
    lines = [
        (answer.ok, f"{endpoint.name} at localhost:{endpoint.port}: {answer.detail}") for endpoint, answer in found
    ]
    return [line for ok, line in lines if ok], [line for ok, line in lines if not ok]
