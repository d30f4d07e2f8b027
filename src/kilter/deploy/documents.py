"""The JSON documents of the platform's verbs: the API's own, with the name of a schema (decision 10)."""

from typing import Literal

import msgspec

from kilter.api.access import Scope
from kilter.api.deploys import Deploy
from kilter.api.environments import Environment
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


class AppsDocument(Document, frozen=True, kw_only=True):
    """What `kilter apps --json` prints."""

    schema: Literal["kilter.apps/v1"] = "kilter.apps/v1"
    projects: tuple[Tile, ...]


class EnvironmentDocument(Document, frozen=True, kw_only=True):
    """What `kilter status --env NAME --json` prints."""

    schema: Literal["kilter.environment/v1"] = "kilter.environment/v1"
    environment: Environment


class ReleasesDocument(Document, frozen=True, kw_only=True):
    """What `kilter releases --json` prints, newest first."""

    schema: Literal["kilter.releases/v1"] = "kilter.releases/v1"
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
    "environment": EnvironmentDocument,
    "releases": ReleasesDocument,
    "whoami": WhoamiDocument,
}
