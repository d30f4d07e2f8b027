"""Deploys: accepted, numbered, queued per environment, ended. One environment's are carried out one after the other.

A deploy is *open* until its cluster writes are done (`written_at`); the next one of its environment begins only then
(DP-62, DP-Q64). Roll-outs may overlap; the number decides which one wins (DP-Q66).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from kilter.api.deploys import FailedEvent, Holder, Queue, QueuedEvent, SupersededEvent
from kilter.api.kilterapp import Spec
from kilter.api.kilterapp_parts import Seeds
from kilter.api.kilterapp_status import Failure
from kilter.api.words import DeployState, EnvClass, Operation, Phase
from kilter.render import names
from kilter.render.names import Slot
from kilter.server import clock, ids
from kilter.server.refusals import Refused
from kilter.server.store import environments, events
from kilter.server.store.engine import Row, Tx, Value

PAGE_LIMIT = 100
OPEN = "org = ? AND app = ? AND env = ? AND written_at IS NULL"


@dataclass(frozen=True)
class Order:
    """What is to be accepted. The spec's number, id and class are set on acceptance."""

    slot: Slot
    operation: Operation
    env_class: EnvClass
    spec: Spec
    token_id: str
    domain: str  # of the cluster
    scheme: str = "https"
    port: int = 0  # of public addresses; 0 is the scheme's own
    migrates: bool = False
    replaces_waiting: bool = False


@dataclass(frozen=True)
class Record:
    """A row of the table."""

    id: str
    slot: Slot
    operation: Operation
    sequence: int
    state: DeployState
    phase: Phase
    actor: str
    token_id: str
    spec: Spec
    url: str | None
    migrates: bool
    created_at: int
    claimed_until: int | None = None
    applied_at: int | None = None
    written_at: int | None = None
    finished_at: int | None = None
    failure: Failure | None = None
    superseded_by: str | None = None


class Accepted(NamedTuple):
    """A deploy and its place among those of its environment."""

    record: Record
    place: Queue


def accept(tx: Tx, order: Order, now: int) -> Accepted:
    """Record a deploy and give it its number and its place.

    Raises Refused: busy (a delete is at work, or a delete finds somebody at work), migration_in_progress, host_taken.
    """
    environments.hold(tx, order.slot)
    ahead = open_in(tx, order.slot)
    refuse_collisions(order, ahead)
    environment = environments.numbered(tx, order.slot, order.env_class, order.domain, now)
    deploy_id, sequence, env_class = ids.new("dep", now), environment.sequence, environment.env_class
    spec = msgspec.structs.replace(
        order.spec, deploy_id=deploy_id, sequence=sequence, class_=env_class, **identity(order.slot)
    )
    public = spec.public and order.operation == "deploy"
    url = names.public_url(order.scheme, environment.host, order.port) if public else None
    if order.replaces_waiting and not order.migrates:
        ahead = supersede_waiting(tx, ahead, deploy_id, now)
    record = _insert(tx, order, spec, url, now)
    place = behind(ahead)
    if ahead:
        events.append(tx, deploy_id, QueuedEvent(at=clock.to_datetime(now), queue=place))
    return Accepted(record, place)


def open_in(tx: Tx, slot: Slot) -> list[Record]:
    """Return an environment's open deploys, in their order."""
    rows = tx.rows(f"SELECT * FROM deploys WHERE {OPEN} ORDER BY sequence", *environments.triple(slot))  # noqa: S608
    return [record_of(row) for row in rows]


def unfinished(tx: Tx, slot: Slot) -> list[Record]:
    """Return an environment's deploys that have not ended, those that still roll out too, in their order."""
    where = "org = ? AND app = ? AND env = ? AND state IN ('queued', 'running')"
    rows = tx.rows(f"SELECT * FROM deploys WHERE {where} ORDER BY sequence", *environments.triple(slot))  # noqa: S608
    return [record_of(row) for row in rows]


def refuse_collisions(order: Order, ahead: Iterable[Record]) -> None:
    """Refuse what may not even wait: a second migration (DP-Q65), anything around a delete."""
    for holder in ahead:
        details = msgspec.to_builtins(holder_of(holder)) | {"lock_id": holder.id}
        if order.operation == "delete" or holder.operation == "delete":
            message = f"{holder.operation} {holder.id} by {holder.actor} is at work on {order.slot}"
            raise Refused("busy", message, next=f"kilter deploy --follow {holder.id}", details=details)
        if order.migrates and holder.migrates:
            message = f"a migration by {holder.actor} is under way on {order.slot}; wait for it, do not retry"
            raise Refused("migration_in_progress", message, details=details)


def supersede_waiting(tx: Tx, ahead: list[Record], by: str, now: int) -> list[Record]:
    """End the waiters that the new deploy replaces; returns who is left.

    One that carries a migration is never skipped (DP-Q67).
    """
    replaced = [record for record in ahead if record.state == "queued" and not record.migrates]
    for record in replaced:
        supersede(tx, record, by, now)
    return [record for record in ahead if record not in replaced]


def tell_waiters(tx: Tx, slot: Slot, now: int) -> list[str]:
    """Tell those that still wait for somebody what their place is now; returns which ones (DP-Q65)."""
    told = []
    for row in tx.rows(f"SELECT * FROM deploys WHERE {OPEN} AND state = 'queued'", *environments.triple(slot)):  # noqa: S608
        record = record_of(row)
        place = queue(tx, record)
        if place.holder is not None:
            events.append(tx, record.id, QueuedEvent(at=clock.to_datetime(now), queue=place))
            told.append(record.id)
    return told


def supersede(tx: Tx, record: Record, by: str, now: int) -> None:
    """End a deploy because a newer one took its place."""
    events.append(tx, record.id, SupersededEvent(at=clock.to_datetime(now), by=by))
    end(tx, record.id, "superseded", now)
    tx.execute("UPDATE deploys SET superseded_by = ? WHERE id = ?", by, record.id)


def fail(tx: Tx, record: Record, failure: Failure, now: int, state: DeployState = "failed") -> None:
    """End a deploy with a failure."""
    events.append(tx, record.id, FailedEvent(at=clock.to_datetime(now), failure=failure))
    end(tx, record.id, state, now)
    tx.execute("UPDATE deploys SET failure = ? WHERE id = ?", msgspec.json.encode(failure).decode(), record.id)


def end(tx: Tx, deploy_id: str, state: DeployState, now: int) -> None:
    """Record that nothing more will come of a deploy by itself, so that the next may begin.

    What it carried into the cluster (Secrets, seeds) is not kept here.
    """
    spec = found(tx, deploy_id).spec
    tx.execute(
        "UPDATE deploys SET state = ?, finished_at = ?, written_at = COALESCE(written_at, ?), spec = ? WHERE id = ?",
        state,
        now,
        now,
        encoded(msgspec.structs.replace(spec, secrets=msgspec.UNSET, seeds=Seeds(run=spec.seeds.run))),
        deploy_id,
    )


def cancel(tx: Tx, deploy_id: str, actor: str, now: int) -> Record:
    """Take a waiting deploy out of the queue. Raises Refused: too_late."""
    environments.hold(tx, found(tx, deploy_id).slot)
    record = found(tx, deploy_id)
    if record.state != "queued":
        raise Refused("too_late", f"{deploy_id} is {record.state}; only a queued deploy can be cancelled")
    failure = Failure(phase=record.phase, reason="Canceled", message=f"{actor} cancelled it while it was queued")
    fail(tx, record, failure, now, "canceled")
    return found(tx, deploy_id)


def queue(tx: Tx, record: Record) -> Queue:
    """Return a deploy's place: how many of its environment come before it, and the first of those."""
    if record.state != "queued":
        return behind(())
    return behind([each for each in open_in(tx, record.slot) if each.sequence < record.sequence])


def behind(ahead: Sequence[Record]) -> Queue:
    """Return the place behind these, which are in their order."""
    return Queue(position=len(ahead), holder=holder_of(ahead[0]) if ahead else None)


def holder_of(record: Record) -> Holder:
    """Say who is being waited for."""
    since = clock.to_datetime(record.created_at)
    return Holder(deploy_id=record.id, actor=record.actor, phase=record.phase, since=since)


def find(tx: Tx, deploy_id: str) -> Record | None:
    """Return a deploy."""
    row = tx.row("SELECT * FROM deploys WHERE id = ?", deploy_id)
    return record_of(row) if row else None


def found(tx: Tx, deploy_id: str) -> Record:
    """Return a deploy that is known to exist."""
    record = find(tx, deploy_id)
    assert record is not None, deploy_id
    return record


def page(tx: Tx, slot: Slot, *, below: int | None, limit: int) -> list[Record]:
    """Return an environment's deploys, newest first, from below a number."""
    clause, values = "", list[Value](environments.triple(slot))
    if below is not None:
        clause, values = " AND sequence < ?", [*values, below]
    sql = f"SELECT * FROM deploys WHERE org = ? AND app = ? AND env = ?{clause} ORDER BY sequence DESC LIMIT ?"  # noqa: S608
    return [record_of(row) for row in tx.rows(sql, *values, min(limit, PAGE_LIMIT))]


def latest(tx: Tx, slot: Slot) -> Record | None:
    """Return an environment's newest deploy."""
    return next(iter(page(tx, slot, below=None, limit=1)), None)


def at_work(tx: Tx, slot: Slot) -> Record | None:
    """Return the open deploy that others of its environment wait for."""
    row = tx.row(f"SELECT * FROM deploys WHERE {OPEN} ORDER BY sequence LIMIT 1", *environments.triple(slot))  # noqa: S608
    return record_of(row) if row else None


def has_number(tx: Tx, slot: Slot, sequence: int) -> bool:
    """Tell whether a number of an environment is a deploy's."""
    return any(record.sequence == sequence for record in page(tx, slot, below=sequence + 1, limit=1))


def identity(slot: Slot) -> dict[str, str]:
    """Return the fields of a spec that say whose it is."""
    return {"org": slot.org, "app": slot.app, "env": slot.env}


def record_of(row: Row) -> Record:
    """Read a row."""
    return Record(
        id=row["id"],
        slot=Slot(row["org"], row["app"], row["env"]),
        spec=msgspec.json.decode(row["spec"], type=Spec),
        migrates=bool(row["migrates"]),
        failure=msgspec.json.decode(row["failure"], type=Failure) if row["failure"] else None,
        **{name: row[name] for name in PLAIN},
    )


def encoded(spec: Spec) -> str:
    """Write a spec as it is stored."""
    return msgspec.json.encode(spec).decode()


PLAIN = (
    *("operation", "sequence", "state", "phase", "actor", "token_id", "url", "created_at"),
    *("claimed_until", "applied_at", "written_at", "finished_at", "superseded_by"),
)
COLUMNS = ("id", "org", "app", "env", "spec", "migrates", *PLAIN)
INSERT = f"INSERT INTO deploys ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


def take_up(tx: Tx, slot: Slot, spec: Spec, now: int) -> None:
    """Take in a deploy that this store has lost; that the cluster has it is recorded as of any other."""
    _insert(tx, Order(slot, "deploy", spec.class_, spec, token_id="", domain=""), spec, None, now)


def _insert(tx: Tx, order: Order, spec: Spec, url: str | None, now: int) -> Record:
    record = Record(
        id=spec.deploy_id,
        slot=order.slot,
        operation=order.operation,
        sequence=spec.sequence,
        state="queued",
        phase="Pending",
        actor=spec.actor,
        token_id=order.token_id,
        spec=spec,
        url=url,
        migrates=order.migrates,
        created_at=now,
    )
    key = (record.id, *environments.triple(record.slot))
    tx.later(INSERT, *key, encoded(spec), int(record.migrates), *(getattr(record, name) for name in PLAIN))
    return record
