"""The services of a release: what the platform gives for each, under which variables, out of which Secret (DP-Q20)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from kilter.catalog import load as catalog
from kilter.catalog.model import Entry
from kilter.errors import BadInput
from kilter.project.faults import visible
from kilter.render import names
from kilter.render.model import PortPlan, ServicePlan
from kilter.render.production.release import AppRelease, DatabaseServer, Platform, ServiceRelease
from kilter.render.services import ALLOTTED, service_plan, variable_names, variables
from kilter.values import Credentials

Object = dict[str, Any]
# Values of the catalog's charts that are the platform's, and what to do instead: the one would run any image, by tag,
# past the rules for images; the other would lift limits.
PLATFORMS_OWN: Final[Mapping[str, str]] = {
    "image": "leave it out: this release deploys the catalog's own image",
    "resources": "write services.{name}.resources instead",
}


@dataclass(frozen=True)
class Binding:
    """A service that the platform provides. `plan` holds its settings and login; the Secret `secret` its variables."""

    service: ServiceRelease
    by: Literal["database", "chart"]
    plan: ServicePlan
    secret: str
    variables: tuple[str, ...]


def bindings(
    release: AppRelease, entries: Mapping[str, Entry], credentials: Mapping[str, Credentials] | None = None
) -> tuple[Binding, ...]:
    """Return what the platform provides for a release; external services are left out.

    `credentials` are by service. Without them the plans hold no passwords, which is enough for the app's own chart.
    Raises BadInput with the list of services that nothing provides (DP-Q20).
    """
    faults = list(_unbound(release, entries))
    if faults:
        raise BadInput(
            f"{release.slot} needs services that this platform does not provide",
            details=faults,
            hint="take each out of `services:`, and give the app the address of your own under `env:`",
        )
    scoped = [service for service in release.services if service.mode == "scoped"]
    return tuple(_binding(release, service, entries[service.kind], credentials or {}) for service in scoped)


def check_values(name: str, kind: str, values: Mapping[str, Any]) -> None:
    """Raise BadInput for chart values of a service that a platform does not take.

    They are not the project's to set there, or none that the service's chart has, by which helm would fail the release.
    """
    for key in sorted(PLATFORMS_OWN.keys() & set(values)):
        raise BadInput(
            f"services.{name}.values.{key} cannot be set on a platform",
            why="the platform decides what runs beside an app",
            hint=PLATFORMS_OWN[key].format(name=name),
        )
    entry = catalog.entries().get(kind)
    if values and entry and entry.deploy and entry.deploy.by == "chart":
        _check_schema(name, kind, values)


def secrets(release: AppRelease, platform: Platform, bound: Iterable[Binding]) -> list[Object]:
    """Return the Secrets that hold the variables of the release's services; `bound` must have its credentials.

    They are for the operator to apply: no value of theirs may go to git (DP-Q18).
    """
    return [_secret(release, platform, binding) for binding in bound]


def database_server(platform: Platform) -> DatabaseServer:
    """Return the platform's database server; raises BadInput when it has none."""
    if platform.database is None:
        raise BadInput(
            "this platform has no database server",
            hint="take the service out of `services:` until an admin adds one",
        )
    return platform.database


def _unbound(release: AppRelease, entries: Mapping[str, Entry]) -> Iterable[str]:
    databases = []
    for service in release.services:
        entry = entries.get(service.kind)
        if service.mode == "external":
            known = set(variable_names(service.name, entry)) if entry else set()
            if not release.app_secrets and not (known and known <= set(release.vars)):
                yield f"{service.name}: external, but no Secret under `appSecrets` gives its variables"
        elif entry is None:
            yield f"{service.name}: the platform's catalog has no {service.kind}"
        elif entry.deploy is None:
            yield f"{service.name}: {entry.title} is for local clusters only"
        elif entry.deploy.by == "database":
            databases.append(service.name)
    for name in databases[1:]:
        yield f"{name}: an environment has one database of the platform, and {databases[0]} is it"


def _binding(
    release: AppRelease, service: ServiceRelease, entry: Entry, credentials: Mapping[str, Credentials]
) -> Binding:
    assert entry.deploy is not None  # `_unbound` found none such
    check_values(service.name, service.kind, service.settings.values)
    size = entry.deploy
    entry = msgspec.structs.replace(
        entry, cpu=size.cpu or entry.cpu, memory=size.memory or entry.memory, storage=size.storage or entry.storage
    )
    ports = {f"{service.name}/{port.name}": 0 for port in entry.ports}  # 0: reached from inside the cluster alone
    plan = service_plan(release.app, service.name, service.settings, entry, ports, credentials)
    by_chart = size.by == "chart"
    secret = names.variables_secret(service.name) if by_chart else names.database_secret(release.app)
    return Binding(service, size.by, plan, secret, tuple(variables(plan, "")))


def _check_schema(name: str, kind: str, values: Mapping[str, Any]) -> None:
    import jsonschema_rs  # start-up: few services have values of their own

    schema = catalog.values_schema(kind)
    own = {key: schema[key] for key in ("type", "additionalProperties", "properties", "$defs")}
    known = sorted(own["properties"].keys() - ALLOTTED - PLATFORMS_OWN.keys() - {"global"})
    given = json.loads(json.dumps(_without_nothing(values), default=str))
    faults: Iterable[Any] = jsonschema_rs.validator_for(own).iter_errors(given)
    for fault in faults:
        unknown = fault.kind.unexpected[:1] if fault.kind.name == "additionalProperties" else []
        place = ".".join(map(visible, map(str, (*fault.instance_path, *unknown))))
        raise BadInput(
            f"services.{name}.values.{place} does not fit the chart of {kind}",
            why="there is no such value" if unknown else visible(fault.message, 200),
            hint=f"its values are {', '.join(known)}",
        )


def _without_nothing(values: Any) -> Any:
    """Leave out what is null, as helm does."""
    if not isinstance(values, Mapping):
        return values
    return {key: _without_nothing(value) for key, value in values.items() if value is not None}


def _secret(release: AppRelease, platform: Platform, binding: Binding) -> Object:
    plan, host = binding.plan, f"{binding.service.name}.{release.namespace}.svc"
    if binding.by == "database":
        server = database_server(platform)
        port = PortPlan(plan.primary.name, server.port, 0)
        plan, host = replace(plan, ports=(port,), primary=port), server.host
    metadata = {
        "name": binding.secret,
        "namespace": release.namespace,
        "labels": names.labels(release.slot, release.namespace),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "stringData": variables(plan, host),
    }
