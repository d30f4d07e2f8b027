"""Who asks, and what exists for them."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request

from kilter.api import tokens as token_format
from kilter.api.tokens import PREFIX, Token
from kilter.render.names import Slot
from kilter.server import access, bodies, clock, ids
from kilter.server.call import Call
from kilter.server.refusals import Refused, not_found
from kilter.server.routing import Route
from kilter.server.store import audit, deploys, tokens
from kilter.server.store.audit import Attempt
from kilter.server.store.deploys import Record, identity
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant
from kilter.words import APP_LIMIT, ENV_LIMIT, ORG_LIMIT, slug_fault

Who = TypeVar("Who", Token, str)
NAME_KEPT = 64  # characters, of whatever somebody asked for
TOKEN = re.compile(re.escape(PREFIX) + "[^/]*")
QUICK = clock.SECOND  # within which who asks is not asked for again
NEXT = "kilter login --server <url> --token -"


class Entered(NamedTuple):
    """What the first look into the store found."""

    grant: Grant | None
    record: Record | None
    attempt: Attempt | None


def refuse_token_in_url(request: Request) -> None:
    """Refuse a token where logs and histories would keep it (S1), before the audit trail does."""
    said = (part for pair in request.query_params.multi_items() for part in pair)
    parts = (*request.scope["path"].split("/"), *said)
    if any(part.startswith(PREFIX) for part in parts):
        raise Refused("token_in_url", "a token belongs into the header `Authorization`; revoke this one")


def refuse_nul(request: Request) -> None:
    """Refuse a character that databases do not keep, wherever it stands in the address (S20)."""
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise Refused("invalid", "NUL stands in the address")


def loggable(path: str) -> str:
    """Return a path as the log may have it: without a token that somebody put there."""
    return TOKEN.sub(f"{PREFIX}…", path)


def bearer(headers: Mapping[str, str]) -> Token:
    """Return the token of a request. Raises Refused; garbage costs no look into the store (S1)."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    token = token_format.parse(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise unknown()
    return token


def unknown() -> Refused:
    """Return the one answer for no token and every wrong one."""
    return Refused("not_logged_in", "no valid token came with this request", next=NEXT)


def basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return user and password of a request, None without."""
    scheme, _, text = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:  # no base64, or no text
        return None
    return (user, password) if colon else None


async def asked(enter: Callable[[Tx, Who, Route, Call], Entered], who: Who, route: Route, call: Call) -> Entered:
    """Ask the store who wants to enter: in a transaction where the audit trail's row is begun, else by looking."""
    if route.begins_row:
        return await call.store.run(enter, who, route, call)
    return await call.store.look(enter, who, route, call)


def enter(tx: Tx, token: Token, route: Route, call: Call) -> Entered:
    """Verify the token, find the deploy of the path, and begin the audit trail's row of a change."""
    return entered(tx, tokens.verify(tx, token, call.now), route, call)


def enter_again(tx: Tx, token_id: str, route: Route, call: Call) -> Entered:
    """Do the same for a token that was verified before and is remembered by its id, as a session does."""
    return entered(tx, tokens.find(tx, token_id, call.now), route, call)


def entered(tx: Tx, grant: Grant | None, route: Route, call: Call) -> Entered:
    """Find the deploy of the path, and begin the audit trail's row of a change; nothing of it without a grant."""
    if grant is None:
        return Entered(None, None, None)
    record = deploys.find(tx, call.path["deploy_id"]) if route.subject == "deploy" else None
    if not route.action:
        return Entered(grant, record, None)
    place = identity(record.slot) if record else call.path
    names = {key: place[key][:NAME_KEPT] for key in ("org", "app", "env") if key in place}
    now = call.now
    attempt = Attempt(ids.new("aud", now), now, grant.actor, grant.token_id, route.action, call.request_id, **names)
    if route.begins_row:
        audit.begin(tx, attempt)
    return Entered(grant, record, attempt)


def admitted(call: Call, entered: Entered, route: Route) -> Call:
    """Return the call with its place. Raises Refused: first what is not theirs to see, then what they may not do."""
    grant = entered.grant
    if grant is None:
        raise unknown()
    call = replace(call, grant=grant, attempt=entered.attempt, record=entered.record)
    if route.subject == "deploy":
        if entered.record is None or not access.sees(grant, entered.record.slot.org, entered.record.slot.app):
            raise not_found()
        call = replace(call, slot=entered.record.slot)
    elif route.subject in ("project", "env"):
        org, app = call.path["org"], call.path["app"]
        if slug_fault(org, ORG_LIMIT) or slug_fault(app, APP_LIMIT) or not access.sees(grant, org, app):
            raise not_found()
    access.require_role(grant, route.role)
    if route.subject == "env":
        env = call.path["env"]
        if fault := slug_fault(env, ENV_LIMIT):
            raise Refused("invalid", f"{env[:64]!r} cannot name an environment: {fault}", field="env")
        call = replace(call, slot=Slot(call.path["org"], call.path["app"], env))
    if call.slot is not None:
        access.require_env(grant, call.slot)
    return call


async def refuse_over(call: Call) -> None:
    """Refuse what came with a token that is over by now: a body may take half a minute (S2). Raises Refused."""
    now = call.services.clock()
    if call.grant is not None and now - call.now > QUICK and not await call.store.look(call.is_good, now):
        raise unknown()


def decoded_query(kind: type[msgspec.Struct] | None, query: QueryParams) -> dict[str, object]:
    """Return the query as a map. Raises Refused for a name that nobody knows, or that stands twice and is no list."""
    lists, known = set[str](), set[str]()
    for field in msgspec.structs.fields(kind) if kind else ():
        known.add(field.encode_name)
        if bodies.is_list(field):
            lists.add(field.encode_name)
    found: dict[str, object] = {name: query.getlist(name) for name in lists if name in query}
    for name, value in query.multi_items():
        if name not in known and (kind is None or kind.__struct_config__.forbid_unknown_fields):
            raise Refused("unknown_field", f"unknown field {name[:64]} in the query", field=name[:64])
        if name not in lists and name in found:
            raise Refused("invalid", f"{name[:64]} stands twice in the query", field=name[:64])
        found.setdefault(name, value)
    return found
