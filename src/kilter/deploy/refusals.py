"""What refusals of kilter-server, and answers that never came, are as kilter's own errors."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from kilter.api.errors_v1 import ErrorBody, ErrorDocument
from kilter.deploy.logins import LOGIN
from kilter.errors import (
    BadInput,
    Busy,
    Failed,
    Interrupted,
    KilterError,
    NotAllowed,
    NotFound,
    PlanNeeded,
    Unreachable,
)

if TYPE_CHECKING:  # it alone costs more than all the rest of a start
    import httpx2

OTHER_NAMES = "its certificate is for other names: whoever looks after the platform has to bring one for this host"
UNTRUSTED = {  # what TLS says of a certificate, and the next step; the last one is for all others
    "UNRECOGNIZED_NAME": OTHER_NAMES,
    "ostname mismatch": OTHER_NAMES,
    "has expired": "whoever looks after the platform has to renew its certificate; or the clock here is wrong",
    "CERTIFICATE_VERIFY_FAILED": "where an authority of your own signed it, name its file in SSL_CERT_FILE",
}
RIGHTS = "`kilter whoami` tells what your token may do; whoever looks after the platform can make another one"
NEXT: Mapping[str, str] = {  # by the code of a refusal, where the server itself names no next step
    "": "is it a kilter-server? `kilter version` tells what this is",  # none of its refusals
    "cli_too_old": "update kilter",
    "forbidden": RIGHTS,
    "not_found": "`kilter apps` lists what your token may see, `kilter releases` the deploys of an environment",
}
AGAIN = "try again later"
AWAY = frozenset({502, 503, 504})  # nobody was there to answer, or nobody's answer came through
LOST = frozenset({502, 504})  # the second: what was asked for may have been carried out


class Unanswered(Unreachable):
    """A request went out and no answer came back: it may have been carried out."""


class Throttled(Busy):
    """The server takes no more requests for now."""


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
    429: Throttled,
    503: Unreachable,
}


def unanswered(failed: KilterError) -> Unanswered:
    """Return what went wrong as a request without an answer."""
    return Unanswered(failed.what, why=failed.why, hint=failed.hint, details=failed.details)


def is_decided(failed: KilterError) -> bool:
    """Tell whether this answer to a request that is repeated says that the first one was not carried out either.

    Who asks is looked at before whether the request came before; and what stands in front of the server knows nothing.
    """
    return not isinstance(failed, NotAllowed | NotFound | Throttled | Unreachable | Failed)


def may_be_done(error: KilterError) -> bool:
    """Tell whether what was asked for may have been carried out: no answer came, or the last one does not say so."""
    return isinstance(error, Unanswered) or isinstance(error.__cause__, Unanswered)


def perhaps_done(error: KilterError, what: str, hint: str) -> KilterError:
    """Return an error of which `may_be_done` holds, saying that `what` may be accepted; `hint` says who tells."""
    if isinstance(error, Unanswered):  # what helps where nobody answers is no help to tell what became of it
        error = Unreachable(error.what, why=error.why, details=error.details)
    return saying(error, f"the platform may have accepted {what} all the same", hint)


@contextmanager
def accepted_perhaps(what: str, doing: str, hint: str) -> Iterator[None]:
    """Ask for a change in this block; what ends it says where the platform may have accepted `what` all the same.

    `doing` says what Ctrl-C interrupted; `hint` who tells.
    """
    try:
        yield
    except KeyboardInterrupt:
        why = "the platform may have accepted it before"
        raise Interrupted(f"interrupted while {doing}", why=why, hint=hint) from None
    except KilterError as error:
        raise perhaps_done(error, what, hint) if may_be_done(error) else error from None


def saying(error: KilterError, why: str, hint: str) -> KilterError:
    """Return an error that also says this, behind its own words."""
    why, hint = ("; ".join(filter(None, each)) for each in ((error.why, why), (error.hint, hint)))
    return type(error)(error.what, why=why, hint=hint, details=error.details)


def error_of(answer: "httpx2.Response", server: str) -> KilterError:
    """Return the error that an answer of a server stands for."""
    body, status = body_of(answer), answer.status_code
    kind = ERRORS.get(status, Unreachable if status >= 500 else Failed)
    hint = body.next or _next_step(answer, body.code)
    where = [f"field: {body.field}"] if body.field else []
    number = [f"request: {body.request_id}"] if body.request_id and status >= 500 else []
    message = body.message or f"{server} answered {status}"
    return kind(message, hint=hint, details=[*where, *_details(body.details), *number])


def body_of(answer: "httpx2.Response") -> ErrorBody:
    """Return what an answer says of the error; an empty one where it is none of kilter-server's."""
    try:
        return msgspec.json.decode(answer.content, type=ErrorDocument).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ErrorBody(code="", message="")


def _next_step(answer: "httpx2.Response", code: str) -> str:
    """Return the next step after a refusal that names none; what is in front of a server may have answered, too."""
    if answer.status_code == 401:
        return LOGIN
    if answer.status_code >= 500 and not code:
        return AGAIN
    return _elsewhere(answer) or NEXT.get(code, "")


def _elsewhere(answer: "httpx2.Response") -> str:
    """Say where a redirect leads, as far as it is no secret; nobody goes there, lest the token does."""
    try:
        place = urlsplit(answer.headers.get("location", "") if answer.is_redirect else "")
        host = f"{place.hostname}:{place.port}" if place.port else place.hostname
    except ValueError:
        host = None
    return f"it redirects to {host}: log in to that address, or past the proxy in front" if host else ""


def _details(details: Mapping[str, Any]) -> list[str]:
    """Return what a person can read of them: words, numbers, and lists of words."""
    told = {
        name: ", ".join(map(str, each)) or "none" if isinstance(each, list) else each for name, each in details.items()
    }
    return [f"{name}: {value}" for name, value in told.items() if isinstance(value, str | int | float)]
