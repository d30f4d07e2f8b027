"""HTTP v1: what may stand behind the question mark."""

from typing import Annotated

from msgspec import Meta

from kilter.api.base import PROJECT_PATTERN, Document, Duration, Name, Request

Limit = Annotated[int, Meta(ge=1, le=100)]


class ProjectsQuery(Request, frozen=True, kw_only=True):
    """GET /v1/projects."""

    q: Annotated[str, Meta(max_length=81, description="Part of `<org>/<app>`.")] = ""
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    limit: Limit = 50


class DeploysQuery(Request, frozen=True, kw_only=True):
    """GET …/deploys."""

    cursor: Annotated[int, Meta(ge=1, le=2**53 - 1)] | None = None
    limit: Limit = 20


class AuditQuery(Request, frozen=True, kw_only=True):
    """GET /v1/audit."""

    project: Annotated[str, Meta(pattern=PROJECT_PATTERN, max_length=81, description="`<org>/<app>`.")] | None = None
    env: Annotated[str, Meta(max_length=32)] | None = None
    actor: Annotated[str, Meta(max_length=128)] | None = None
    action: Annotated[str, Meta(max_length=64)] | None = None
    deploy_id: Annotated[str, Meta(max_length=64)] | None = None
    cursor: Annotated[str, Meta(max_length=128)] | None = None
    limit: Limit = 50


class LogsQuery(Request, frozen=True, kw_only=True):
    """GET …/logs."""

    kind: Annotated[str, Meta(pattern=r"^(app|migration|seed)(,(app|migration|seed))*\Z")] = "app"
    process: Annotated[Name, Meta(description="By default all.")] | None = None
    since: Annotated[Duration, Meta(description="How far back: 10m.")] | None = None
    lines: Annotated[int, Meta(ge=1, le=10000, description="At most so many per pod.")] = 200
    follow: Annotated[bool, Meta(description="Stream what comes.")] = False


class RegistryTokenQuery(Document, frozen=True, kw_only=True):
    """GET /v1/registry/token, as registry clients ask; what else they say is ignored."""

    service: Annotated[str, Meta(max_length=255)] = ""
    scope: Annotated[tuple[Annotated[str, Meta(max_length=512)], ...], Meta(max_length=8)] = ()
    account: Annotated[str, Meta(max_length=255)] = ""
