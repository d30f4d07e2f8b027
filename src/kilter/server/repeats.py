"""Idempotency-Key: a POST that is sent twice is carried out once, and answered twice alike."""

import hashlib
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from kilter.server.call import Call
from kilter.server.refusals import Refused
from kilter.server.routing import Route
from kilter.server.store import idempotency
from kilter.server.store.idempotency import Answered

HEADER = "idempotency-key"
LIMIT = 200


def key_of(route: Route, call: Call) -> str | None:
    """Return the key of a request. Raises Refused for one that is no printable text."""
    key = call.headers.get(HEADER)
    if key is None or route.method != "POST" or route.auth != "token":
        return None
    if not key.isascii() or not key.isprintable() or not 0 < len(key) <= LIMIT:
        raise Refused("invalid", f"the key must be 1 to {LIMIT} printable characters", field="Idempotency-Key")
    return key


async def once(
    route: Route, call: Call, key: str, request: tuple[str, bytes], work: Callable[[], Awaitable[Response]]
) -> Response:
    """Carry a request out unless its key says that it was carried out; `request` is its path and body.

    A request that fails frees its key: nothing was changed. Raises Refused: idempotency_mismatch, in_progress,
    already_answered.
    """
    path, body = request
    token_id = call.granted().token_id
    fingerprint = hashlib.sha256(b"\n".join((route.method.encode(), path.encode(), body))).hexdigest()
    known = await call.store.run(idempotency.begin, token_id, key, fingerprint, call.now)
    if known == "other":
        raise Refused("idempotency_mismatch", "this Idempotency-Key came with another request before")
    if known == "running":
        raise Refused("in_progress", "the first request with this Idempotency-Key is not answered yet; ask again")
    if isinstance(known, Answered):
        if known.body is None:
            message = "the answer held a secret, which is not kept; revoke what was made and ask with a new key"
            raise Refused("already_answered", message)
        return Response(known.body, known.status, {"Idempotent-Replay": "true"}, "application/json")
    answer: Answered | None = None
    try:
        response = await work()
        body_text = None if route.secret else bytes(response.body).decode()
        answer = Answered(response.status_code, body_text) if response.status_code < 400 else None
    finally:
        await call.store.run(idempotency.finish, token_id, key, answer)
    return response
