"""What a deploy renders from: the release, as a KilterApp asks for it, and the platform it goes to."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from kilter.errors import BadInput
from kilter.project import rules
from kilter.project.checks import PORT_ON_A_CLOCK
from kilter.project.faults import visible
from kilter.project.model import Process, Profile, Resources, Service
from kilter.project.model_profile import Security
from kilter.render import names
from kilter.render.names import Slot

EnvClass = Literal["protected", "standard", "ephemeral"]
Port = Annotated[int, Meta(ge=1, le=65535)]

_DIGEST = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._:/]*@sha256:[0-9a-f]{64}\Z")
# Flux builds what lies in Git by kustomize, which fails at most of these, and makes a blank of U+0085.
_UNAPPLICABLE = re.compile("[\x7f-\x9f\ufffe\uffff]")
DATABASE_CA = "/etc/kilter/database/ca.crt"  # where the chart mounts it
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group of facts about a release or a platform."""


class ServiceRelease(Part, frozen=True, kw_only=True):
    """A declared service. `external` means that others run it and a Secret holds its variables."""

    name: str
    kind: str
    mode: Literal["scoped", "external"] = "scoped"
    settings: Service = Service()


class AppRelease(Part, frozen=True, kw_only=True):
    """One release of an app in one environment.

    `namespace` is the slot's claimed object name, `release` the deploy's id, `image` a reference by digest, for nodes
    of `platform` (`linux/arm64`; empty: any); an empty `command` is the image's own. `vars` are the app's variables;
    None withholds one that kilter would set. `secrets_revision` changes when the contents of a declared Secret do.
    `allow_from` and `allow_to` are namespaces of other apps, where both sides agreed (DP-Q55).
    """

    org: str
    app: str
    env: str
    env_class: EnvClass
    namespace: str
    release: str
    number: Annotated[int, Meta(ge=1)]
    image: str
    platform: str = ""
    port: Port
    command: tuple[str, ...] = ()
    public: bool = True
    vars: dict[str, str | None] = field(default_factory=dict)
    resources: Resources | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    services: tuple[ServiceRelease, ...] = ()
    app_secrets: tuple[str, ...] = ()
    secrets_revision: str = ""
    profile: Profile = Profile()
    allow_from: tuple[str, ...] = ()
    allow_to: tuple[str, ...] = ()

    @property
    def slot(self) -> Slot:
        """The environment that the release is for; raises BadInput for names outside the grammar."""
        return Slot(self.org, self.app, self.env)

    @property
    def architecture(self) -> str:
        """What the image's nodes must be, as Kubernetes names it; empty for any (DP-Q5)."""
        return ([*self.platform.split("/"), ""])[1]


class Gateway(Part, frozen=True, kw_only=True):
    """The cluster's Gateway: the object, the listener (all of them when empty), and where its proxies' pods run."""

    name: str
    namespace: str
    section: str = ""
    proxies: str = ""


class DatabaseServer(Part, frozen=True, kw_only=True):
    """The platform's PostgreSQL, and how a network policy finds it: by the namespace of its pods, or by its address.

    `sslmode` is what libpq is to ask of it, nothing when empty; `ca` tells that the app's Secret holds its authority.
    """

    host: str
    port: Port = 5432
    namespace: str = ""
    cidr: str = ""
    sslmode: str = ""
    ca: bool = False


class Platform(Part, frozen=True, kw_only=True):
    """The shared cluster. `metrics` tells whether a metrics-server is there, which the autoscaler needs.

    `port` is that of public addresses, 0 for the scheme's own; `trial` means one developer's machine.
    """

    domain: str
    gateway: Gateway
    tls: bool = True
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    database: DatabaseServer | None = None
    dns_namespace: str = "kube-system"
    metrics: bool = True
    trial: bool = False
    image_pull_secrets: tuple[str, ...] = ()


def check(release: AppRelease) -> None:
    """Refuse a release that cannot be rendered; raises BadInput with every fault."""
    faults = [*_grammar(release), *_images(release), *_processes(release), *_taken(release)]
    faults += _unapplicable(msgspec.to_builtins(release), "")
    if release.namespace not in names.object_names(release.slot):
        faults.append(f"the namespace '{visible(release.namespace)}' is not one that {release.slot} may have")
    if not _LABEL_VALUE.match(release.release):
        faults.append(f"the deploy id '{visible(release.release)}' cannot be a label")
    reserved = {names.database_secret(release.app), names.job_secret(release.app)}
    for service in release.services:
        reserved |= {names.credentials_secret(service.name), names.variables_secret(service.name)}
    own = [name for name in release.app_secrets if name in reserved or name.endswith(names.OWN_SECRET)]
    faults += [f"appSecrets: {name} is kilter's own" for name in own]
    faults += _writable(release)
    if release.profile.routing == "ingress":
        faults.append("profile.routing: a shared cluster routes by its Gateway; leave it out")
    if faults:
        raise BadInput(f"{release.slot} cannot be rendered", details=faults)


def _grammar(release: AppRelease) -> list[str]:
    """One bad object in git would keep all others of the release from being applied."""
    wrong = [(f"processes.{name}", rules.name(name)) for name in release.processes]
    wrong += [(f"services.{service.name}", rules.name(service.name)) for service in release.services]
    wrong += [("appSecrets", rules.secret(name)) for name in release.app_secrets]
    for name, process in release.processes.items():
        wrong += [(f"processes.{name}.schedule", rules.schedule(process.schedule))] if process.schedule else []
        wrong += [(f"processes.{name}.env.{key}", said) for key, said in rules.variables(process.env)]
    wrong += [(f"vars.{key}", said) for key, said in rules.variables(release.vars)]
    return [f"{visible(place)}: {said}" for place, said in wrong if said]


def _unapplicable(value: Any, place: str) -> Iterator[str]:
    """Yield the places of texts that no reader of Git would bring to the cluster as they are."""
    if isinstance(value, str) and (found := _UNAPPLICABLE.search(value)):
        yield f"{visible(place)}: a value with the character U+{ord(found[0]):04X} cannot be applied; encode it"
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _unapplicable(each, f"{place}.{key}" if place else str(key))
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from _unapplicable(each, f"{place}[{number}]")


def _writable(release: AppRelease) -> list[str]:
    """Two volumes at one place are refused by every cluster, and one within the authority's cannot be mounted."""
    own = PurePosixPath(DATABASE_CA).parent
    paths = release.profile.security.writable if isinstance(release.profile.security, Security) else ()
    return [
        f"profile.security.writable: {visible(path)} is kilter's own place in the container; choose another"
        for path in paths
        if PurePosixPath("/", path.lstrip("/")).is_relative_to(own)
    ]


def _images(release: AppRelease) -> list[str]:
    images = {"image": release.image}
    images |= {f"processes.{name}.image": each.image for name, each in release.processes.items() if each.image}
    return [
        f"{place}: '{visible(image)}' names no image by its digest (<repository>@sha256:…)"
        for place, image in images.items()
        if not _DIGEST.match(image)
    ]


def _processes(release: AppRelease) -> list[str]:
    faults = []
    for name, process in release.processes.items():
        if process.public and not process.port:
            faults.append(f"processes.{name}: public, but it listens on no port")
        if process.schedule and process.port:
            faults.append(f"processes.{name}: {PORT_ON_A_CLOCK}")
        if process.schedule and process.replicas > 1:
            faults.append(f"processes.{name}: it runs at set times, one run at a time; leave `replicas` out")
    return faults


def workload_name(release: AppRelease, process: str = "") -> str:
    """Return the name of one of the release's workloads."""
    scheduled = bool(process and release.processes[process].schedule)
    return names.workload(release.app, process, scheduled=scheduled)


def _taken(release: AppRelease) -> list[str]:
    """Every workload and every service has a Service or a policy of its name in the one namespace."""
    wanted = [(workload_name(release), "the app")]
    wanted += [(workload_name(release, name), f"the process {name}") for name in release.processes]
    wanted += [(service.name, f"the service {service.name}") for service in release.services]
    owners: dict[str, str] = {}
    faults = []
    for name, owner in wanted:
        if name in owners:
            faults.append(f"{owners[name]} and {owner} would both be called {name}; rename one of them")
        owners.setdefault(name, owner)
    return faults
