"""The JSON documents of the platform's verbs: the API's own, with the name of a schema (decision 10)."""

from typing import Literal

import msgspec

from kilter.api.access import Scope
from kilter.api.deploys import Deploy
from kilter.api.environments import Environment
from kilter.api.kilterapp_parts import AppSection
from kilter.api.projects import Tile
from kilter.api.words import Role


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is printed as JSON."""


class DeployedDocument(Document, frozen=True, kw_only=True):
    """What `kilter deploy --json` prints; `seconds` by part, `answered` the status line of the public address."""

    schema: Literal["kilter.deploy/v1"] = "kilter.deploy/v1"
    deploy_id: str
    sequence: int
    release: int
    url: str
    image: str
    answered: str
    seconds: dict[str, float]


class Change(Document, frozen=True, kw_only=True):
    """A part of the environment, and what the deploy makes of it; null where the platform does not say what runs.

    `variables` are the names of those that a service gives to the app; a route's name is its host.
    """

    kind: Literal["route", "process", "service"]
    name: str
    change: Literal["added", "kept", "removed"] | None
    variables: tuple[str, ...] = ()


class DeployPlanDocument(Document, frozen=True, kw_only=True):
    """What `kilter deploy --dry-run --json` prints: what the deploy would change, and the section it would submit.

    `release` is the newest that was published, with which it is compared; null for none. An empty `image` would be
    built, of `commit` (empty outside of Git) and what is not committed (`dirty`). The app has its `host` also while
    nothing leads there.
    """

    schema: Literal["kilter.deploy-plan/v1"] = "kilter.deploy-plan/v1"
    server: str
    project: str
    env: str
    exists: bool
    protected: bool
    host: str
    release: int | None
    image: str
    commit: str
    dirty: bool
    changes: tuple[Change, ...]
    app: AppSection


class AppsDocument(Document, frozen=True, kw_only=True):
    """What `kilter apps --json` prints."""

    schema: Literal["kilter.apps/v1"] = "kilter.apps/v1"
    server: str
    projects: tuple[Tile, ...]


class EnvironmentDocument(Document, frozen=True, kw_only=True):
    """What `kilter status --env NAME --json` prints."""

    schema: Literal["kilter.environment/v1"] = "kilter.environment/v1"
    server: str
    environment: Environment


class ReleasesDocument(Document, frozen=True, kw_only=True):
    """What `kilter releases --json` prints, newest first."""

    schema: Literal["kilter.releases/v1"] = "kilter.releases/v1"
    server: str
    project: str
    env: str
    deploys: tuple[Deploy, ...]


class WhoamiDocument(Document, frozen=True, kw_only=True):
    """What `kilter whoami --json` prints."""

    schema: Literal["kilter.whoami/v1"] = "kilter.whoami/v1"
    server: str
    actor: str
    role: Role
    scopes: tuple[Scope, ...]
    expires_at: str


DOCUMENTS: dict[str, type[Document]] = {
    "apps": AppsDocument,
    "deploy": DeployedDocument,
    "deploy-plan": DeployPlanDocument,
    "environment": EnvironmentDocument,
    "releases": ReleasesDocument,
    "whoami": WhoamiDocument,
}
