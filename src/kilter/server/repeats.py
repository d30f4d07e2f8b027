"""Idempotency-Key: a POST that is sent twice is carried out once, and answered twice alike."""

import hashlib
from collections.abc import Awaitable, Callable

from starlette.responses import Response

from kilter.server.call import Call
from kilter.server.refusals import Refused
from kilter.server.routing import Route
from kilter.server.store import idempotency
from kilter.server.store.engine import Tx
from kilter.server.store.idempotency import Answered, Key

HEADER = "idempotency-key"
LIMIT = 200


def key_of(route: Route, call: Call, path: str, body: bytes) -> Key | None:
    """Return the key of a request, bound to what it asks for. Raises Refused for one that is no printable text."""
    text = call.headers.get(HEADER)
    if text is None or route.method != "POST" or route.auth != "token":
        return None
    if not text.isascii() or not text.isprintable() or not 0 < len(text) <= LIMIT:
        raise Refused("invalid", f"the key must be 1 to {LIMIT} printable characters", field="Idempotency-Key")
    fingerprint = hashlib.sha256(b"\n".join((route.method.encode(), path.encode(), body))).hexdigest()
    return Key(call.granted().token_id, text, fingerprint)


def claim(tx: Tx, key: Key, now: int) -> Response | None:
    """Claim a key; returns the answer that its request got before.

    Raises Refused: idempotency_mismatch, in_progress, already_answered.
    """
    known = idempotency.begin(tx, key, now)
    if known == "new":
        return None
    if known == "other":
        raise Refused("idempotency_mismatch", "this Idempotency-Key came with another request before")
    if known == "running":
        raise Refused("in_progress", "the first request with this Idempotency-Key is not answered yet; ask again")
    if known.body is None:
        message = "the answer held a secret, which is not kept; revoke what was made and ask with a new key"
        raise Refused("already_answered", message)
    return Response(known.body, known.status, {"Idempotent-Replay": "true"}, "application/json")


def keep(tx: Tx, key: Key, response: Response, *, secret: bool = False) -> None:
    """Keep an answer for when the request comes again."""
    idempotency.finish(tx, key, Answered(response.status_code, None if secret else bytes(response.body).decode()))


async def once(route: Route, call: Call, key: Key, work: Callable[[], Awaitable[Response]]) -> Response:
    """Carry a request out unless its key says that it was carried out; one that fails frees its key.

    Raises Refused, as `claim` does.
    """
    if (before := await call.store.run(claim, key, call.now)) is not None:
        return before
    try:
        response = await work()
    except BaseException:
        await call.store.run(idempotency.free, key)
        raise
    await call.store.run(keep, key, response, secret=route.secret)
    return response
