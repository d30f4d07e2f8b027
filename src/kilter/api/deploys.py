"""HTTP v1: deploys."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from kilter.api.base import AppName, BuildPlatform, Document, Duration, EnvName, Image, Org, Request, Words
from kilter.api.kilterapp_parts import AppSection, SecretDocuments, Seed, Source, Text
from kilter.api.kilterapp_status import Failure
from kilter.api.words import DeployState, MigrationTool, Operation, Phase


class MigrationRequest(Request, frozen=True, kw_only=True):
    """What the deploy does about the database schema."""

    run: Annotated[bool, Meta(description="`--migration`.")] = False
    tool: MigrationTool | None = None
    path: Annotated[str, Meta(max_length=255)] | None = None
    command: Words | None = None
    image: Image | None = None
    plan_id: Annotated[str, Meta(pattern=r"^plan-[a-z0-9]+\Z", max_length=64)] | None = None
    skip_check: Annotated[bool, Meta(description="`--skip-migration-check`.")] = False
    allow_destructive: bool = False
    schema: Annotated[Text | None, Meta(description="The text of schema/schema.sql, for atlas.")] = None
    pending: Annotated[tuple[str, ...], Meta(max_length=4096, description="Names of the migration files.")] = ()
    timeout: Duration = "10m"


class SeedsRequest(Request, frozen=True, kw_only=True):
    """What the deploy does about data."""

    run: Annotated[bool, Meta(description="`--seed`.")] = False
    entries: Annotated[tuple[Seed, ...], Meta(max_length=64)] = ()
    reseed: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class DeployRequest(Request, frozen=True, kw_only=True, omit_defaults=True):
    """POST …/deploys. `app` is the section as it goes into the KilterApp, key for key.

    What is not asked for is not sent, so that a server which does not know a field yet takes the rest.
    """

    image: Annotated[Image, Meta(description="`repository@sha256:…` in the project's own repository.")]
    push_id: Annotated[
        str,
        Meta(
            max_length=40,
            description="Of the push credential by which the image came: that push is over.",
        ),
    ] = ""
    platform: BuildPlatform = ""
    app: AppSection
    source: Source = Source()
    allow_dirty: Annotated[
        bool, Meta(description="`--allow-dirty`: a protected environment takes an image of uncommitted changes.")
    ] = False
    protected: Annotated[bool, Meta(description="kilter.yaml may add protection, never remove it.")] = False
    secrets: Annotated[
        SecretDocuments | UnsetType,
        Meta(description="Secrets as SOPS documents. Absent: live ones stay; a map replaces; empty deletes."),
    ] = UNSET
    prune_secrets: Annotated[bool, Meta(description="Allows `secrets` to be an empty map.")] = False
    migration: MigrationRequest | None = None
    seeds: SeedsRequest | None = None
    bootstrap: bool = False
    timeout: Annotated[Duration | None, Meta(description="Until Ready; capped by the server.")] = None


class Holder(Document, frozen=True, kw_only=True):
    """Who is being waited for."""

    deploy_id: str
    actor: str
    phase: Phase
    since: datetime


class Queue(Document, frozen=True, kw_only=True):
    """Place in the environment's queue: 0 is next or already at work."""

    position: int
    holder: Holder | None


class DeployAccepted(Document, frozen=True, kw_only=True):
    """202: the deploy is recorded and will be carried out whether or not the client stays.

    `ready_timeout` is the limit that was asked for, or the server's own where more was asked for.
    """

    deploy_id: str
    sequence: int
    release: int
    url: str | None
    ready_timeout: str | None = None
    queue: Queue


class Step(Document, frozen=True, kw_only=True):
    """A phase that was seen, with its times."""

    phase: Phase
    started_at: datetime
    finished_at: datetime | None


class Deploy(Document, frozen=True, kw_only=True):
    """GET /v1/deploys/{id}. The release number is the deploy's sequence."""

    deploy_id: str
    org: Org
    app: AppName
    env: EnvName
    operation: Operation
    sequence: int
    release: int | None
    state: DeployState
    phase: Phase
    steps: tuple[Step, ...]
    actor: str
    image: str | None
    source: Source | None
    url: str | None
    failure: Failure | None
    superseded_by: str | None
    queue: Queue | None
    created_at: datetime
    finished_at: datetime | None


class DeployList(Document, frozen=True, kw_only=True):
    """GET …/deploys, newest first; `cursor` leads to the next page, null at the end."""

    deploys: tuple[Deploy, ...]
    cursor: str | None


class QueuedEvent(Document, frozen=True, kw_only=True, tag="queued"):
    """The deploy waits for another one."""

    at: datetime
    queue: Queue


class PhaseEvent(Document, frozen=True, kw_only=True, tag="phase"):
    """A phase began; `message` says what is awaited, where the operator says so."""

    at: datetime
    phase: Phase
    message: str = ""


class LogEvent(Document, frozen=True, kw_only=True, tag="log"):
    """A line that belongs to the deploy."""

    at: datetime
    kind: Literal["migration", "seed", "app"]
    line: str


class DoneEvent(Document, frozen=True, kw_only=True, tag="done"):
    """The new release answers; last event of its stream."""

    at: datetime
    release: int | None
    url: str | None


class FailedEvent(Document, frozen=True, kw_only=True, tag="failed"):
    """The deploy failed or was cancelled; last event of its stream."""

    at: datetime
    failure: Failure


class SupersededEvent(Document, frozen=True, kw_only=True, tag="superseded"):
    """A newer deploy took its place; last event of its stream."""

    at: datetime
    by: str


Event = QueuedEvent | PhaseEvent | LogEvent | DoneEvent | FailedEvent | SupersededEvent
