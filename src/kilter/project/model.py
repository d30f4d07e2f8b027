"""The model of `kilter.yaml`: its local part; every field's description is its documentation.

`ProjectFile` is the file as people may write it, short forms included, and gives the JSON schema. `Config` is the same
with the short forms spelled out; all other code sees only `Config`. The deploy part is in `model_deploy`.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from kilter.project.model_base import (
    COMMAND,
    ENV,
    NodePort,
    Port,
    PortOrNone,
    Resources,
    Section,
    Variables,
    Words,
)
from kilter.project.model_deploy import Deploy, Environment, Migration, Process, Seed
from kilter.project.model_profile import Probe, Probes, Profile

__all__ = [
    "Cluster",
    "Component",
    "Config",
    "Deploy",
    "Environment",
    "Migration",
    "Probe",
    "Probes",
    "Process",
    "Profile",
    "ProjectFile",
    "Resources",
    "Section",
    "Seed",
    "Service",
]


class Cluster(Section, frozen=True, kw_only=True):
    """The project's local cluster."""

    stopped: Annotated[
        bool, Meta(description="Written as true by a clean `kilter stop`; `kilter up` removes it again.")
    ] = False
    provider: Annotated[
        Literal["kind", "k3d"], Meta(description="What makes the cluster; fixed once the cluster exists.")
    ] = "kind"
    image: Annotated[str | None, Meta(description="Node image; none means the one that this kilter release pins.")] = (
        None
    )
    servers: Annotated[
        Annotated[int, Meta(ge=1, le=9)] | None, Meta(description="Nodes with a control plane; 1 by default.")
    ] = None
    agents: Annotated[
        Annotated[int, Meta(ge=0, le=9)] | None,
        Meta(description="Further nodes; by default 0 with kind and 2 with k3d."),
    ] = None
    http_port: Annotated[
        Port | None, Meta(description="Fixed localhost port of the load balancer's port 80; else from the block.")
    ] = None
    https_port: Annotated[
        Port | None, Meta(description="Fixed localhost port of the load balancer's port 443; else from the block.")
    ] = None


class Service(Section, frozen=True, kw_only=True):
    """A backing service of the catalog, such as postgres."""

    type: Annotated[
        str | None, Meta(description="Catalog entry; by default the service's own name. The catalog's page lists them.")
    ] = None
    version: Annotated[
        str | None, Meta(description="Version of the service, as text in quotes; none means the catalog's pin.")
    ] = None
    image: Annotated[str | None, Meta(description="Image reference in place of the catalog's.")] = None
    port: Annotated[Port | None, Meta(description="Container port in place of the catalog's.")] = None
    env: Annotated[Variables, Meta(description=ENV)] = field(default_factory=dict)
    host_port: Annotated[
        NodePort | None, Meta(description="Pinned localhost port of the service; else one from the project's block.")
    ] = None
    resources: Annotated[
        Resources | None, Meta(description="Limits of the service; by default the catalog's laptop profile.")
    ] = None
    storage: Annotated[str | None, Meta(description="Size of the service's volume: 1Gi.")] = None
    values: Annotated[dict[str, Any], Meta(description="Chart values, laid over kilter's own.")] = field(
        default_factory=dict
    )


class Component(Section, frozen=True, kw_only=True):
    """One app of the project: something that is built (or an image) and answers on a port."""

    path: Annotated[str, Meta(description="Directory of the app, relative to kilter.yaml.")] = "."
    dockerfile: Annotated[str | None, Meta(description="Dockerfile, relative to `path`; `Dockerfile` by default.")] = (
        None
    )
    image: Annotated[str | None, Meta(description="Image to run in place of a built one.")] = None
    port: Annotated[
        PortOrNone | None,
        Meta(description="Port that the app listens on; by default the one EXPOSE of its Dockerfile; 0 for none."),
    ] = None
    command: Annotated[Words | None, Meta(description="Replaces the image's command. " + COMMAND)] = None
    env: Annotated[Variables, Meta(description=ENV)] = field(default_factory=dict)
    primary: Annotated[
        bool, Meta(description="The app that the project's host leads to; the first one unless another says so.")
    ] = False
    resources: Annotated[Resources | None, Meta(description="Limits of the app.")] = None


ServiceEntry = None | str | bool | Service


class Settings(Section, frozen=True, kw_only=True):
    """The keys of `kilter.yaml` that have only one form."""

    version: Annotated[int, Meta(ge=1, description="Version of this schema.")] = 1
    name: Annotated[
        str | None,
        Meta(description="The project's name; gives cluster, namespace and ports. By default the directory's name."),
    ] = None
    app: Annotated[str | None, Meta(description="`<org>/<app>`: what the app is called on the platform.")] = None
    cluster: Annotated[Cluster | None, Meta(description="The local cluster.")] = None
    detect: Annotated[
        bool, Meta(description="Whether services are added on finding their client among the dependencies.")
    ] = True
    image: Annotated[str | None, Meta(description="Image of a one-component app, in place of a built one.")] = None
    port: Annotated[PortOrNone | None, Meta(description="Port that a one-component app listens on; 0 for none.")] = None
    env: Annotated[Variables, Meta(description="For a one-component app. " + ENV)] = field(default_factory=dict)
    components: Annotated[
        dict[str, Component], Meta(description="The apps of a project that has several, by name.")
    ] = field(default_factory=dict)
    processes: Annotated[
        dict[str, Process],
        Meta(description="Background workers: they run the app's image with the app's whole environment."),
    ] = field(default_factory=dict)
    public: Annotated[
        bool, Meta(description="false: no route from outside, and the port is closed to other namespaces.")
    ] = True
    allow_from: Annotated[
        tuple[str, ...], Meta(description="Apps (`<org>/<app>`) that may call this one in the same environment.")
    ] = ()
    sops_recipient: Annotated[
        str | None, Meta(description="Public age key (`age1…`) of the platform's cluster; may be committed.")
    ] = None
    secrets: Annotated[
        dict[str, str] | None,
        Meta(description="Secrets to create: name and KEY=VALUE file (kept out of git). Absent: live ones stay."),
    ] = None
    app_secrets: Annotated[
        tuple[str, ...], Meta(description="Names of Secrets whose keys become variables of the primary app.")
    ] = ()
    environments: Annotated[
        dict[str, Environment],
        Meta(description="Overrides per environment; keys are names or patterns such as `pr-*`; the closest wins."),
    ] = field(default_factory=dict)
    migration: Annotated[Migration | None, Meta(description="How the database schema is migrated.")] = None
    deploy: Annotated[Deploy | None, Meta(description="How images are built and where they go.")] = None


class ProjectFile(Settings, frozen=True, kw_only=True):
    """A project of kilter: its services, its apps, and how they are deployed."""

    services: Annotated[
        dict[str, ServiceEntry] | tuple[str, ...] | None,
        Meta(
            description="Backing services by name. The entry is empty (defaults), a version, `false` (never add by "
            "detection) or settings. A plain list of names is accepted too."
        ),
    ] = field(default_factory=dict)
    seed: Annotated[
        tuple[str | Seed, ...], Meta(description="Data put into the database after migration, in this order.")
    ] = ()
    profile: Annotated[
        Literal["none", "basic", "production"] | Profile,
        Meta(description="Guardrails of a deploy: probes, security, scaling, network; a level or its parts."),
    ] = "production"


class Config(Settings, frozen=True, kw_only=True):
    """A validated `kilter.yaml` with its short forms spelled out."""

    services: dict[str, Service] = field(default_factory=dict)
    withheld: frozenset[str] = frozenset()
    seed: tuple[Seed, ...] = ()
    profile: Profile = Profile()


def spelled_out(written: ProjectFile) -> Config:
    """Turn the file as written into the form that the rest of kilter uses."""
    entries = written.services if isinstance(written.services, dict) else dict.fromkeys(written.services or ())
    services = {name: service_of(entry) for name, entry in entries.items() if entry is not False}
    return Config(
        **{field: getattr(written, field) for field in Settings.__struct_fields__},
        services=services,
        withheld=frozenset(name for name, entry in entries.items() if entry is False),
        seed=tuple(Seed(file=entry) if isinstance(entry, str) else entry for entry in written.seed),
        profile=Profile(base=written.profile) if isinstance(written.profile, str) else written.profile,
    )


def service_of(entry: ServiceEntry) -> Service:
    """Return the settings that an entry of `services` stands for."""
    if isinstance(entry, Service):
        return entry
    return Service(version=entry) if isinstance(entry, str) else Service()
