"""From a project to a plan: which services and apps there are, at which addresses, with which settings."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from kilter.catalog.model import Entry
from kilter.errors import BadInput
from kilter.project.load import Fault, InvalidProject, Project
from kilter.project.model import Component, Process, Resources
from kilter.render.builds import build_plan, reloads
from kilter.render.environment import environment
from kilter.render.model import HTTP, AppPlan, Plan, Ports
from kilter.render.services import entry_of, service_plan, unknown_version, variables
from kilter.values import Credentials

__all__ = ["Plan", "Ports", "needed_credentials", "needed_ports", "pinned_ports", "plan", "workloads"]

OWN_NAME = "namespace"


def needed_ports(project: Project, entries: Mapping[str, Entry]) -> list[str]:
    """Return the port keys of a project in the order in which numbers are given out: services, apps, then Tilt."""
    services = project.config.services.items()
    keys = [f"{name}/{port.name}" for name, service in services for port in entry_of(name, service, entries).ports]
    apps: list[tuple[str, Component | Process]] = [*project.components().items(), *project.config.processes.items()]
    return [*keys, *(f"{name}/{HTTP}" for name, app in apps if app.port), "tilt"]


def pinned_ports(project: Project, entries: Mapping[str, Entry]) -> dict[str, int]:
    """Return the numbers that the user fixed with `hostPort`, by port key."""
    return {
        f"{name}/{entry_of(name, service, entries).primary_port.name}": service.host_port
        for name, service in project.config.services.items()
        if service.host_port
    }


def needed_credentials(project: Project, entries: Mapping[str, Entry]) -> list[str]:
    """Return the names of the services that need credentials of their own."""
    services = project.config.services.items()
    return [name for name, service in services if entry_of(name, service, entries).credentials]


def plan(project: Project, entries: Mapping[str, Entry], ports: Ports, credentials: Mapping[str, Credentials]) -> Plan:
    """Decide everything about a project. `ports` must hold all of `needed_ports`, `credentials` are by service.

    Raises BadInput when the project asks for what the catalog does not have, or for a name of kilter's own.
    """
    if faults := [*_own_names(project), *_unknown_versions(project, entries)]:
        raise InvalidProject(project.file.name, faults)
    services = tuple(
        service_plan(project.name, name, service, entry_of(name, service, entries), ports, credentials)
        for name, service in project.config.services.items()
    )
    bare = Plan(project.name, project.root, services, (), ports.get("tilt"))
    injected = {key: text for service in services for key, text in variables(service, bare.host(service.name)).items()}
    apps = (
        replace(app, node_port=ports[f"{app.name}/{HTTP}"] if app.port else None) for app in _apps(project, injected)
    )
    return replace(bare, apps=tuple(apps), notices=tuple(_notices(project, injected)))


def workloads(project: Project) -> list[str]:
    """Return the names of all services, components and processes of a project, in the order of `kilter.yaml`."""
    return [*project.config.services, *project.components(), *project.config.processes]


def _own_names(project: Project) -> Iterable[Fault]:
    """Yield a fault for what is named like the manifest and the part of the Tiltfile that make the namespace."""
    kinds = ("services", "components", "processes")
    places: list[tuple[str, ...]] = [(kind, OWN_NAME) for kind in kinds if OWN_NAME in getattr(project.config, kind)]
    if not places and OWN_NAME in workloads(project):  # the one app, which has the project's name
        places = [("name",)]
    yield from (project.fault(place, f"`{OWN_NAME}` is kilter's own; choose another name") for place in places)


def _unknown_versions(project: Project, entries: Mapping[str, Entry]) -> Iterable[Fault]:
    for name, service in project.config.services.items():
        if wrong := unknown_version(service, entry_of(name, service, entries)):
            yield project.fault(("services", name, "version"), wrong)


def _apps(project: Project, injected: Mapping[str, str]) -> Iterable[AppPlan]:
    components = project.components()
    planned = {name: _component(project, name, component, injected) for name, component in components.items()}
    yield from planned.values()
    primary = [app for app in planned.values() if components[app.name].primary]
    if project.config.processes and not primary:
        raise BadInput("processes need an app whose image they share", hint="add a Dockerfile, or `image:`")
    for name, process in project.config.processes.items():
        yield _process(name, process, primary[0])


def _component(project: Project, name: str, component: Component, injected: Mapping[str, str]) -> AppPlan:
    port = component.port or 0
    build = build_plan(project, name, component)
    found = environment(injected, {"PORT": str(port)} if port else {}, component.env)
    limits = component.resources or Resources()
    return AppPlan(
        name=name,
        component=name,
        image=build.reference if build else component.image or "",
        build=build,
        port=port,
        node_port=None,
        env=found.literal,
        injected=found.injected,
        command=component.command or (),
        cpu=limits.cpu or "",
        memory=limits.memory or "",
    )


def _process(name: str, process: Process, owner: AppPlan) -> AppPlan:
    build = None if process.image else owner.build
    if build and build.live and not reloads(process.command):
        # Copied files reach only programs that watch them, and a worker seldom does: its image is built again.
        build = replace(build, reference=f"{build.reference}.rebuilt", live=False)
    inherited = {key: value for key, value in owner.env.items() if key != "PORT"}
    own_port = {"PORT": str(process.port)} if process.port else {}
    found = environment(owner.injected, inherited | own_port, process.env)
    limits = process.resources or Resources()
    return replace(
        owner,
        name=name,
        build=build,
        image=process.image or (build.reference if build else owner.image),
        port=process.port,
        node_port=None,
        env=found.literal,
        injected=found.injected,
        command=process.command,
        cpu=limits.cpu or owner.cpu,
        memory=limits.memory or owner.memory,
        replicas=process.replicas,
        schedule=process.schedule or "",
    )


def _notices(project: Project, injected: Mapping[str, str]) -> Iterable[str]:
    given = [(name, component.env) for name, component in project.components().items()]
    for name, env in [*given, *((name, process.env) for name, process in project.config.processes.items())]:
        for key in sorted(set(env) & set(injected)):
            what = "withholds" if env[key] is None else "replaces"
            yield f"{name}: `env` in kilter.yaml {what} the {key} that kilter would give"
