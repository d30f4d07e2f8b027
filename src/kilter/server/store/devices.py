"""Device login: a code for the person, a secret for the device, and exactly one token for the two."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from typing import Literal

from kilter.api import tokens as token_format
from kilter.api.access import TokenInfo
from kilter.api.tokens import Token
from kilter.server import clock
from kilter.server.store import tokens
from kilter.server.store.engine import Tx

LIFETIME = 600 * clock.SECOND
INTERVAL = 5 * clock.SECOND
WAITING_LIMIT = 1000  # codes may be asked for by anybody, so there is an end to them
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels: no words; 20^8 codes of which at most a thousand are alive

Refusal = Literal["pending", "too_fast", "expired"]


@dataclass(frozen=True)
class Code:
    """What a device got; only hashes of `secret` are stored."""

    secret: str
    user_code: str


def start(tx: Tx, client_name: str, now: int) -> Code | None:
    """Begin a login; None when too many are waiting."""
    tx.lock("devices")
    tx.execute("DELETE FROM device_codes WHERE expires_at <= ?", now)
    waiting = tx.row("SELECT COUNT(*) AS number FROM device_codes")
    if waiting and waiting["number"] >= WAITING_LIMIT:
        return None
    letters = "".join(secrets.choice(LETTERS) for _ in range(8))
    code = Code(secrets.token_urlsafe(32), f"{letters[:4]}-{letters[4:]}")
    tx.execute(
        "INSERT INTO device_codes (digest, user_code, client_name, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        digest(code.secret),
        code.user_code,
        client_name,
        now,
        now + LIFETIME,
    )
    return code


def approve(tx: Tx, user_code: str, approver_id: str, now: int) -> str | None:
    """Let a device in, in the name of a token; returns the device's name, None when there is no such code."""
    row = tx.row(
        "SELECT client_name FROM device_codes WHERE user_code = ? AND expires_at > ? AND approver_id IS NULL",
        user_code.strip().upper(),
        now,
    )
    if row is None:
        return None
    tx.execute("UPDATE device_codes SET approver_id = ? WHERE user_code = ?", approver_id, user_code.strip().upper())
    return str(row["client_name"])


def collect(tx: Tx, secret: str, now: int) -> tuple[Token, TokenInfo] | Refusal:
    """Give the device its token, once; before somebody approved, or after, say why not."""
    tx.lock("devices")
    row = tx.row("SELECT * FROM device_codes WHERE digest = ? AND expires_at > ?", digest(secret), now)
    if row is None:
        return "expired"
    if row["approver_id"] is None:
        tx.execute("UPDATE device_codes SET polled_at = ? WHERE digest = ?", now, digest(secret))
        # One second of grace: a client that keeps the interval must never be told off.
        hasty = row["polled_at"] is not None and now - row["polled_at"] < INTERVAL - clock.SECOND
        return "too_fast" if hasty else "pending"
    tx.execute("DELETE FROM device_codes WHERE digest = ?", digest(secret))
    approver = tokens.find(tx, row["approver_id"], now)
    if approver is None:
        return "expired"
    token = token_format.mint()
    # A device never holds more, nor longer, than the token that let it in.
    grant = replace(approver, token_id=token.id, expires_at=min(now + tokens.LIFETIME, approver.expires_at))
    return token, tokens.insert(tx, token, grant, created_by=f"device {row['client_name']}", now=now)


def digest(secret: str) -> str:
    """Return what is stored of a device's secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
