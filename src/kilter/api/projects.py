"""HTTP v1: projects as the portal shows them, and the right to push their images."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from kilter.api.base import AppName, Document, EnvName, Org, Request
from kilter.api.words import EnvClass, Phase


class EnvTile(Document, frozen=True, kw_only=True):
    """One environment on a project's tile."""

    env: EnvName
    env_class: EnvClass
    phase: Phase
    url: str | None
    release: int | None
    digest: str | None
    commit: str | None
    actor: str | None
    deployed_at: datetime | None
    last_result: str | None
    warnings: tuple[str, ...]
    dirty: Annotated[bool, Meta(description="Whether the release holds changes that are not in that commit.")] = False


class Tile(Document, frozen=True, kw_only=True):
    """One project; one tile, whatever number of environments it has."""

    org: Org
    app: AppName
    envs: tuple[EnvTile, ...]


class ProjectList(Document, frozen=True, kw_only=True):
    """GET /v1/projects: what the token may see, by name; `cursor` leads to the next page, null at the end."""

    projects: tuple[Tile, ...]
    cursor: str | None


class Project(Document, frozen=True, kw_only=True):
    """GET /v1/projects/{org}/{app}."""

    org: Org
    app: AppName
    envs: tuple[EnvTile, ...]
    promotion: tuple[EnvName, ...]


class PushRequest(Request, frozen=True, kw_only=True):
    """POST …/push-credentials."""

    env: EnvName
    registry: Annotated[str, Meta(max_length=255)] | None = None


class PushCredentials(Document, frozen=True, kw_only=True):
    """What lets a client push this one project's images for ten minutes; `repository` is what an image is named."""

    registry: str
    repository: str
    username: str
    password: str
    expires_at: datetime
    push_id: str = ""  # for the deploy of what was pushed; empty from a server that does not ask for it


class RegistryToken(Document, frozen=True, kw_only=True):
    """GET /v1/registry/token: the bearer token for the registry; `access_token` is the same for newer clients."""

    token: str
    access_token: str
    expires_in: int
    issued_at: datetime
