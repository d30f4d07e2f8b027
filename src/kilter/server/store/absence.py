"""What becomes of an environment whose object the cluster no longer has, though nobody may have asked for that here.

An object that was seen to be deleted has taken its environment along: its finalizer's work is done. One that a list
leaves out may be lost with its cluster: environment and images are kept, for `kilter deploy` or `kilter env delete`
(F40).
"""

from typing import Final

from kilter.api.deploys import DoneEvent
from kilter.api.kilterapp import KIND
from kilter.api.kilterapp_status import Failure, Status
from kilter.api.words import DELETED, MISSING, Phase
from kilter.server import clock
from kilter.server.store import deploys, environments, events
from kilter.server.store.deploys import Record
from kilter.server.store.engine import Tx
from kilter.server.store.environments import Environment

# What this environment's object was made by; a deploy of an earlier environment of the name does not count.
HANDED_OVER: Final = (
    "SELECT MAX(d.applied_at) AS last FROM environments e JOIN deploys d ON d.org = e.org AND d.app = e.app"
    " AND d.env = e.env AND d.created_at >= e.created_at WHERE e.object_name = ?"
)


def gone(tx: Tx, name: str, looked_at: int, now: int) -> list[str]:
    """Record that an object was deleted, and with it its environment; returns the deploys that thereby ended.

    It did not exist at `looked_at`: what was handed over later has made it anew.
    """
    environment = _without_object(tx, name, looked_at)
    if environment is None:
        return []
    records = deploys.unfinished(tx, environment.slot)
    deletion = _deletion(records)
    what = f"the {KIND} {name} was deleted in the cluster; `kilter deploy` makes the environment anew"
    for record in records:
        if deletion is None:
            deploys.fail(tx, record, _failure(record.phase, DELETED, what, name), now)
        elif record is not deletion:
            deploys.supersede(tx, record, deletion.id, now)
        else:
            events.append(tx, record.id, DoneEvent(at=clock.to_datetime(now), release=None, url=None))
            deploys.end(tx, record.id, "done", now)
    environments.mark_deleted(tx, environment.slot, now)
    return [record.id for record in records]


def missing(tx: Tx, name: str, looked_at: int, now: int) -> list[str]:
    """Record that there is no object, and nobody saw it go; returns the deploys of which there is news."""
    environment = _without_object(tx, name, looked_at)
    if environment is None:
        return []
    slot, seen = environment.slot, environment.status
    records = deploys.unfinished(tx, slot)
    if _deletion(records) is not None:
        return gone(tx, name, looked_at, now)
    what = f"the cluster has no {KIND} {name} any more; `kilter deploy` makes it anew, `kilter env delete` ends it"
    lost = [record for record in records if record.applied_at is not None]
    for record in lost:
        deploys.fail(tx, record, _failure(record.phase, MISSING, what, name), now)
    if seen.failure is None or seen.failure.reason != MISSING:
        failure = _failure(seen.phase, MISSING, what, name)
        environments.record_status(tx, slot, Status(phase="Failed", failure=failure), now)
    return [*(record.id for record in lost), *(deploys.tell_waiters(tx, slot, now) if lost else ())]


def unlisted(tx: Tx, present: frozenset[str]) -> list[str]:
    """Return the objects that there should be and that a list of all of them leaves out."""
    rows = tx.rows("SELECT object_name FROM environments WHERE object_name IS NOT NULL")
    return [row["object_name"] for row in rows if row["object_name"] not in present]


def _without_object(tx: Tx, name: str, looked_at: int) -> Environment | None:
    """Hold and return the environment whose object was there once and did not exist at a moment.

    None where somebody hands over a deploy right now, which makes the object anew, or a delete, which looks for itself.
    """
    known = environments.by_object(tx, name)
    if known is None:
        return None
    environments.hold(tx, known.slot)
    found = environments.by_object(tx, name)
    records = deploys.unfinished(tx, known.slot)
    # What is written was handed over, though nobody could record that.
    claimed = [record for record in records if record.state == "running" and record.written_at is None]
    handing_over = any(record.applied_at is None for record in claimed)
    last = (tx.row(HANDED_OVER, name) or {}).get("last")
    deletion = _deletion(records)
    is_due = deletion.applied_at is not None if deletion else last is not None and last <= looked_at
    return found if found and found.slot == known.slot and is_due and not handing_over else None


def _deletion(records: list[Record]) -> Record | None:
    return next((record for record in records if record.operation == "delete"), None)


def _failure(phase: Phase, reason: str, message: str, name: str) -> Failure:
    return Failure(phase=phase, reason=reason, message=message, object=f"{KIND}/{name}")
