"""The error answer of HTTP v1: its body, and every code with the status that it comes with."""

from typing import Any, Final

import msgspec

from kilter.api.base import Document

STATUS_OF: Final[dict[str, int]] = {
    "bad_request": 400,  # the bytes are no JSON, or JSON that readers would understand differently
    "token_in_url": 400,
    "not_logged_in": 401,
    "forbidden": 403,  # a role, or an environment, that the token does not have
    "not_found": 404,  # missing or foreign: the same answer (DP-Q73)
    "method_not_allowed": 405,
    "request_timeout": 408,
    "busy": 409,
    "env_exists": 409,
    "host_taken": 409,
    "in_progress": 409,  # a request with the same Idempotency-Key is being answered
    "already_answered": 409,  # the answer held a secret and is not repeated
    "migration_in_progress": 409,
    "too_late": 409,
    "expired": 410,
    "plan_stale": 412,
    "too_large": 413,
    "wrong_media_type": 415,
    "invalid": 422,  # `field` says where
    "unknown_field": 422,
    "not_yet": 422,  # understood, and not available in this release of the server
    "registry_not_allowed": 422,
    "uncommitted": 422,  # changes that are in no commit, for a protected environment
    "wrong_confirmation": 422,
    "idempotency_mismatch": 422,
    "frozen": 423,
    "cli_too_old": 426,
    "pending": 428,
    "plan_required": 428,
    "too_many": 429,
    "internal": 500,
    "unavailable": 503,
}


class ErrorBody(Document, frozen=True, kw_only=True):
    """What went wrong. `field` is the path of the faulty field; `next` the command to run; both may be null."""

    code: str
    message: str
    field: str | None = None
    next: str | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    request_id: str = ""


class ErrorDocument(Document, frozen=True, kw_only=True):
    """Every answer with a status of 400 or more."""

    error: ErrorBody
