"""The audit trail: a row of each mutating call, with what became of it (DP-Q74).

It is begun before the call is carried out, and then completed. What changes nothing but the store is recorded together
with its row instead.
"""

from dataclasses import dataclass

import msgspec

from kilter.api.access import AuditEntry
from kilter.server import clock
from kilter.server.store.engine import Row, Tx, Value

KEPT = 365 * 86400 * clock.SECOND
PAGE_LIMIT = 200


@dataclass(frozen=True)
class Attempt:
    """Somebody asks for a change; the id is that of its row."""

    id: str
    at: int
    actor: str
    token_id: str
    action: str
    request_id: str
    org: str | None = None
    app: str | None = None
    env: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    status: int
    code: str | None = None
    deploy_id: str | None = None
    overrides: tuple[str, ...] = ()


def begin(tx: Tx, attempt: Attempt) -> None:
    """Record that a change is asked for; a row that keeps status 0 means that the server died over it."""
    _record(tx, attempt, Outcome(0))


def finish(tx: Tx, attempt: Attempt, outcome: Outcome) -> None:
    """Record what became of it, once: whoever lost the answer to a commit must not write over what it said."""
    _record(tx, attempt, outcome)


def page(tx: Tx, *, filters: dict[str, str], before: str | None, limit: int) -> list[AuditEntry]:
    """Return entries, newest first; filters are columns of the table and their values."""
    wheres, values = ["1 = 1"], list[Value]()
    for column in ("org", "app", "env", "actor", "action", "deploy_id"):
        if column in filters:
            wheres.append(f"{column} = ?")
            values.append(filters[column])
    if before is not None:
        wheres.append("id < ?")
        values.append(before)
    sql = f"SELECT * FROM audit WHERE {' AND '.join(wheres)} ORDER BY id DESC LIMIT ?"  # noqa: S608 - fixed columns
    return [entry_of(row) for row in tx.rows(sql, *values, min(limit, PAGE_LIMIT))]


def prune(tx: Tx, now: int) -> int:
    """Forget what is older than a year; returns how many rows that were."""
    return tx.execute("DELETE FROM audit WHERE at < ?", now - KEPT)


def entry_of(row: Row) -> AuditEntry:
    """Read a row."""
    return AuditEntry(
        id=row["id"],
        at=clock.to_datetime(row["at"]),
        actor=row["actor"],
        token_id=row["token_id"],
        action=row["action"],
        project=f"{row['org']}/{row['app']}" if row["org"] else None,
        env=row["env"],
        deploy_id=row["deploy_id"],
        status=row["status"],
        code=row["code"],
        overrides=tuple(msgspec.json.decode(row["overrides"])),
        request_id=row["request_id"],
    )


def _record(tx: Tx, attempt: Attempt, outcome: Outcome) -> None:
    tx.later(
        "INSERT INTO audit (id, at, actor, token_id, action, org, app, env, request_id, status, code, deploy_id,"
        " overrides) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " status = excluded.status, code = excluded.code, deploy_id = excluded.deploy_id,"
        " overrides = excluded.overrides WHERE audit.status = 0",
        *(attempt.id, attempt.at, attempt.actor, attempt.token_id, attempt.action),
        *(attempt.org, attempt.app, attempt.env, attempt.request_id),
        *(outcome.status, outcome.code, outcome.deploy_id, msgspec.json.encode(outcome.overrides).decode()),
    )
