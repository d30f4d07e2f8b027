"""The parts of KilterApp's spec (platform.md section 13); every field's description is its documentation."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from kilter.api.base import (
    PROJECT_PATTERN,
    Duration,
    Image,
    Name,
    ObjectName,
    Port,
    PortOrNone,
    Section,
    VariableNames,
    Variables,
    Words,
)
from kilter.api.words import MigrationTool

COMMAND = "Argument vector; no shell reads it."
MESSAGE_LIMIT = 1024  # characters
WITHHELD = "Names of variables that kilter would set and must not."
Text = Annotated[str, Meta(max_length=1048576)]
Quantity = Annotated[str, Meta(max_length=32)]


class Source(Section, frozen=True, kw_only=True):
    """Where the image was built from; for people and for the audit."""

    commit: Annotated[str, Meta(max_length=64, description="Git commit of the working tree.")] = ""
    dirty: Annotated[bool, Meta(description="Whether the working tree differed from that commit.")] = False
    message: Annotated[
        str, Meta(max_length=MESSAGE_LIMIT, description="What the person who deploys says about it.")
    ] = ""


class Resources(Section, frozen=True, kw_only=True):
    """Limits of a container, as Kubernetes quantities."""

    cpu: Annotated[Quantity | None, Meta(description="Processor limit: 500m.")] = None
    memory: Annotated[Quantity | None, Meta(description="Memory limit: 256Mi.")] = None


class Service(Section, frozen=True, kw_only=True):
    """A backing service that the app uses."""

    name: Annotated[Name, Meta(description="Its name in kilter.yaml.")]
    kind: Annotated[Name, Meta(description="Its entry in the catalog.")]
    mode: Annotated[
        Literal["scoped", "external"],
        Meta(description="`scoped`: the platform provisions it for this environment; `external`: a Secret has it."),
    ] = "scoped"
    secret_name: Annotated[ObjectName | None, Meta(description="Secret with an external service's variables.")] = None
    version: Annotated[
        Annotated[str, Meta(max_length=64)] | None, Meta(description="One of the catalog's versions; else its pin.")
    ] = None
    port: Annotated[Port | None, Meta(description="Container port in place of the catalog's.")] = None
    vars: Annotated[Variables, Meta(max_length=256, description="Variables of the service's own container.")] = field(
        default_factory=dict
    )
    resources: Annotated[Resources | None, Meta(description="Limits; by default the catalog's for platforms.")] = None
    storage: Annotated[Quantity | None, Meta(description="Size of its volume: 1Gi.")] = None
    values: Annotated[dict[str, Any], Meta(description="Chart values, laid over kilter's own.")] = field(
        default_factory=dict
    )


class Process(Section, frozen=True, kw_only=True):
    """A further process of the app: same image, same environment, another command."""

    command: Annotated[Words, Meta(description=COMMAND)]
    port: Annotated[PortOrNone, Meta(description="Port it listens on; 0: neither Service nor route.")] = 0
    replicas: Annotated[int, Meta(ge=0, le=1000, description="How many of it run.")] = 1
    resources: Annotated[Resources | None, Meta(description="Limits; by default the app's.")] = None
    public: Annotated[bool, Meta(description="Whether its port gets a route of its own.")] = False
    schedule: Annotated[
        Annotated[str, Meta(max_length=128)] | None, Meta(description="Cron expression; it then runs at those times.")
    ] = None
    vars: Annotated[Variables, Meta(max_length=256, description="Variables on top of the app's.")] = field(
        default_factory=dict
    )
    withheld: Annotated[VariableNames, Meta(max_length=256, description=WITHHELD)] = ()
    probes: Annotated[dict[str, Any], Meta(description="`probes` of the process as in kilter.yaml.")] = field(
        default_factory=dict
    )


class PatchTarget(Section, frozen=True, kw_only=True):
    """Which objects a patch is for."""

    group: Annotated[str | None, Meta(description="API group.")] = None
    version: Annotated[str | None, Meta(description="API version.")] = None
    kind: Annotated[str | None, Meta(description="Kind of the object.")] = None
    name: Annotated[str | None, Meta(description="Name of the object.")] = None


class Patch(Section, frozen=True, kw_only=True):
    """A Kustomize patch, applied after rendering."""

    patch: Annotated[str, Meta(max_length=65536, description="The patch itself, as YAML.")]
    target: Annotated[PatchTarget | None, Meta(description="Which objects it is for.")] = None


class AppSection(Section, frozen=True, kw_only=True):
    """What kilter.yaml says of the app in one environment, overrides already merged."""

    port: Annotated[Port, Meta(description="Container port of the primary container.")]
    command: Annotated[Words | None, Meta(description="Replaces the image's command. " + COMMAND)] = None
    resources: Annotated[Resources | None, Meta(description="Limits of the primary container.")] = None
    public: Annotated[bool, Meta(description="false: no route, and the port is closed to other namespaces.")] = True
    vars: Annotated[Variables, Meta(max_length=256, description="Plain environment variables.")] = field(
        default_factory=dict
    )
    withheld: Annotated[VariableNames, Meta(max_length=256, description=WITHHELD)] = ()
    services: Annotated[tuple[Service, ...], Meta(max_length=32, description="Backing services.")] = ()
    processes: Annotated[dict[Name, Process], Meta(max_length=32, description="Further processes, by name.")] = field(
        default_factory=dict
    )
    app_secrets: Annotated[
        tuple[ObjectName, ...], Meta(max_length=32, description="Secrets whose keys become environment variables.")
    ] = ()
    allow_from: Annotated[
        tuple[Annotated[str, Meta(pattern=PROJECT_PATTERN, max_length=81)], ...],
        Meta(max_length=32, description="Apps (`<org>/<app>`) of the same environment that may call this one."),
    ] = ()
    profile: Annotated[
        dict[str, Any], Meta(description="Guardrails: `profile` of kilter.yaml; empty: the level `production`.")
    ] = field(default_factory=dict)
    patches: Annotated[tuple[Patch, ...], Meta(max_length=32, description="Kustomize patches.")] = ()


class Migration(Section, frozen=True, kw_only=True):
    """The schema migration of this deploy."""

    run: Annotated[bool, Meta(description="Whether it runs.")] = False
    tool: Annotated[MigrationTool | None, Meta(description="Engine.")] = None
    path: Annotated[str | None, Meta(description="Place of the engine's files in the image.")] = None
    command: Annotated[Words | None, Meta(description="By default the engine's own deploy. " + COMMAND)] = None
    image: Annotated[Image | None, Meta(description="Image that has the engine; by default the app's.")] = None
    plan_id: Annotated[
        Annotated[str, Meta(pattern=r"^plan-[a-z0-9]+\Z", max_length=64)] | None, Meta(description="The reviewed plan.")
    ] = None
    skip_check: Annotated[bool, Meta(description="Whether pending changes are let pass.")] = False
    timeout: Annotated[Duration, Meta(description="Deadline of the Job.")] = "10m"


class Seed(Section, frozen=True, kw_only=True):
    """One entry of the seeds: data for the database."""

    name: Annotated[ObjectName, Meta(description="Key of its record.")]
    sha256: Annotated[str, Meta(pattern=r"^[a-f0-9]{64}\Z", description="Checksum of what it does.")]
    kind: Annotated[Literal["command", "sql"], Meta(description="What it is.")]
    mode: Annotated[Literal["once", "always"], Meta(description="`once`: skipped when recorded.")] = "once"
    timeout: Annotated[Duration, Meta(description="Deadline of its Job.")] = "10m"
    command: Annotated[Words | None, Meta(description="For kind `command`. " + COMMAND)] = None
    sql: Annotated[Text | None, Meta(description="For kind `sql`: the statements.")] = None
    service: Annotated[Name | None, Meta(description="Service it fills; by default the app's database.")] = None


class Seeds(Section, frozen=True, kw_only=True):
    """The seeds of this deploy."""

    run: Annotated[bool, Meta(description="Whether they run.")] = False
    entries: Annotated[tuple[Seed, ...], Meta(max_length=64, description="In order.")] = ()


class Timeouts(Section, frozen=True, kw_only=True):
    """Limits of time."""

    ready: Annotated[
        Duration | None, Meta(description="Until the app is Ready; by default the operator's own limit.")
    ] = None


SecretDocuments = dict[ObjectName, Text]
MaybeSecrets = Annotated[
    SecretDocuments | UnsetType,
    Meta(description="Secrets as SOPS documents, by name. Absent: the live ones stay as they are."),
]
UNTOUCHED = UNSET
