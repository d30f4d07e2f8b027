"""The scoped database: an owner role, a login role, the database, and the Secret with its variables (DP-25, DP-Q18).

What belongs to whom stands in the comments of the roles, which only the operator can write. A database is the
environment's own when that very owner role owns it; its comment is for people. Nothing else is ever taken over (O2).
The Secret is the intent: it is written before the server learns of the password, and what it says is made true (F36).
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kilter.api.kilterapp_parts import Service
from kilter.api.kilterapp_status import Database as Reported
from kilter.catalog import load as catalog
from kilter.catalog.model import fill
from kilter.operator import effects, kinds, lasting
from kilter.operator.covers import covers
from kilter.operator.effects import Effect
from kilter.operator.kinds import Object
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, is_own
from kilter.render import names
from kilter.render.names import Slot
from kilter.render.services import variable_name

KIND: Final = "postgres"
PASSWORD: Final = "PGPASSWORD"  # noqa: S105 - the name of a key
CA: Final = "ca.crt"  # a key that pods mount as a file


@dataclass(frozen=True)
class RoleFact:
    """A role that exists: its comment, whether it can log in, for how many more seconds it is kept if that is noted."""

    mark: str
    can_login: bool = False
    kept_for: float | None = None  # by the server's own clock; below 0 where the time is over


@dataclass(frozen=True)
class DatabaseFact:
    """A database that exists: its owner, its comment, and whether every role of the server may open it."""

    owner: str
    mark: str
    open_to_all: bool


@dataclass(frozen=True)
class Facts:
    """What there is. `verified` says that all of it was seen in order since anything about it changed.

    `fresh_password` is random and used only where there is none yet; `login_works` was tried with the Secret's.
    """

    configured: bool = True
    verified: bool = False
    owner: RoleFact | None = None
    login: RoleFact | None = None
    is_member: bool = False
    database: DatabaseFact | None = None
    secret: Object | None = field(default=None, repr=False)
    login_works: bool = False
    fresh_password: str = field(default="", repr=False)


def declared(target: Target) -> Service | None:
    """Return the service that the platform's database server provides for the app, if it declares one."""
    wanted = [each for each in target.app.spec.services if each.kind == KIND and each.mode == "scoped"]
    return wanted[0] if wanted else None


def mark(target: Target) -> str:
    """Return the comment by which roles and database say whose they are."""
    return mark_of(target.settings.cluster, target.slot)


def mark_of(cluster: str, slot: Slot | str) -> str:
    """Return the same for an environment that no KilterApp stands for any more."""
    return f"kilter:{cluster}:{slot}"


def decide(target: Target, facts: Facts) -> Decision:
    """Make what is missing, in an order in which a kill at any point leaves nothing that the next run cannot use."""
    service, own = declared(target), names.database(target.slot)
    if service is None:
        return Decision(Done("the app declares no database"))
    if not facts.configured:
        return Decision(Failed("NoDatabaseServer", "this platform has no database server", f"service {service.name}"))
    secret = names.database_secret(target.app.spec.app)
    # Said of a database that was seen: one that is missing later was lost.
    there = {"database": Reported(name=own.name, owner_role=own.owner, secret_name=secret)}
    if facts.verified:
        return Decision(Done(f"database {own.name}"), report=there)
    if taken := _taken(target, facts):
        return Decision(taken)
    status = target.app.status
    lost = lasting.gone(own.name)
    # An older operator told of a database that it had yet to make.
    ready = any(each.type == "DatabaseReady" and each.status == "True" for each in status.conditions)
    was_there = status.database is not None and (ready or status.last_good_release is not None)
    if facts.database is None and was_there and lost not in status.warnings:
        return Decision(Wait("DatabaseGone", lost, 1.0), report={"warnings": (*status.warnings, lost)})
    report = {} if facts.database is None else _seen(target, there)
    found = (facts.secret or {}).get("data") or {}
    password = _text(found.get(PASSWORD, "")) or facts.fresh_password
    wanted = wanted_secret(target, service, password)
    needed: list[Effect] = [*_roles(target, facts), *_database(target, facts)]
    if not covers(facts.secret, wanted):
        needed.append(effects.Apply(wanted))
    if not facts.login_works:
        needed.append(effects.SetPassword(own.app, password))
    return Decision(Done(f"database {own.name}"), tuple(needed), report)


def _seen(target: Target, there: Mapping[str, object]) -> Mapping[str, object]:
    """Return what is reported of a database that exists, also that it took the place of one that was lost."""
    known, name = target.app.status.warnings, names.database(target.slot).name
    made = lasting.made_anew(known, name, target.now)
    return there if made == known else {**there, "warnings": made}


def wanted_secret(target: Target, service: Service, password: str) -> Object:
    """Return the Secret with the variables that the app is given, and those that PostgreSQL's own tools read."""
    own, settings = names.database(target.slot), target.settings.database
    entry = catalog.load(KIND)
    words = {
        "name": service.name,
        "host": settings.host,
        "user": own.app,
        "password": password,
        "database": own.name,
    }
    ports = {port.name: settings.port for port in entry.ports}
    prefix = "" if service.name == KIND else variable_name(service.name) + "_"
    values = {
        "PGHOST": settings.host,
        "PGPORT": str(settings.port),
        "PGUSER": own.app,
        PASSWORD: password,
        "PGDATABASE": own.name,
    }
    # Older pods take no notice of these two.
    values |= {key: value for key, value in (("PGSSLMODE", settings.sslmode), (CA, settings.ca)) if value}
    values |= {prefix + key: fill(text, words, ports, entry.primary_port.name) for key, text in entry.variables.items()}
    name = names.database_secret(target.app.spec.app)
    return {
        "apiVersion": kinds.SECRET.api_version,
        "kind": kinds.SECRET.kind,
        "metadata": {"name": name, "namespace": target.name, "labels": target.labels},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def password_of(secret: Mapping[str, object] | None) -> str:
    """Return the password that a database Secret holds; empty when it holds none."""
    data = (secret or {}).get("data")
    return _text(data.get(PASSWORD, "")) if isinstance(data, dict) else ""


def _taken(target: Target, facts: Facts) -> Failed | None:
    own, ours = names.database(target.slot), mark(target)
    for name, role in ((own.owner, facts.owner), (own.app, facts.login)):
        if role is not None and role.mark != ours:
            said = f"{target.slot} needs the role {name}, which {_belongs(role.mark)}"
            return Failed("RoleTaken", said, f"role {name}")
    if facts.database is not None and facts.database.owner != own.owner:
        said = f"{target.slot} needs the database {own.name}, which {_belongs(facts.database.mark)}"
        return Failed("DatabaseTaken", f"{said} and is owned by {facts.database.owner}", f"database {own.name}")
    labels = (facts.secret or {}).get("metadata", {}).get("labels") or {}
    if facts.secret is not None and not is_own(target, labels):
        name = names.database_secret(target.app.spec.app)
        said = f"{target.slot} needs the Secret {name}, which was not made by kilter for it"
        return Failed("SecretTaken", said, f"Secret {name}")
    return None


def _belongs(found: str) -> str:
    return f"belongs to {found.removeprefix('kilter:')}" if found.startswith("kilter:") else "was not made by kilter"


def _roles(target: Target, facts: Facts) -> list[Effect]:
    own, ours = names.database(target.slot), mark(target)
    needed: list[Effect] = []
    if facts.owner is None:
        needed.append(effects.CreateRole(own.owner, ours))
    if facts.login is None:
        needed.append(effects.CreateRole(own.app, ours))
    if not facts.is_member:
        needed.append(effects.AdmitRole(own.owner, own.app))
    return needed


def _database(target: Target, facts: Facts) -> list[Effect]:
    own, ours = names.database(target.slot), mark(target)
    needed: list[Effect] = []
    if facts.database is None:
        needed.append(effects.CreateDatabase(own.name, own.owner))
    if facts.database is None or facts.database.mark != ours or facts.database.open_to_all:
        needed.append(effects.SealDatabase(own.name, own.owner, ours))
    return needed


def _text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""
