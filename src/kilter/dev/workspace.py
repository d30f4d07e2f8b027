"""One project on this machine: the project, its records, and the plan that follows from both."""

from collections.abc import Mapping
from pathlib import Path

from kilter.catalog import load as catalog
from kilter.catalog.model import Entry
from kilter.dev.machine import Machine
from kilter.errors import BadInput, NotFound
from kilter.project.checks import unknown_services
from kilter.project.load import InvalidProject, Project
from kilter.render.model import Plan
from kilter.render.plan import needed_ports, pinned_ports, plan, workloads
from kilter.state import records
from kilter.state.files import is_gone
from kilter.state.records import Allocation
from kilter.values import Credentials, Value
from kilter.words import did_you_mean


class Workspace(Value, frozen=True):
    """A project with everything that is decided about it before anything runs."""

    machine: Machine
    project: Project
    allocation: Allocation
    plan: Plan

    @property
    def name(self) -> str:
        """The project's name."""
        return self.project.name

    @property
    def cache(self) -> Path:
        """Where the rendered tree and the kubeconfig lie."""
        return self.machine.paths.project_cache(self.name)

    @property
    def kubeconfig(self) -> Path:
        """The file with the project's credentials (NS-11)."""
        return self.machine.paths.kubeconfig(self.name)

    @property
    def node_image(self) -> str:
        """The image that this kilter would make the project's cluster from (LC-Q1)."""
        cluster = self.project.config.cluster
        return self.machine.node_image(cluster.image if cluster else None)

    @property
    def login(self) -> Credentials:
        """The project's credentials, the same for all of its services (NS-Q22)."""
        return self.allocation.login

    def known(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names, or all of the project's when none is given; an unknown one is BadInput (LC-Q32)."""
        known = workloads(self.project)
        for name in names:
            if name not in known:
                raise BadInput(
                    f"{self.name} has no service {name!r}{did_you_mean(name, known)}",
                    hint=f"known: {', '.join(known) or 'none'}",
                )
        return names or tuple(known)


def open_workspace(machine: Machine, project: Project, *, cluster_exists: bool | None = None) -> Workspace:
    """Claim the project's ports and credentials (recorded for good) and plan it.

    Who has not asked Docker leaves `cluster_exists` out: then this machine's files tell whether there may be one.
    Raises BadInput when the name belongs to another directory or the project asks for what the catalog does not have,
    MachineLacks when no port block is free.
    """
    entries = _entries(project)
    needed = needed_ports(project, entries)
    records.claim(machine.paths, project.name, project.root)
    if cluster_exists is None:
        cluster_exists = not is_gone(machine.paths.cluster_mark(project.name))
    allocation = records.assign(
        machine.paths, project.name, needed, pinned_ports(project, entries), cluster_exists=cluster_exists
    )
    credentials = dict.fromkeys(project.config.services, allocation.login)
    return Workspace(machine, project, allocation, plan(project, entries, allocation.ports, credentials))


def _entries(project: Project) -> Mapping[str, Entry]:
    if project.source and (faults := unknown_services(project.config, project.source, catalog.names())):
        raise InvalidProject(project.file.name, faults)
    wanted = {service.type or name for name, service in project.config.services.items()}
    return {name: catalog.load(name) for name in sorted(wanted)}


def require_record(machine: Machine, project: Project) -> Allocation:
    """Return the project's records; NotFound when `kilter up` never ran here."""
    allocation = records.read(machine.paths, project.name)
    if allocation is None:
        raise NotFound(f"{project.name} was never started on this machine", hint="run `kilter up`")
    return allocation
