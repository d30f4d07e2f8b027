"""Every name that the platform gives: of objects, hosts, databases, Secrets and files. Pure, and the only such place.

A slot is one environment of one project. Its object name is that of its namespace and of its KilterApp. All limits are
kept by cutting and appending 8 hex digits of a SHA-256 over `<org>/<app>/<env>` (and what else the name is of), so that
the same slot always has the same names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from kilter.api.kilterapp_parts import AppSection
from kilter.errors import BadInput
from kilter.project.faults import visible
from kilter.words import APP_LIMIT, ENV_LIMIT, ORG_LIMIT, slug_fault

LABEL_LIMIT = 63  # a DNS label; the value of a Kubernetes label has the same limit
CRON_JOB_LIMIT = 52  # Kubernetes appends 11 characters to name the Jobs
DATABASE_LIMIT = 40  # of PostgreSQL's 63 bytes; the rest is for the names of roles and of scratch databases
IDENTIFIER_LIMIT = 63  # PostgreSQL cuts longer ones without a word
HOST_LIMIT = 253
DIGITS = 8

PROD = "prod"  # the environment that has the app's bare host
RELEASE = "kilter.dev/release"  # label of pods: the deploy that they belong to
COMPONENT = "app.kubernetes.io/component"  # label of pods: `web` receives requests, `process` does not
PROCESS = "kilter.dev/process"  # label of pods: the process that they are of; those of the app itself have none
SERVICE = "kilter.dev/service"  # label of pods: the service beside the app that they are of
MANAGED_BY = "app.kubernetes.io/managed-by"
OPERATOR = "kilter-operator"  # value of that label on what the operator itself makes; what Flux applies says `kilter`
RELEASE_HEADER = "kilter-release"  # the same in every response of a route


@dataclass(frozen=True, order=True)
class Slot:
    """One environment of one project. Raises BadInput for a name outside the grammar, naming the character (DP-Q37)."""

    org: str
    app: str
    env: str

    def __post_init__(self) -> None:
        parts = (("org", self.org, ORG_LIMIT), ("app", self.app, APP_LIMIT), ("environment", self.env, ENV_LIMIT))
        for what, text, limit in parts:
            if wrong := slug_fault(text, limit):
                raise BadInput(f"'{visible(text)}' cannot name an {what}", why=wrong)

    def __str__(self) -> str:
        return f"{self.org}/{self.app}/{self.env}"


# Objects of the cluster


def object_names(slot: Slot) -> tuple[str, ...]:
    """Return the names that a slot's namespace and KilterApp may have, the preferred one first (DP-Q33)."""
    plain = f"{slot.org}-{slot.app}-{slot.env}"
    hashed = _hashed(plain, LABEL_LIMIT, str(slot))
    return (hashed,) if len(plain) > LABEL_LIMIT else (plain, hashed)


def claimed(slot: Slot, holders: Mapping[str, Slot | None]) -> str:
    """Return the slot's object name, given who holds which names; None holds what is not kilter's.

    A name that the slot holds already stays its own, whatever became free since. Raises BadInput when all are taken.
    """
    names = object_names(slot)
    own = [name for name in names if name in holders and holders[name] == slot]
    free = [name for name in names if name not in holders]
    if own or free:
        return (own + free)[0]
    raise BadInput(
        f"{slot} has no name left in the cluster",
        why="; ".join(f"{name} belongs to {holders[name] or 'something that is not of kilter'}" for name in names),
        hint="choose another name for the app or the environment",
    )


def workload(app: str, process: str = "", *, scheduled: bool = False) -> str:
    """Return the name of a workload and of its Service, route and policies: `<app>` or `<app>-<process>` (DP-Q60)."""
    name, limit = f"{app}-{process}", CRON_JOB_LIMIT if scheduled else LABEL_LIMIT
    return _fitting(name, limit, name) if process else app


def labels(slot: Slot, name: str) -> dict[str, str]:
    """Return the labels by which everything of a slot is found; `name` is its object name."""
    return {
        "app.kubernetes.io/instance": name,
        MANAGED_BY: "kilter",
        "kilter.dev/org": slot.org,
        "kilter.dev/app": slot.app,
        "kilter.dev/env": slot.env,
    }


# Secrets of the namespace


def database_secret(app: str) -> str:
    """Return the Secret that holds the app's database variables (DP-Q18)."""
    return f"{app}-database"


def job_secret(app: str) -> str:
    """Return the Secret that holds the database variables of migration and seed Jobs."""
    return f"{app}-database-job"


def credentials_secret(service: str) -> str:
    """Return the Secret that a catalog chart makes for its own server."""
    return f"{service}-credentials"


def variables_secret(service: str) -> str:
    """Return the Secret that holds a service's variables for the app."""
    return f"{service}-variables"


OWN_SECRET = ".kilter.dev"  # noqa: S105 - end of the names of Secrets that no app may name: nothing of an app's has a dot
PULL_SECRET = f"images{OWN_SECRET}"  # what the namespace's images are pulled with


# Hosts and addresses


def host(slot: Slot, domain: str, process: str = "") -> str:
    """Return the public host of an app, or of one of its processes (DP-Q32, DP-Q59).

    `prod` has the bare name, others `<app>-<env>`; a process is set off by `--`, which no name contains. Two slots may
    want one host, since it names no org: hosts are claimed (DP-Q9). Raises BadInput for a host that cannot exist.
    """
    base = slot.app if slot.env == PROD else f"{slot.app}-{slot.env}"
    wanted, identity = (f"{base}--{process}", f"{slot}/{process}") if process else (base, str(slot))
    label = _fitting(wanted, LABEL_LIMIT, identity)
    if label.startswith("xn--"):
        raise BadInput(f"the process {process} of {slot} cannot have a host", why="xn-- begins an encoded host name")
    if len(label) + 1 + len(domain) > HOST_LIMIT:
        raise BadInput(f"the host {label}.{domain} has more than {HOST_LIMIT} characters", hint="use a shorter domain")
    return f"{label}.{domain}"


def hosts(slot: Slot, domain: str, app: AppSection) -> tuple[str, ...]:
    """Return the public hosts of an app and of its processes, none for what has no route (DP-50, DP-61)."""
    routed = [name for name, process in app.processes.items() if process.public and process.port]
    return tuple(host(slot, domain, name) for name in ([""] if app.public else []) + routed)


def platform_hosts(domain: str, *addresses: str) -> frozenset[str]:
    """Return the hosts of the platform itself, which no app is given: `kilter.<domain>`, and those of the addresses.

    An address is a URL, or a host with or without a port.
    """
    places = (address.rpartition("://")[2].partition("/")[0] for address in addresses)
    return frozenset({f"kilter.{domain}", *(place.partition(":")[0].lower() for place in places if place)})


def public_url(scheme: str, host: str, port: int = 0) -> str:
    """Return a public address; port 0 is the scheme's own, which is not written."""
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


def internal_url(name: str, namespace: str, port: int) -> str:
    """Return the address of a Service for pods (DP-51)."""
    return f"http://{name}.{namespace}.svc:{port}"


# PostgreSQL


@dataclass(frozen=True)
class Database:
    """The names of a slot's database and roles. `owner` cannot log in; `app` and `job` are members of it (MG-Q13)."""

    name: str

    @property
    def owner(self) -> str:
        """The role that owns every object."""
        return f"{self.name}_owner"

    @property
    def app(self) -> str:
        """The role that the app logs in as."""
        return f"{self.name}_app"

    @property
    def job(self) -> str:
        """The role that migrations and seeds log in as."""
        return f"{self.name}_job"

    def scratch(self, plan: str) -> str:
        """Return the database in which a plan is tried (MG-Q4); `plan` is its id, with or without `plan-`."""
        name = f"{self.name}__plan_{plan.removeprefix('plan-').replace('-', '_')}"
        return _fitting(name, IDENTIFIER_LIMIT, f"{self.name}/{plan}", "_")


def database(slot: Slot) -> Database:
    """Return the names of a slot's database.

    Two underscores stand between the parts and inside none of them, three before the hash of a long one; so no two
    slots share a database, and no scratch database is mistaken for one.
    """
    name = "__".join(part.replace("-", "_") for part in (slot.org, slot.app, slot.env))
    if name.startswith("pg_"):
        name = f"_{name}"  # PostgreSQL keeps roles that begin so to itself, and no org begins with an underscore
    return Database(_fitting(name, DATABASE_LIMIT, str(slot), "___"))


def _fitting(text: str, limit: int, identity: str, joint: str = "-") -> str:
    return text if len(text) <= limit else _hashed(text, limit, identity, joint)


def _hashed(text: str, limit: int, identity: str, joint: str = "-") -> str:
    digest = hashlib.sha256(identity.encode()).hexdigest()[:DIGITS]
    return text[: limit - len(joint) - DIGITS].rstrip("-_") + joint + digest
