"""HTTP v1: who asks, tokens, device login, the audit trail."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from kilter.api.base import Document, Request
from kilter.api.words import Role

# `*` stands for any run of characters, never for the slash.
ProjectGlob = Annotated[str, Meta(pattern=r"^[a-z0-9*-]+/[a-z0-9*-]+\Z", max_length=81)]
EnvGlob = Annotated[str, Meta(pattern=r"^[a-z0-9*-]+\Z", max_length=32)]
EXPIRES_IN = "Seconds, by default 90 days; no more than the asking token has left, which also ends the default."


class Scope(Request, frozen=True, kw_only=True):
    """Where a token is good: projects and environments, as patterns."""

    project: Annotated[ProjectGlob, Meta(description="`<org>/<app>`, `*` allowed in both.")]
    env: Annotated[EnvGlob, Meta(description="Environment, `*` allowed.")] = "*"


class WhoAmI(Document, frozen=True, kw_only=True):
    """GET /v1/whoami: the token that asks."""

    actor: str
    role: Role
    scopes: tuple[Scope, ...]
    token_id: str
    expires_at: datetime


class TokenRequest(Request, frozen=True, kw_only=True):
    """POST /v1/tokens: a token for somebody; it never may more than the asking token, nor is good for longer."""

    actor: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+\Z", description="Whose.")]
    role: Role
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=32)]
    expires_in: Annotated[int, Meta(ge=60, le=31536000, description=EXPIRES_IN)] | None = None


class TokenInfo(Document, frozen=True, kw_only=True):
    """A token without its secret."""

    id: str
    actor: str
    role: Role
    scopes: tuple[Scope, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None


class TokenList(Document, frozen=True, kw_only=True):
    """GET /v1/tokens."""

    tokens: tuple[TokenInfo, ...]


class TokenCreated(Document, frozen=True, kw_only=True):
    """A token with its secret, which is shown this once."""

    token: str
    info: TokenInfo


class DeviceCodeRequest(Request, frozen=True, kw_only=True):
    """POST /v1/device/codes: the beginning of a login without typing a token."""

    client_name: Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+\Z")]


class DeviceCode(Document, frozen=True, kw_only=True):
    """What the person types (`user_code`, at `verification_url`), and what the device asks with."""

    device_code: str
    user_code: str
    verification_url: str
    expires_in: int
    interval: int


class DeviceTokenRequest(Request, frozen=True, kw_only=True):
    """POST /v1/device/tokens: asked every `interval` seconds; 428 until somebody approved."""

    device_code: Annotated[str, Meta(min_length=1, max_length=128)]


class DeviceApproval(Request, frozen=True, kw_only=True):
    """POST /v1/device/approvals: the token that asks lets the device have one of the same role and scopes."""

    user_code: Annotated[str, Meta(min_length=1, max_length=32)]


class DeviceApproved(Document, frozen=True, kw_only=True):
    """Which device was let in."""

    client_name: str


class AuditEntry(Document, frozen=True, kw_only=True):
    """One call that changed something, or was refused to."""

    id: str
    at: datetime
    actor: str
    token_id: str
    action: str
    project: str | None
    env: Annotated[str, Meta(max_length=64, description="As it was asked for: it may name none.")] | None
    deploy_id: str | None
    status: int
    code: str | None
    overrides: tuple[str, ...]
    request_id: str


class AuditList(Document, frozen=True, kw_only=True):
    """GET /v1/audit, newest first; `cursor` leads to the next page, null at the end."""

    entries: tuple[AuditEntry, ...]
    cursor: str | None
