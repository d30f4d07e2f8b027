"""Sessions of the portal: a browser holds a secret of its own in place of a token; only the secret's hash is kept."""

import hashlib
import secrets

from kilter.server import clock
from kilter.server.store import tokens
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant

LIFETIME = 12 * 3600 * clock.SECOND  # a working day


def start(tx: Tx, token_id: str, now: int) -> str:
    """Begin a session with the rights of a token that was verified; returns what the browser is to hold."""
    secret = secrets.token_urlsafe(32)
    tx.execute(
        "INSERT INTO sessions (digest, token_id, created_at, expires_at) VALUES (?, ?, ?, ?)",
        digest(secret),
        token_id,
        now,
        now + LIFETIME,
    )
    return secret


def find(tx: Tx, secret: str, now: int) -> Grant | None:
    """Return what a session may; None when it is unknown or over, or its token was revoked or has expired."""
    return find_stored(tx, digest(secret), now)


def find_stored(tx: Tx, digest: str, now: int) -> Grant | None:
    """Do the same for a session of which only that is held which is stored."""
    row = tx.row("SELECT token_id FROM sessions WHERE digest = ? AND expires_at > ?", digest, now)
    return tokens.find(tx, row["token_id"], now) if row else None


def end(tx: Tx, secret: str) -> None:
    """End a session; its token stays good."""
    tx.execute("DELETE FROM sessions WHERE digest = ?", digest(secret))


def prune(tx: Tx, now: int) -> int:
    """Forget sessions that are over, or whose token was revoked; returns how many."""
    return tx.execute("DELETE FROM sessions WHERE expires_at <= ? OR token_id NOT IN (SELECT id FROM tokens)", now)


def digest(secret: str) -> str:
    """Return what is stored of a browser's secret; it has 256 bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
