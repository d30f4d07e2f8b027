"""The way of a request, the same for every route: token (401), is it theirs to see (404), role (403), what they say
(4xx), and only then the handler. One place turns failures into answers, writes the log line, closes the audit row.
"""

import logging
import time
from dataclasses import dataclass, replace

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kilter.api.errors_v1 import ErrorDocument
from kilter.errors import KilterError
from kilter.server import bodies, guards, ids, repeats
from kilter.server.call import Answer, Call, Services
from kilter.server.refusals import Refused, Unavailable
from kilter.server.routing import Route
from kilter.server.store import audit
from kilter.server.store.audit import Outcome

log = logging.getLogger("kilter.server")
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
CLIENT_LEFT = 499  # nobody reads it; it is for the log


@dataclass(frozen=True)
class Endpoint:
    """A route at work."""

    route: Route
    services: Services

    async def __call__(self, request: Request) -> Response:
        """Answer a request, whatever happens, and write one line about it."""
        began, request_id = time.monotonic(), ids.new("req")
        call = Call(self.services, request_id, self.services.clock(), request.path_params, request.headers)
        try:
            response = await self._answered(request, call)
        except Exception as error:  # noqa: BLE001 - the one place where a failure becomes an answer
            response = failed(error, request_id, self.route)
        response.headers.update(HEADERS | {"X-Request-Id": request_id})
        facts = {
            "request": request_id,
            "method": request.method,
            "path": request.url.path,
            "status": response.status_code,
            "ms": round((time.monotonic() - began) * 1000, 1),
        }
        log.info("answered", extra={"facts": facts})
        return response

    async def _answered(self, request: Request, call: Call) -> Response:
        guards.refuse_token_in_url(request.query_params)
        if self.route.auth != "token":
            return await self._carried_out(request, call)
        token = guards.bearer(request.headers)
        entered = await call.store.run(guards.enter, token, self.route, call)
        if entered.audit_id is None:
            return await self._carried_out(request, guards.admitted(call, entered, self.route))
        status, code = 500, "internal"
        try:
            response = await self._carried_out(request, guards.admitted(call, entered, self.route))
            status, code = response.status_code, ""
            return response
        except Refused as refused:
            status, code = refused.status, refused.code
            raise
        finally:
            outcome = Outcome(status, code or None, call.notes.deploy_id, call.notes.overrides)
            await call.store.run(audit.finish, entered.audit_id, outcome)

    async def _carried_out(self, request: Request, call: Call) -> Response:
        """Read what the request says, and have it done; once, where it has a key."""
        route, body = self.route, b""
        found = guards.decoded_query(route.query, request.query_params)
        if route.query is not None:
            call = replace(call, query=bodies.converted(found, route.query, strict=False))
        if route.request is not None:
            body, value = await bodies.read_json(request, call.settings.body_limit)
            call = replace(call, body=bodies.converted(value, route.request))
        elif bodies.announced(request):
            raise Refused("invalid", "this call takes no body")
        key = repeats.key_of(route, call)
        if key is None:
            return written(await route.handler(call))
        call = replace(call, idempotency=f"{call.granted().token_id}:{key}")

        async def work() -> Response:
            return written(await route.handler(call))

        return await repeats.once(route, call, key, (request.url.path, body), work)


def written(answer: Answer | Response) -> Response:
    """Return what a handler gave as a response."""
    return answer.response() if isinstance(answer, Answer) else answer


def failed(error: Exception, request_id: str, route: Route | None = None) -> Response:
    """Return what is told of a failure: all of a refusal, of a fault of ours only the request's id (S22)."""
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_LEFT)
    headers = dict[str, str]()
    if isinstance(error, KilterError):
        error = Refused("invalid", f"{error.what}: {error.why}" if error.why else error.what)
    elif isinstance(error, Unavailable):
        log.warning("unavailable", extra={"facts": {"request": request_id, "error": str(error)}})
        error = Refused("unavailable", "the platform cannot answer right now; try again")
        headers["Retry-After"] = "5"
    elif not isinstance(error, Refused):
        log.error("failed", exc_info=error, extra={"facts": {"request": request_id}})
        error = Refused("internal", "the server failed; its log has more under this request id")
    if error.status == 401:
        realm = "Basic" if route is not None and route.auth == "basic" else "Bearer"
        headers["WWW-Authenticate"] = f'{realm} realm="kilter"'
    if error.status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    if error.status == 429:
        headers["Retry-After"] = "5"
    content = msgspec.json.encode(ErrorDocument(error=error.body(request_id)))
    return Response(content, error.status, headers, "application/json")
