"""The way of a request, the same for every route: token (401), is it theirs to see (404), role (403), what they say
(4xx), and only then the handler. One place turns failures into answers, writes the log line, closes the audit row.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kilter.api.errors_v1 import ErrorDocument
from kilter.errors import KilterError
from kilter.server import bodies, guards, ids, repeats
from kilter.server.call import Answer, Call, Services
from kilter.server.guards import Entered
from kilter.server.refusals import Refused, Unavailable
from kilter.server.routing import Route
from kilter.server.store import audit
from kilter.server.store.audit import Outcome

log = logging.getLogger("kilter.server")
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
T = TypeVar("T", bound=Answer | Response)
CLIENT_LEFT = 499  # nobody reads it; it is for the log


@dataclass(frozen=True)
class Endpoint:
    """A route at work."""

    route: Route
    services: Services

    async def __call__(self, request: Request) -> Response:
        """Answer a request, whatever happens."""
        return await answered(
            request,
            self.services,
            partial(self._answered, request),
            lambda error, request_id: failed(error, request_id, self.route),
        )

    async def _answered(self, request: Request, call: Call) -> Response:
        guards.refuse_token_in_url(request)
        if self.route.auth != "token":
            return await self._carried_out(request, call)
        token = guards.bearer(request.headers)
        entered = await guards.asked(guards.enter, token, self.route, call)
        return await let_in(call, entered, self.route, partial(self._carried_out, request))

    async def _carried_out(self, request: Request, call: Call) -> Response:
        """Read what the request says, and have it done; once, where it has a key."""
        route, body = self.route, b""
        found = guards.decoded_query(route.query, request.query_params)
        if route.query is not None:
            call = replace(call, query=bodies.converted(found, route.query, strict=False))
        if route.request is not None:
            whole = call.settings.body_limit
            limit = min(whole, bodies.OPEN_LIMIT) if route.auth == "none" else whole
            body, value = await bodies.read_json(request, limit, route.request, call.services.turns)
            call = replace(call, body=value)
            await guards.refuse_over(call)
        elif bodies.announced(request):
            raise Refused("invalid", "this call takes no body")
        key = repeats.key_of(route, call, request.url.path, body)
        call = replace(call, key=key)

        async def work() -> Response:
            return written(await route.handler(call))

        return await work() if key is None or route.atomic else await repeats.once(route, call, key, work)


async def answered(
    request: Request,
    services: Services,
    work: Callable[[Call], Awaitable[Response]],
    failure: Callable[[Exception, str], Response],
) -> Response:
    """Have a request answered, turn what goes wrong into an answer too, and write one line about it."""
    began, request_id = time.monotonic(), ids.new("req")
    call = Call(services, request_id, services.clock(), request.path_params, request.headers)
    try:
        guards.refuse_nul(request)
        response = await work(call)
    except Exception as error:  # noqa: BLE001 - the one place where a failure becomes an answer
        response = failure(error, request_id)
    response.headers.update(HEADERS | {"X-Request-Id": request_id})
    facts = {
        "request": request_id,
        "method": request.method,
        "path": guards.loggable(request.scope["path"]),
        "status": response.status_code,
        "ms": round((time.monotonic() - began) * 1000, 1),
    }
    log.info("answered", extra={"facts": facts})
    return response


async def let_in(call: Call, entered: Entered, route: Route, work: Callable[[Call], Awaitable[T]]) -> T:
    """Let a call in and have it done; the audit row of one that changes something says what became of it.

    What is accepted to be carried out later writes its row together with its acceptance.
    """
    if entered.attempt is None:
        return await work(guards.admitted(call, entered, route))
    status, code = 500, "internal"
    try:
        answer = await work(guards.admitted(call, entered, route))
        status, code = answer.status_code if isinstance(answer, Response) else answer.status, ""
        return answer
    except ClientDisconnect:
        status, code = CLIENT_LEFT, ""
        raise
    except Exception as error:
        told = refusal(error)
        status, code = told.status, told.code
        raise
    finally:
        outcome = Outcome(status, code or None, call.notes.deploy_id, call.notes.overrides)
        if not call.notes.is_closed:
            await call.store.run(audit.finish, entered.attempt, outcome)


def written(answer: Answer | Response) -> Response:
    """Return what a handler gave as a response."""
    return answer.response() if isinstance(answer, Answer) else answer


def failed(error: Exception, request_id: str, route: Route | None = None) -> Response:
    """Return what is told of a failure: all of a refusal, of a fault of ours only the request's id (S22)."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_LEFT)
    told = reported(error, request_id)
    headers = headers_of(told)
    if told.status == 401:
        realm = "Basic" if route is not None and route.auth == "basic" else "Bearer"
        headers["WWW-Authenticate"] = f'{realm} realm="kilter"'
    content = msgspec.json.encode(ErrorDocument(error=told.body(request_id)))
    return Response(content, told.status, headers, "application/json")


def reported(error: Exception, request_id: str) -> Refused:
    """Return a failure as a refusal, and write into the log what is not for the client."""
    told = refusal(error)
    if isinstance(error, Unavailable):
        log.warning("unavailable", extra={"facts": {"request": request_id} | error.facts})
    if told.code == "internal" and told is not error:
        log.error("failed", exc_info=error, extra={"facts": {"request": request_id}})
    return told


def refusal(error: Exception) -> Refused:
    """Return a failure as a refusal."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, KilterError):
        return Refused("invalid", f"{error.what}: {error.why}" if error.why else error.what)
    if isinstance(error, Unavailable):
        return Refused("unavailable", "the platform cannot answer right now; try again")
    return Refused("internal", "the server failed; its log has more under this request id")


def headers_of(refused: Refused) -> dict[str, str]:
    """Return what a refusal says beside its body."""
    if refused.status in (408, 413):
        return {"Connection": "close"}  # the rest of the body is not read
    return {"Retry-After": "5"} if refused.status in (429, 503) else {}
