"""HTTP v1: environments."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from kilter.api.base import AppName, Document, EnvName, Org, Request
from kilter.api.deploys import Queue
from kilter.api.kilterapp_status import Failure, Workload
from kilter.api.words import DatabasePolicy, EnvClass, Phase

KeptDays = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(description="For how many days its database is kept, where it is not dropped with it; null: for good."),
]


class ReleasedApp(Document, frozen=True, kw_only=True):
    """What a release is made of, by name."""

    hosts: Annotated[tuple[str, ...], Meta(description="Public host names that lead to it.")]
    processes: tuple[str, ...]
    services: tuple[str, ...]


class ReleaseInfo(Document, frozen=True, kw_only=True):
    """What serves."""

    number: int
    image: str
    deploy_id: str
    commit: str
    at: datetime | None
    app: Annotated[ReleasedApp | None, Meta(description="Null where it is no longer known.")] = None
    dirty: Annotated[bool, Meta(description="Whether it holds changes that are not in that commit.")] = False


class LockInfo(Document, frozen=True, kw_only=True):
    """Who is at work on the environment."""

    holder: str
    actor: str
    kind: str
    since: datetime
    lock_id: str


class Environment(Document, frozen=True, kw_only=True):
    """GET …/envs/{env}."""

    org: Org
    app: AppName
    env: EnvName
    env_class: EnvClass
    phase: Phase
    url: str | None
    internal_url: str | None
    namespace: str | None
    release: Annotated[ReleaseInfo | None, Meta(description="The newest that was published, serving or not.")]
    serving: Annotated[
        ReleaseInfo | None,
        Meta(description="The one whose web pods are ready, proven or not; of several the newest that became Ready."),
    ]
    workloads: tuple[Workload, ...]
    failure: Failure | None
    warnings: tuple[str, ...]
    lock: LockInfo | None
    database_kept_days: KeptDays = None
    as_of: Annotated[
        datetime | None,
        Meta(description="Of when all this is, where nothing was heard from the cluster for minutes; null: of now."),
    ] = None


class DeleteRequest(Request, frozen=True, kw_only=True):
    """DELETE …/envs/{env}: a body, because deleting is never an accident."""

    confirm: Annotated[str, Meta(max_length=120, description="`<org>/<app>/<env>`, letter for letter.")]
    database: Annotated[
        DatabasePolicy | None, Meta(description="By default dropped for an ephemeral environment, else kept.")
    ] = None
    confirm_database: Annotated[
        Annotated[str, Meta(max_length=120)] | None,
        Meta(description="The same words once more; demanded for dropping the database of a protected environment."),
    ] = None


class DeleteAccepted(Document, frozen=True, kw_only=True):
    """202: followed like a deploy."""

    deploy_id: str
    sequence: int
    database: DatabasePolicy
    database_kept_days: KeptDays = None
    queue: Queue
