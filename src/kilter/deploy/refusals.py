"""What refusals of kilter-server, and answers that never came, are as kilter's own errors."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from kilter.api.errors_v1 import ErrorBody, ErrorDocument
from kilter.deploy.logins import LOGIN
from kilter.errors import BadInput, Busy, Failed, KilterError, NotAllowed, NotFound, PlanNeeded, Unreachable

if TYPE_CHECKING:  # it alone costs more than all the rest of a start
    import httpx2

AWAY = frozenset({502, 503, 504})  # nobody was there to answer, or nobody's answer came through
LOST = frozenset({502, 504})  # the second: what was asked for may have been carried out
ERRORS: Mapping[int, type[KilterError]] = {
    400: BadInput,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Busy,
    410: NotFound,
    412: PlanNeeded,
    413: BadInput,
    415: BadInput,
    422: BadInput,
    423: Busy,
    426: BadInput,
    428: PlanNeeded,
    429: Busy,
    503: Unreachable,
}


class Unanswered(Unreachable):
    """A request went out and no answer came back: it may have been carried out."""


def unanswered(failed: KilterError) -> Unanswered:
    """Return what went wrong as a request without an answer."""
    return Unanswered(failed.what, why=failed.why, hint=failed.hint, details=failed.details)


def error_of(answer: "httpx2.Response", server: str) -> KilterError:
    """Return the error that an answer of a server stands for."""
    body, status = body_of(answer), answer.status_code
    kind = ERRORS.get(status, Unreachable if status >= 500 else Failed)
    hint = body.next or (LOGIN if status == 401 else "")
    where = [f"field: {body.field}"] if body.field else []
    number = [f"request: {body.request_id}"] if body.request_id and status >= 500 else []
    message = body.message or f"{server} answered {status}"
    return kind(message, hint=hint, details=[*where, *_details(body.details), *number])


def body_of(answer: "httpx2.Response") -> ErrorBody:
    """Return what an answer says of the error; an empty one where it is none of kilter-server's."""
    try:
        return msgspec.json.decode(answer.content, type=ErrorDocument).error
    except msgspec.DecodeError:
        return ErrorBody(code="", message="")


def _details(details: Mapping[str, Any]) -> list[str]:
    """Return what a person can read of them: words, numbers, and lists of words."""
    told = {
        name: ", ".join(map(str, each)) or "none" if isinstance(each, list) else each for name, each in details.items()
    }
    return [f"{name}: {value}" for name, value in told.items() if isinstance(value, str | int | float)]
