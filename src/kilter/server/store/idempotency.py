"""Idempotency-Key: the same request twice is one change and one answer (S10, F28)."""

from dataclasses import dataclass
from typing import Literal

from kilter.server import clock
from kilter.server.store.engine import Tx

KEPT = 24 * 3600 * clock.SECOND
ABANDONED = 60 * clock.SECOND  # then the server that was answering is taken for dead


@dataclass(frozen=True)
class Answered:
    """The answer that the first request got; no body where it held a secret."""

    status: int
    body: str | None


def begin(tx: Tx, token_id: str, key: str, fingerprint: str, now: int) -> Answered | Literal["new", "other", "running"]:
    """Claim a key for a request, or say what is known of it."""
    tx.lock(f"idempotency:{token_id}:{key}")
    row = tx.row("SELECT * FROM idempotency WHERE token_id = ? AND idempotency_key = ?", token_id, key)
    if row is not None and row["at"] > now - KEPT:
        if row["fingerprint"] != fingerprint:
            return "other"
        if row["status"] is not None:
            return Answered(row["status"], row["body"])
        if row["at"] > now - ABANDONED:
            return "running"
    tx.execute("DELETE FROM idempotency WHERE token_id = ? AND idempotency_key = ?", token_id, key)
    tx.execute(
        "INSERT INTO idempotency (token_id, idempotency_key, fingerprint, at) VALUES (?, ?, ?, ?)",
        token_id,
        key,
        fingerprint,
        now,
    )
    return "new"


def finish(tx: Tx, token_id: str, key: str, answer: Answered | None) -> None:
    """Keep the answer; None frees the key, because nothing was changed."""
    if answer is None:
        tx.execute("DELETE FROM idempotency WHERE token_id = ? AND idempotency_key = ?", token_id, key)
        return
    tx.execute(
        "UPDATE idempotency SET status = ?, body = ? WHERE token_id = ? AND idempotency_key = ?",
        answer.status,
        answer.body,
        token_id,
        key,
    )


def prune(tx: Tx, now: int) -> int:
    """Forget keys of more than a day ago; returns how many."""
    return tx.execute("DELETE FROM idempotency WHERE at < ?", now - KEPT)
