"""The backing services and Secrets that the app counts on: each must be provided, or the deploy is refused (DP-Q20)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kilter.catalog.model import Entry
from kilter.operator import kinds
from kilter.operator.effects import Apply, Effect
from kilter.operator.kinds import Object
from kilter.operator.steps.base import Decision, Done, Failed, Target, is_own
from kilter.operator.steps.database import KIND as DATABASE
from kilter.render import names

CREDENTIALS: Final = f"credentials{names.OWN_SECRET}"  # the passwords of the services that run beside the app


@dataclass(frozen=True)
class Passwords:
    """The passwords that were chosen before, as a Secret, and one for each service that has none yet."""

    credentials: Object | None = field(default=None, repr=False)
    fresh: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Provided:
    """What an app may count on: the catalog, and those of the Secrets it names that are there."""

    entries: Mapping[str, Entry]
    secrets: frozenset[str] = frozenset()


def decide_secrets(target: Target, facts: Passwords) -> Decision:
    """Make sure that every service beside the app has a password, and keep those that there are."""
    labels = (facts.credentials or {}).get("metadata", {}).get("labels") or {}
    if facts.credentials is not None and not is_own(target, labels):
        said = f"the Secret {CREDENTIALS} was not made by kilter for {target.slot}"
        return Decision(Failed("SecretTaken", said, f"Secret {CREDENTIALS}"))
    known = passwords(facts.credentials)
    if not facts.fresh:
        return Decision(Done("every service has its password" if known else "no service needs a password"))
    chosen = {**known, **facts.fresh}
    secret = {
        "apiVersion": kinds.SECRET.api_version,
        "kind": kinds.SECRET.kind,
        "metadata": {"name": CREDENTIALS, "namespace": target.name, "labels": target.labels},
        "type": "Opaque",
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in sorted(chosen.items())},
    }
    effects: tuple[Effect, ...] = (Apply(secret),)
    return Decision(Done("every service has its password"), effects)


def decide_preflight(target: Target, facts: Provided) -> Decision:
    """Refuse services that nothing provides, and Secrets that nobody has made (SC-Q4)."""
    faults = [*_services(target, facts), *_secrets(target, facts)]
    if faults:
        return Decision(Failed("Unprovided", "; ".join(faults), f"KilterApp {target.name}"))
    return Decision(Done("every service and Secret that the app counts on is there"))


def beside(target: Target) -> tuple[str, ...]:
    """Return the names of the services that run in the app's own namespace."""
    return tuple(each.name for each in target.app.spec.services if each.mode == "scoped" and each.kind != DATABASE)


def passwords(secret: Mapping[str, object] | None) -> dict[str, str]:
    """Return the passwords by service that the operator has chosen before."""
    data = (secret or {}).get("data")
    return {name: base64.b64decode(value).decode() for name, value in data.items()} if isinstance(data, dict) else {}


def _services(target: Target, facts: Provided) -> list[str]:
    faults, databases = [], []
    for service in target.app.spec.services:
        entry = facts.entries.get(service.kind)
        if service.mode == "external":
            continue
        if entry is None:
            faults.append(f"service {service.name}: the platform's catalog has no {service.kind}")
        elif entry.deploy is None:
            faults.append(f"service {service.name}: {entry.title} is for local clusters only; take it out")
        elif service.kind == DATABASE:
            databases.append(service.name)
    faults += [f"service {name}: an environment has one database, {databases[0]} is it" for name in databases[1:]]
    return faults


def _secrets(target: Target, facts: Provided) -> list[str]:
    spec = target.app.spec
    wanted = {name: f"appSecrets: there is no Secret {name}" for name in spec.app_secrets}
    for service in spec.services:
        if service.mode == "external" and service.secret_name:
            said = f"service {service.name}: there is no Secret {service.secret_name}"
            wanted.setdefault(service.secret_name, said)
    return [f"{said} in {target.name}" for name, said in wanted.items() if name not in facts.secrets]
