"""Events of deploys: numbered from 1, never changed; what a stream has sent it can go on from."""

from collections.abc import Sequence

import msgspec

from kilter.api.deploys import Event, PhaseEvent, Step
from kilter.server.store.engine import Tx

BATCH = 500
TOGETHER = 100  # deploys that one statement is about
THESE = ", ".join("?" * TOGETHER)
LAST = f"SELECT deploy_id, MAX(number) AS number FROM events WHERE deploy_id IN ({THESE}) GROUP BY deploy_id"  # noqa: S608


def append(tx: Tx, deploy_id: str, event: Event) -> None:
    """Add an event; the caller holds the environment."""
    sql = (
        "INSERT INTO events (deploy_id, number, body)"
        " SELECT ?, COALESCE(MAX(number), 0) + 1, ? FROM events WHERE deploy_id = ?"
    )
    tx.later(sql, deploy_id, msgspec.json.encode(event).decode(), deploy_id)


def after(tx: Tx, deploy_id: str, number: int) -> list[tuple[int, Event]]:
    """Return the events after a number, at most a batch of them."""
    sql = "SELECT number, body FROM events WHERE deploy_id = ? AND number > ? ORDER BY number LIMIT ?"
    return [(row["number"], event_of(row["body"])) for row in tx.rows(sql, deploy_id, number, BATCH)]


def newest(tx: Tx, deploy_id: str) -> list[tuple[int, Event]]:
    """Return the last events, at most a batch of them, oldest first."""
    sql = "SELECT number, body FROM events WHERE deploy_id = ? ORDER BY number DESC LIMIT ?"
    return [(row["number"], event_of(row["body"])) for row in reversed(tx.rows(sql, deploy_id, BATCH))]


def last_numbers(tx: Tx, deploy_ids: Sequence[str]) -> dict[str, int]:
    """Return the number of the last event of each of these deploys; nothing of one that has none."""
    found = dict[str, int]()
    for first in range(0, len(deploy_ids), TOGETHER):
        part = deploy_ids[first : first + TOGETHER]
        rows = tx.rows(LAST, *part, *[part[0]] * (TOGETHER - len(part)))  # one text, however many there are
        found |= {row["deploy_id"]: row["number"] for row in rows}
    return found


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
