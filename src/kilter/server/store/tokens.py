"""Tokens: only the hash of a secret is kept."""

import hmac
from dataclasses import dataclass

import msgspec

from kilter.api.access import Scope, TokenInfo
from kilter.api.tokens import Token
from kilter.api.words import Role
from kilter.server import clock
from kilter.server.store.engine import Row, Tx

USED_EVERY = 3600 * clock.SECOND  # `last_used_at` is no finer than this, so that reading does not mean writing
LIFETIME = 90 * 86400 * clock.SECOND  # of a token for which nobody says how long
KEPT = 365 * 86400 * clock.SECOND  # after its end, as long as the audit trail names it
NOBODY = "0" * 64


@dataclass(frozen=True)
class Grant:
    """What a token allows."""

    token_id: str
    actor: str
    role: Role
    scopes: tuple[Scope, ...]
    expires_at: int


def insert(tx: Tx, token: Token, grant: Grant, *, created_by: str, now: int) -> TokenInfo:
    """Record a token."""
    tx.execute(
        "INSERT INTO tokens (id, digest, actor, role, scopes, created_at, created_by, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        token.id,
        token.digest,
        grant.actor,
        grant.role,
        msgspec.json.encode(grant.scopes).decode(),
        now,
        created_by,
        grant.expires_at,
    )
    return TokenInfo(
        id=token.id,
        actor=grant.actor,
        role=grant.role,
        scopes=grant.scopes,
        created_at=clock.to_datetime(now),
        created_by=created_by,
        expires_at=clock.to_datetime(grant.expires_at),
        last_used_at=None,
    )


def verify(tx: Tx, token: Token, now: int) -> Grant | None:
    """Return what the token allows; None when it is unknown, wrong or expired, all in the same time."""
    row = tx.row("SELECT * FROM tokens WHERE id = ?", token.id)
    same = hmac.compare_digest(token.digest, row["digest"] if row else NOBODY)
    if row is None or not same or row["expires_at"] <= now:
        return None
    if now - (row["last_used_at"] or 0) > USED_EVERY:
        tx.execute("UPDATE tokens SET last_used_at = ? WHERE id = ?", now, token.id)
    return grant_of(row)


def find(tx: Tx, token_id: str, now: int) -> Grant | None:
    """Return what a token allows that was verified before; None when it was revoked or has expired since."""
    row = tx.row("SELECT * FROM tokens WHERE id = ? AND expires_at > ?", token_id, now)
    return grant_of(row) if row else None


def listed(tx: Tx) -> list[TokenInfo]:
    """Return all tokens, the oldest first."""
    return [info_of(row) for row in tx.rows("SELECT * FROM tokens ORDER BY created_at, id")]


def delete(tx: Tx, token_id: str) -> bool:
    """Revoke a token; tells whether there was one."""
    return tx.execute("DELETE FROM tokens WHERE id = ?", token_id) > 0


def prune(tx: Tx, now: int) -> int:
    """Forget those that ended a year ago; returns how many that were."""
    return tx.execute("DELETE FROM tokens WHERE expires_at < ?", now - KEPT)


def insert_first(tx: Tx, token: Token, grant: Grant, *, now: int) -> bool:
    """Record the installer's token where there is no token at all; tells whether it was recorded (S21)."""
    tx.lock("first-token")
    if tx.row("SELECT id FROM tokens LIMIT 1"):
        return False
    insert(tx, token, grant, created_by="installation", now=now)
    return True


def grant_of(row: Row) -> Grant:
    """Read a row."""
    return Grant(row["id"], row["actor"], row["role"], scopes_of(row), row["expires_at"])


def info_of(row: Row) -> TokenInfo:
    """Read a row for people."""
    return TokenInfo(
        id=row["id"],
        actor=row["actor"],
        role=row["role"],
        scopes=scopes_of(row),
        created_at=clock.to_datetime(row["created_at"]),
        created_by=row["created_by"],
        expires_at=clock.to_datetime(row["expires_at"]),
        last_used_at=clock.maybe(row["last_used_at"]),
    )


def scopes_of(row: Row) -> tuple[Scope, ...]:
    """Read where a token is good."""
    return msgspec.json.decode(row["scopes"], type=tuple[Scope, ...])
