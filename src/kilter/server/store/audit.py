"""The audit trail: a row before a mutating call is carried out, completed with what became of it (DP-Q74)."""

from dataclasses import dataclass

import msgspec

from kilter.api.access import AuditEntry
from kilter.server import clock, ids
from kilter.server.store.engine import Row, Tx, Value

KEPT = 365 * 86400 * clock.SECOND
PAGE_LIMIT = 200


@dataclass(frozen=True)
class Attempt:
    """Somebody asks for a change."""

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


def begin(tx: Tx, attempt: Attempt, now: int) -> str:
    """Record that a change is asked for; a row that keeps status 0 means that the server died over it."""
    audit_id = ids.new("aud", now)
    tx.execute(
        "INSERT INTO audit (id, at, actor, token_id, action, org, app, env, status, overrides, request_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '[]', ?)",
        audit_id,
        now,
        attempt.actor,
        attempt.token_id,
        attempt.action,
        attempt.org,
        attempt.app,
        attempt.env,
        attempt.request_id,
    )
    return audit_id


def finish(tx: Tx, audit_id: str, outcome: Outcome) -> None:
    """Record what became of it, once: whoever lost the answer to a commit must not write over what it said."""
    tx.execute(
        "UPDATE audit SET status = ?, code = ?, deploy_id = ?, overrides = ? WHERE id = ? AND status = 0",
        outcome.status,
        outcome.code,
        outcome.deploy_id,
        msgspec.json.encode(outcome.overrides).decode(),
        audit_id,
    )


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
