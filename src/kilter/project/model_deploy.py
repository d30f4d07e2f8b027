"""The model of `kilter.yaml`: what a deploy reads (platform.md section 11)."""

from typing import Annotated, Literal

from msgspec import Meta, field

from kilter.project.model_base import COMMAND, ENV, PortOrNone, Resources, Section, Variables, Words
from kilter.project.model_profile import Probes, Profile

Replicas = Annotated[int, Meta(ge=0, le=1000)]
SCHEDULE = "Cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, in quotes"


class Process(Section, frozen=True, kw_only=True):
    """A background worker of the app: same image, same environment, another command."""

    command: Annotated[Words, Meta(description=COMMAND)]
    port: Annotated[PortOrNone, Meta(description="Port that the process listens on; 0: no Service and no route.")] = 0
    image: Annotated[str | None, Meta(description="Image in place of the app's.")] = None
    env: Annotated[Variables, Meta(description="On top of the app's. " + ENV)] = field(default_factory=dict)
    replicas: Annotated[Replicas, Meta(description="How many of it run.")] = 1
    resources: Annotated[Resources | None, Meta(description="Limits; by default the app's.")] = None
    public: Annotated[bool, Meta(description="Whether a process with a port gets a route of its own.")] = False
    schedule: Annotated[str | None, Meta(description=f"{SCHEDULE}; the process then runs at those times only.")] = None
    probes: Annotated[Probes | None, Meta(description="Health checks; none by default.")] = None


class ProcessOverride(Section, frozen=True, kw_only=True):
    """What an environment changes of a process; fields left out stay as they are."""

    command: Annotated[Words | None, Meta(description=COMMAND)] = None
    port: Annotated[PortOrNone | None, Meta(description="Port that the process listens on.")] = None
    image: Annotated[str | None, Meta(description="Image in place of the app's.")] = None
    env: Annotated[Variables, Meta(description="On top of the process's. " + ENV)] = field(default_factory=dict)
    replicas: Annotated[Replicas | None, Meta(description="How many of it run.")] = None
    resources: Annotated[Resources | None, Meta(description="Limits.")] = None
    public: Annotated[bool | None, Meta(description="Whether it gets a route of its own.")] = None
    schedule: Annotated[str | None, Meta(description=f"{SCHEDULE}.")] = None


class Seed(Section, frozen=True, kw_only=True):
    """Data for the database: exactly one of a command and an SQL file."""

    name: Annotated[str | None, Meta(description="Key of the record; by default the file's base name.")] = None
    command: Annotated[Words | None, Meta(description="Runs in the app's image. " + COMMAND)] = None
    file: Annotated[str | None, Meta(description="SQL file, relative to kilter.yaml.")] = None
    mode: Annotated[
        Literal["once", "always"], Meta(description="`once`: skipped when done before; `always`: must be repeatable.")
    ] = "once"
    envs: Annotated[
        tuple[str, ...] | None, Meta(description="Environments (patterns) it is for; by default all but protected.")
    ] = None
    timeout: Annotated[str, Meta(description="How long it may take: 10m.")] = "10m"
    service: Annotated[str | None, Meta(description="Service that it fills; by default the project's postgres.")] = None


class Migration(Section, frozen=True, kw_only=True):
    """How the database schema is migrated."""

    tool: Annotated[
        Literal["drizzle", "prisma", "sql", "atlas"] | None, Meta(description="By default found by its directory.")
    ] = None
    path: Annotated[
        str | None,
        Meta(
            description="Place of its files; by default `drizzle`, `prisma/migrations`, `migrations` or "
            "`schema/schema.sql`."
        ),
    ] = None
    image: Annotated[str | None, Meta(description="Image that has the tool; by default the app's.")] = None
    command: Annotated[Words | None, Meta(description="By default the tool's own deploy. " + COMMAND)] = None
    timeout: Annotated[str, Meta(description="How long it may take: 10m.")] = "10m"


class PatchTarget(Section, frozen=True, kw_only=True):
    """Which objects a patch is for."""

    group: Annotated[str | None, Meta(description="API group.")] = None
    version: Annotated[str | None, Meta(description="API version.")] = None
    kind: Annotated[str | None, Meta(description="Kind of the object.")] = None
    name: Annotated[str | None, Meta(description="Name of the object.")] = None


class Patch(Section, frozen=True, kw_only=True):
    """A Kustomize patch: exactly one of text and file."""

    patch: Annotated[str | None, Meta(description="The patch itself.")] = None
    path: Annotated[str | None, Meta(description="File with the patch, relative to kilter.yaml.")] = None
    target: Annotated[PatchTarget | None, Meta(description="Which objects it is for.")] = None


class Deploy(Section, frozen=True, kw_only=True):
    """How images are built and where they go."""

    registry: Annotated[
        str | None, Meta(description="`<host>/<scope>` that images go to; by default the platform's own.")
    ] = None
    promotion: Annotated[tuple[str, ...], Meta(description="Order of environments that a release passes through.")] = ()
    build_args: Annotated[dict[str, str], Meta(description="Build arguments of the image.")] = field(
        default_factory=dict
    )
    patches: Annotated[
        tuple[Patch, ...], Meta(description="Kustomize patches, applied to what kilter renders for the platform.")
    ] = ()


class Environment(Section, frozen=True, kw_only=True):
    """What differs in one environment; maps merge by key, lists replace."""

    secrets: Annotated[dict[str, str] | None, Meta(description="Other files for Secrets of the same name.")] = None
    app_secrets: Annotated[tuple[str, ...] | None, Meta(description="Replaces the list of the top level.")] = None
    env: Annotated[Variables, Meta(description=ENV)] = field(default_factory=dict)
    public: Annotated[bool | None, Meta(description="Whether there is a route from outside.")] = None
    resources: Annotated[Resources | None, Meta(description="Limits of the app.")] = None
    processes: Annotated[dict[str, ProcessOverride], Meta(description="Changes of processes, by name.")] = field(
        default_factory=dict
    )
    profile: Annotated[
        Literal["none", "basic", "production"] | Profile | None, Meta(description="Guardrails of this environment.")
    ] = None
    seed: Annotated[tuple[str | Seed, ...] | None, Meta(description="Replaces the list of the top level.")] = None
