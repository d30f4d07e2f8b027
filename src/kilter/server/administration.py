"""What an administrator does in the server's own pod: making tokens past the API, by the right to run programs."""

import argparse
from collections.abc import Sequence
from typing import Final

import msgspec

from kilter.api import tokens as token_format
from kilter.api.access import Scope, TokenRequest
from kilter.api.words import ROLES
from kilter.errors import BadInput
from kilter.server import clock, ids
from kilter.server.settings import Settings
from kilter.server.store import audit, tokens
from kilter.server.store.audit import Attempt, Outcome
from kilter.server.store.engine import Tx
from kilter.server.store.postgres import PostgresEngine
from kilter.server.store.sqlite import SqliteEngine
from kilter.server.store.tokens import Grant

BY = "administrator of the cluster"
DAY = 86400
DAYS_LIMIT = 365
OPTIONS: Final = {"$.actor": "--actor", "$.scopes[0].project": "--project", "$.scopes[0].env": "--env"}  # by field


def engine(found: Settings) -> PostgresEngine | SqliteEngine:
    """Return the store that the settings name."""
    dsn = found.secrets.get("store_dsn_file")
    return PostgresEngine(dsn) if dsn else SqliteEngine(found.store)


async def token(found: Settings, arguments: Sequence[str]) -> str:
    """Make a token as the arguments say; returns it, or nothing for `--first` where there is one already.

    Raises BadInput, Unavailable, SchemaTooNew.
    """
    parser = argparse.ArgumentParser(prog="python -m kilter.server token", description="Make a token and print it.")
    parser.add_argument("--first", action="store_true", help="the first token, for everything, unless there is one")
    parser.add_argument("--actor", default="admin", help="whose it is (%(default)s)")
    parser.add_argument("--role", default="admin", choices=ROLES, help="what it may do (%(default)s)")
    parser.add_argument("--project", default="*/*", help="where (%(default)s)")
    parser.add_argument("--env", default="*", help="in which environments (%(default)s)")
    parser.add_argument("--days", type=days, default=90, help="how long it is good (%(default)s)")
    options = parser.parse_args(list(arguments))
    wanted = {
        "actor": options.actor,
        "role": options.role,
        "scopes": [{"project": options.project, "env": options.env}],
        "expires_in": options.days * DAY,
    }
    try:
        request = msgspec.convert(wanted, TokenRequest)
    except msgspec.ValidationError as error:
        fault, _, path = str(error).partition(" - at ")
        option = OPTIONS.get(path.strip("`"), path)
        raise BadInput(f"no such token can be made: {option} does not fit", why=fault) from None
    store = engine(found)
    await store.open()
    try:
        return await store.run(_make, request, first=options.first)
    finally:
        await store.close()


def days(text: str) -> int:
    """Read how long a token is to be good. Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= DAYS_LIMIT:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {DAYS_LIMIT}")
    return int(text)


def _make(tx: Tx, request: TokenRequest, *, first: bool) -> str:
    now, made = clock.now(), token_format.mint()
    life = tokens.LIFETIME if request.expires_in is None else request.expires_in * clock.SECOND
    grant = Grant(made.id, request.actor, request.role, request.scopes, now + life)
    if first:
        grant = Grant(made.id, grant.actor, "admin", (Scope(project="*/*"),), grant.expires_at)
        if not tokens.insert_first(tx, made, grant, now=now):
            return ""
    else:
        tokens.insert(tx, made, grant, created_by=BY, now=now)
    attempt = Attempt(ids.new("aud", now), now, BY, made.id, "token-create", ids.new("req", now))
    audit.finish(tx, attempt, Outcome(201))
    return made.text
