"""What kilter.yaml says of one environment, as the platform takes it: overrides merged, kinds of services named."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from kilter.api.kilterapp_parts import AppSection, Process, Resources, Service
from kilter.errors import BadInput
from kilter.project import model
from kilter.project.load import Project
from kilter.project.model_deploy import Environment
from kilter.project.model_deploy import Process as WrittenProcess
from kilter.render.production.services import check_values

DATABASE = "postgres"
NOT_YET = "this release of kilter does not deploy it yet"


def app_section(project: Project, env: str) -> AppSection:
    """Return the section of one environment.

    Raises BadInput for a project without an app that listens, and for what this release cannot deploy.
    """
    primary = primary_of(project)
    over = override(project.config.environments, env)
    refuse_what_is_not_there_yet(project, over)
    limits = over.resources or primary.resources
    return AppSection(
        port=primary.port or 0,
        command=primary.command,
        resources=_resources(limits),
        public=project.config.public if over.public is None else over.public,
        vars=_literal(primary.env, over.env),
        withheld=_withheld(primary.env, over.env),
        services=tuple(_service(name, service) for name, service in project.config.services.items()),
        processes={name: _process(name, process, over) for name, process in project.config.processes.items()},
        profile=_plain(over.profile if over.profile is not None else project.config.profile),
    )


def primary_of(project: Project) -> model.Component:
    """Return the app that the project's host leads to. Raises BadInput when there is none, or when it has no port."""
    found = project.components()
    primary = next((each for each in found.values() if each.primary), None)
    if primary is None:
        raise BadInput(f"{project.name} has no app to deploy", hint="add a Dockerfile, or `image:`, to the project")
    if len(found) > 1:
        raise BadInput(f"{project.name} has {len(found)} components", why=f"of several, {NOT_YET}")
    if not primary.port:
        raise BadInput(f"{project.name} listens on no port", why="a deploy ends when the app answers at its address")
    return primary


def override(environments: Mapping[str, Environment], env: str) -> Environment:
    """Return what kilter.yaml changes for an environment: its own name before the longest pattern (DP-Q38)."""
    matching = [pattern for pattern in environments if fnmatchcase(env, pattern)]
    if not matching:
        return Environment()
    return environments[env] if env in environments else environments[max(matching, key=len)]


def refuse_what_is_not_there_yet(project: Project, over: Environment) -> None:
    """Raise BadInput for settings that a deploy would otherwise ignore."""
    config = project.config
    asked = {
        "secrets": config.secrets or over.secrets,
        "appSecrets": config.app_secrets or over.app_secrets,
        "allowFrom": config.allow_from,
        "migration": config.migration,
        "seed": over.seed if over.seed is not None else config.seed,
        "deploy.patches": config.deploy and config.deploy.patches,
    }
    for key, value in asked.items():
        if value:
            raise BadInput(f"kilter.yaml has `{key}`", why=NOT_YET, hint=f"leave `{key}` out for now")
    for name, service in config.services.items():
        if service.image:
            raise BadInput(f"services.{name} has an image of its own", why=NOT_YET)
        check_values(name, service.values)
    for name, process in config.processes.items():
        if process.image or (name in over.processes and over.processes[name].image):
            raise BadInput(f"processes.{name} has an image of its own", why=NOT_YET)


def _service(name: str, service: model.Service) -> Service:
    return Service(
        name=name,
        kind=service.type or name,
        version=service.version,
        port=service.port,
        vars=_literal(service.env),
        resources=_resources(service.resources),
        storage=service.storage,
        values=service.values,
    )


def _process(name: str, process: WrittenProcess, over: Environment) -> Process:
    changed = over.processes.get(name)
    values = {
        field: getattr(changed, field)
        for field in ("command", "port", "replicas", "resources", "public", "schedule")
        if changed is not None and getattr(changed, field) is not None
    }
    merged = msgspec.structs.replace(process, **values)
    return Process(
        command=merged.command,
        port=merged.port,
        replicas=merged.replicas,
        resources=_resources(merged.resources),
        public=merged.public,
        schedule=merged.schedule,
        vars=_literal(process.env, changed.env if changed else {}),
        withheld=_withheld(process.env, changed.env if changed else {}),
        probes=_plain(merged.probes) if merged.probes else {},
    )


def _literal(*layers: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in _merged(layers).items() if value is not None}


def _withheld(*layers: Mapping[str, str | None]) -> tuple[str, ...]:
    return tuple(key for key, value in _merged(layers).items() if value is None)


def _merged(layers: Iterable[Mapping[str, str | None]]) -> dict[str, str | None]:
    return {key: value for layer in layers for key, value in layer.items()}


def _resources(limits: Any) -> Resources | None:
    return Resources(cpu=limits.cpu, memory=limits.memory) if limits else None


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"base": value}
    found: dict[str, Any] = msgspec.to_builtins(value)
    return {key: each for key, each in found.items() if each is not None}
