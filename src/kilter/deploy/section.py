"""What kilter.yaml says of one environment, as the platform takes it: overrides merged, kinds of services named."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from kilter.api.kilterapp_parts import AppSection, Process, Resources, Service
from kilter.catalog import load as catalog
from kilter.deploy.image import RELEASE_STAGE
from kilter.errors import BadInput
from kilter.project import model
from kilter.project.checks import profile_forms
from kilter.project.listing import dotted
from kilter.project.load import Project
from kilter.project.model_deploy import Environment
from kilter.project.model_deploy import Process as WrittenProcess
from kilter.project.model_profile import Probes, Profile
from kilter.project.plaintext import plaintext
from kilter.render.production.services import check_values
from kilter.words import closest

LOCAL_OF_A_DATABASE = ("port", "env", "resources", "storage", "values")
NOT_YET = "this release of kilter does not deploy it yet"


def app_section(project: Project, env: str) -> AppSection:
    """Return the section of one environment.

    Raises BadInput for a project without an app that listens, and for what this release cannot deploy.
    """
    primary = primary_of(project)
    pattern, over = override(project.config.environments, env)
    refuse_what_is_not_there_yet(project, over)
    return AppSection(
        port=primary.port or 0,
        command=primary.command,
        resources=_resources(primary.resources, over.resources),
        public=project.config.public if over.public is None else over.public,
        vars=_literal(primary.env, over.env),
        withheld=_withheld(primary.env, over.env),
        services=tuple(_service(name, service) for name, service in project.config.services.items()),
        processes={name: _process(name, process, over) for name, process in project.config.processes.items()},
        profile=_profile(project, pattern, over),
    )


def primary_of(project: Project) -> model.Component:
    """Return the app that the project's host leads to, with the port of the stage that a deploy builds.

    Raises BadInput when there is none, or when it has no port.
    """
    found = project.components(RELEASE_STAGE)
    primary = next((each for each in found.values() if each.primary), None)
    if primary is None:
        raise BadInput(f"{project.name} has no app to deploy", hint="add a Dockerfile, or `image:`, to the project")
    if len(found) > 1:
        hint = "give what is to be deployed a directory with a kilter.yaml of its own"
        raise BadInput(f"{project.name} has {len(found)} components", why=f"of several, {NOT_YET}", hint=hint)
    if not primary.port:
        why, hint = "a deploy ends when the app answers at its address", "let it listen on one, and name it by `port:`"
        raise BadInput(f"{project.name} listens on no port", why=why, hint=hint)
    return primary


def override(environments: Mapping[str, Environment], env: str) -> tuple[str, Environment]:
    """Return where kilter.yaml changes an environment, and what: its own name before the longest pattern (DP-Q38)."""
    pattern = closest(environments, env) or ""
    return pattern, environments.get(pattern, Environment())


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
            hint = f"leave `services.{name}.image` out for a deploy, which runs the catalog's"
            raise BadInput(f"services.{name} has an image of its own", why=NOT_YET, hint=hint)
        check_values(name, service.type or name, service.values)
    _refuse_further_databases(config)
    for name, process in config.processes.items():
        if process.image or (name in over.processes and over.processes[name].image):
            hint = f"leave the `image` of `processes.{name}` out for a deploy, which runs the app's"
            raise BadInput(f"processes.{name} has an image of its own", why=NOT_YET, hint=hint)


def _refuse_further_databases(config: model.Config) -> None:
    """Raise BadInput for a second database, which the operator would refuse after the build (DP-Q20)."""
    found = _databases(config)
    if len(found) > 1:
        raise BadInput(
            f"kilter.yaml has {len(found)} databases: {', '.join(found)}",
            why=f"an environment has one database of the platform, and {found[0]} would be it",
            hint="leave the others out for a deploy; one database can hold several schemas",
        )


def warnings(project: Project) -> list[str]:
    """Say what a deploy's author may not know: settings without effect, and likely secrets in plain text (Y14)."""
    told = without_effect(project)
    if project.source is not None:
        told += map(str, plaintext(project.config, project.source))
    return told


def without_effect(project: Project) -> list[str]:
    """Say which settings of services a platform leaves out of account, a line for each service (DP-Q20).

    They are no reason to refuse: kilter.yaml has no place for what holds on the local cluster alone.
    """
    lines = []
    for name in _databases(project.config):
        service = project.config.services[name]
        if given := ", ".join(key for key in LOCAL_OF_A_DATABASE if getattr(service, key)):
            lines.append(f"services.{name}: without effect on a platform, which has one database for it: {given}")
    return lines


def _databases(config: model.Config) -> list[str]:
    """Return the services for each of which a platform gives a database on its own server."""
    entries = catalog.entries()
    kinds = {name: entries.get(service.type or name) for name, service in config.services.items()}
    return [name for name, entry in kinds.items() if entry and entry.deploy and entry.deploy.by == "database"]


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
        for field in ("command", "port", "replicas", "public", "schedule")
        if changed is not None and getattr(changed, field) is not None
    }
    merged = msgspec.structs.replace(process, **values)
    return Process(
        command=merged.command,
        port=merged.port,
        replicas=merged.replicas,
        resources=_resources(process.resources, changed.resources if changed else None),
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


def _resources(limits: Any, over: Any = None) -> Resources | None:
    given = [each for each in (over, limits) if each]
    cpu, memory = (
        next((value for each in given if (value := getattr(each, name))), None) for name in ("cpu", "memory")
    )
    return Resources(cpu=cpu, memory=memory) if given else None


def _profile(project: Project, pattern: str, over: Environment) -> dict[str, Any]:
    """Return an environment's profile: the map of the top level and its own, merged by key; a word replaces all."""
    if isinstance(over.profile, str):
        return {"base": over.profile}
    if over.profile is None or project.source is None or project.source.root is None:
        return _plain(over.profile or project.config.profile)
    # As written: what a struct says does not tell a default from the same value that somebody gave.
    written = project.source.root.data()
    top, own = written.get("profile") or {}, written["environments"][pattern]["profile"]
    top = {"base": top} if isinstance(top, str) else top
    if isinstance(mode := top.get("network"), str) and isinstance(own.get("network"), dict):
        top = top | {"network": {"mode": mode}}
    merged = msgspec.convert(_laid_over(top, own), Profile)
    _check_merged(merged, pattern)
    return _plain(merged)


def _check_merged(profile: Profile, pattern: str) -> None:
    """Raise BadInput when two halves, each valid by itself, make a profile that the file could not have as a whole."""
    faults = [f"{dotted(path)}: {message}" for path, message in profile_forms(profile, ())]
    if faults:
        raise BadInput(
            f"{dotted(('environments', pattern, 'profile'))} and the top level's profile make none that is valid",
            why="; ".join(faults),
            hint="change one of them; what the environment leaves out counts as `profile` at the top level has it",
        )


def _laid_over(below: Any, above: Any) -> Any:
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _laid_over(below.get(key), value) for key, value in above.items()}


def _plain(value: Profile | Probes) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return {key: each for key, each in found.items() if each is not None}
