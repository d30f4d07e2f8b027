"""Events of deploys: numbered from 1, never changed; what a stream has sent it can go on from."""

import msgspec

from kilter.api.deploys import Event, PhaseEvent, Step
from kilter.server.store.engine import Tx

BATCH = 500


def append(tx: Tx, deploy_id: str, event: Event) -> None:
    """Add an event; the caller holds the environment."""
    sql = (
        "INSERT INTO events (deploy_id, number, body)"
        " SELECT ?, COALESCE(MAX(number), 0) + 1, ? FROM events WHERE deploy_id = ?"
    )
    tx.execute(sql, deploy_id, msgspec.json.encode(event).decode(), deploy_id)


def after(tx: Tx, deploy_id: str, number: int) -> list[tuple[int, Event]]:
    """Return the events after a number, at most a batch of them."""
    sql = "SELECT number, body FROM events WHERE deploy_id = ? AND number > ? ORDER BY number LIMIT ?"
    return [(row["number"], event_of(row["body"])) for row in tx.rows(sql, deploy_id, number, BATCH)]


def newest(tx: Tx, deploy_id: str) -> list[tuple[int, Event]]:
    """Return the last events, at most a batch of them, oldest first."""
    sql = "SELECT number, body FROM events WHERE deploy_id = ? ORDER BY number DESC LIMIT ?"
    return [(row["number"], event_of(row["body"])) for row in reversed(tx.rows(sql, deploy_id, BATCH))]


def steps(tx: Tx, deploy_id: str) -> tuple[Step, ...]:
    """Return the phases that were seen; each ends where the next event of the deploy begins one or ends it."""
    rows = tx.rows("SELECT body FROM events WHERE deploy_id = ? ORDER BY number", deploy_id)
    events = [event for event in map(event_of, (row["body"] for row in rows)) if event.__struct_config__.tag != "log"]
    found: list[Step] = []
    for event in events:
        if isinstance(event, PhaseEvent) and found and found[-1].phase == event.phase:
            continue
        if found and found[-1].finished_at is None:
            found[-1] = msgspec.structs.replace(found[-1], finished_at=event.at)
        if isinstance(event, PhaseEvent):
            found.append(Step(phase=event.phase, started_at=event.at, finished_at=None))
    return tuple(found)


def event_of(body: str) -> Event:
    """Read a stored event."""
    event: Event = msgspec.json.decode(body, type=Event)
    return event
