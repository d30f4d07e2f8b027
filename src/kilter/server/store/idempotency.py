"""Idempotency-Key: the same request twice is one change and one answer (S10, F28)."""

from dataclasses import dataclass
from typing import Literal

from kilter.server import clock
from kilter.server.store.engine import Tx

KEPT = 24 * 3600 * clock.SECOND
ABANDONED = 60 * clock.SECOND  # then the server that was answering is taken for dead
SAME = "token_id = ? AND idempotency_key = ?"


@dataclass(frozen=True)
class Answered:
    """The answer that the first request got; no body where it held a secret."""

    status: int
    body: str | None


@dataclass(frozen=True)
class Key:
    """What a client calls its request, and what the request was: a hash of method, path and body."""

    token_id: str
    text: str
    fingerprint: str


def begin(tx: Tx, key: Key, now: int) -> Answered | Literal["new", "other", "running"]:
    """Claim a key for a request, or say what is known of it; waits for a transaction that has just claimed it."""
    claimed = tx.row(
        "INSERT INTO idempotency (token_id, idempotency_key, fingerprint, at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (token_id, idempotency_key) DO UPDATE"
        " SET fingerprint = excluded.fingerprint, at = excluded.at, status = NULL, body = NULL"
        " WHERE idempotency.at <= ?"
        " OR (idempotency.status IS NULL AND idempotency.fingerprint = excluded.fingerprint AND idempotency.at <= ?)"
        " RETURNING at",
        *(key.token_id, key.text, key.fingerprint, now, now - KEPT, now - ABANDONED),
    )
    if claimed is not None:
        return "new"
    (row,) = tx.rows(f"SELECT * FROM idempotency WHERE {SAME}", key.token_id, key.text)  # noqa: S608 - fixed texts
    if row["fingerprint"] != key.fingerprint:
        return "other"
    return "running" if row["status"] is None else Answered(row["status"], row["body"])


def finish(tx: Tx, key: Key, answer: Answered) -> None:
    """Keep the answer."""
    sql = f"UPDATE idempotency SET status = ?, body = ? WHERE {SAME}"  # noqa: S608 - fixed texts
    tx.later(sql, answer.status, answer.body, key.token_id, key.text)


def free(tx: Tx, key: Key) -> None:
    """Give the key up, because nothing was changed."""
    tx.execute(f"DELETE FROM idempotency WHERE {SAME}", key.token_id, key.text)  # noqa: S608 - fixed texts


def prune(tx: Tx, now: int) -> int:
    """Forget keys of more than a day ago; returns how many."""
    return tx.execute("DELETE FROM idempotency WHERE at < ?", now - KEPT)
