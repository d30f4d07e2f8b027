"""Routes as data: what is asked, by whom, and what may be answered. OpenAPI and the access tests are made from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
from starlette.responses import Response

from kilter.api.words import Role
from kilter.server.call import Answer, Call

Handler: TypeAlias = Callable[[Call], Awaitable[Answer | Response]]
Subject = Literal["platform", "project", "env", "deploy"]


@dataclass(frozen=True)
class Route:
    """One method of one path. Answers map a status to a type; None is an empty body, `str` is text.

    `role` is the least that is needed; a handler may need more (protected environments). `action` is the word of a
    changing route in the audit trail. An answer with a `secret` is never kept. The handler of an `atomic` one changes
    nothing but the store, and records in one transaction the change, its row of the audit trail and the answer to
    an Idempotency-Key. `stream` says for which answer there is a stream of events instead.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, Any]
    auth: Literal["none", "token", "basic"] = "token"
    role: Role = "viewer"
    subject: Subject = "platform"
    request: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    errors: tuple[str, ...] = ()
    action: str = ""
    secret: bool = False
    atomic: bool = False
    stream: Literal["", "always", "follow"] = ""

    @property
    def begins_row(self) -> bool:
        """Whether the audit trail has a row of a call before it is carried out: it may get no further."""
        return bool(self.action) and not self.atomic
