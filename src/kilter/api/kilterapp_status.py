"""KilterApp's status: what the operator has seen and done; written by one function of the operator alone."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, field

from kilter.api.base import Report
from kilter.api.words import ConditionType, JobState, Phase

Moment = Annotated[datetime, Meta(tz=True)]


class Condition(Report, frozen=True, kw_only=True):
    """A condition in the shape that Kubernetes prescribes."""

    type: Annotated[ConditionType, Meta(description="What it is about.")]
    status: Annotated[Literal["True", "False", "Unknown"], Meta(description="Whether it holds.")]
    reason: Annotated[str, Meta(max_length=1024, description="Why, in one CamelCase word.")]
    message: Annotated[str, Meta(max_length=32768, description="Why, in a sentence.")]
    last_transition_time: Annotated[Moment, Meta(description="When `status` last changed.")]
    observed_generation: Annotated[int | None, Meta(description="Spec that it was seen for.")] = None


class PhaseTimes(Report, frozen=True, kw_only=True):
    """A phase that a deploy went through."""

    phase: Annotated[Phase, Meta(description="Which one.")]
    started_at: Annotated[Moment, Meta(description="When it began.")]
    finished_at: Annotated[Moment | None, Meta(description="When it ended; absent while it lasts.")] = None


class Database(Report, frozen=True, kw_only=True):
    """The scoped database; names only, no values."""

    name: Annotated[str, Meta(description="Name of the database.")]
    owner_role: Annotated[str, Meta(description="Role that owns its objects.")]
    secret_name: Annotated[str, Meta(description="Secret with the connection variables.")]


class Release(Report, frozen=True, kw_only=True):
    """A release: what was published by one deploy."""

    number: Annotated[int, Meta(description="The sequence of the deploy that made it.")]
    image: Annotated[str, Meta(description="What runs, by digest.")]
    deploy_id: Annotated[str, Meta(description="The deploy that made it.")]
    commit: Annotated[str, Meta(description="Git commit that the image was built from.")] = ""
    schema_revision: Annotated[str, Meta(description="Revision of the database schema it was published on.")] = ""
    at: Annotated[Moment | None, Meta(description="When it was published.")] = None


class Work(Report, frozen=True, kw_only=True):
    """A migration, or one seed."""

    state: Annotated[JobState, Meta(description="How far it is.")]
    name: Annotated[str | None, Meta(description="Which seed.")] = None
    job: Annotated[str | None, Meta(description="Name of its Job.")] = None
    engine: Annotated[str | None, Meta(description="What ran it.")] = None
    plan_id: Annotated[str | None, Meta(description="Plan that it applied.")] = None
    revision: Annotated[str | None, Meta(description="Schema revision afterwards.")] = None
    started_at: Annotated[Moment | None, Meta(description="When it began.")] = None
    finished_at: Annotated[Moment | None, Meta(description="When it ended.")] = None
    reowned: Annotated[bool, Meta(description="Whether the objects were given to the owner role.")] = False


class Git(Report, frozen=True, kw_only=True):
    """Where the rendered manifests lie."""

    path: Annotated[str, Meta(description="Directory in the flux repository.")]
    commit: Annotated[str, Meta(description="Commit that holds them.")] = ""


class Flux(Report, frozen=True, kw_only=True):
    """How far Flux is."""

    applied_revision: Annotated[str, Meta(description="Revision that Flux applied.")] = ""


class Workload(Report, frozen=True, kw_only=True):
    """The app, one of its processes, or a service beside it."""

    name: Annotated[str, Meta(description="Name of the Deployment, or of the service.")]
    desired: Annotated[int, Meta(description="Replicas wanted.")] = 0
    ready: Annotated[int, Meta(description="Replicas that are ready; of app and processes, those of this release.")] = 0
    restarts: Annotated[int, Meta(description="Restarts of its containers.")] = 0


class Lock(Report, frozen=True, kw_only=True):
    """Who is at work on the environment."""

    holder: Annotated[str, Meta(description="Deploy that holds it.")]
    actor: Annotated[str, Meta(description="Who started that deploy.")]
    kind: Annotated[str, Meta(description="What for: deploy, migration, delete, freeze.")]
    since: Annotated[Moment, Meta(description="Since when.")]
    lock_id: Annotated[str, Meta(description="What an unlock must name.")]


class Failure(Report, frozen=True, kw_only=True):
    """Why a deploy failed; never holds a secret's value."""

    phase: Annotated[Phase, Meta(description="Where it failed.")]
    reason: Annotated[str, Meta(description="One CamelCase word.")]
    message: Annotated[str, Meta(description="One sentence.")]
    object: Annotated[str, Meta(description="Kind and name of the failing object.")] = ""
    log_tail: Annotated[tuple[str, ...], Meta(max_length=50, description="Last lines of its log.")] = ()


class Status(Report, frozen=True, kw_only=True):
    """What the operator has seen and done."""

    observed_generation: Annotated[int, Meta(description="Last spec handled.")] = 0
    deploy_id: Annotated[str, Meta(description="The deploy that `phase` is about.")] = ""
    sequence: Annotated[int, Meta(description="Sequence of that deploy; a lower one is ignored.")] = 0
    fence: Annotated[int, Meta(ge=0, description="Number of the leader that wrote this; a lower one is refused.")] = 0
    phase: Annotated[Phase, Meta(description="How far it is.")] = "Pending"
    phases: Annotated[tuple[PhaseTimes, ...], Meta(description="The phases of that deploy so far, in order.")] = ()
    conditions: Annotated[tuple[Condition, ...], Meta(description="One per type.")] = ()
    namespace: Annotated[str, Meta(description="Namespace of the environment.")] = ""
    url: Annotated[str, Meta(description="Public address; empty for an internal-only app.")] = ""
    internal_url: Annotated[str, Meta(description="Address inside the cluster.")] = ""
    database: Annotated[Database | None, Meta(description="The scoped database.")] = None
    provisioned_at: Annotated[Moment | None, Meta(description="When the clock of readiness began.")] = None
    deadline_at: Annotated[Moment | None, Meta(description="When readiness is overdue.")] = None
    release: Annotated[Release | None, Meta(description="What serves.")] = None
    last_good_release: Annotated[Release | None, Meta(description="What to return to.")] = None
    migration: Annotated[Work | None, Meta(description="The migration of this deploy.")] = None
    seeds: Annotated[tuple[Work, ...], Meta(description="The seeds of this deploy, in order.")] = ()
    git: Annotated[Git | None, Meta(description="Where the manifests lie.")] = None
    flux: Annotated[Flux | None, Meta(description="How far Flux is.")] = None
    workloads: Annotated[tuple[Workload, ...], Meta(description="App, processes and services.")] = ()
    serving: Annotated[
        tuple[str, ...] | None, Meta(description="Deploys of which a web pod is ready; absent while nobody looked.")
    ] = None
    lock: Annotated[Lock | None, Meta(description="Who is at work.")] = None
    failure: Annotated[Failure | None, Meta(description="Why it failed.")] = None
    warnings: Annotated[tuple[str, ...], Meta(description="What people should know: a skipped check.")] = field(
        default_factory=tuple
    )
