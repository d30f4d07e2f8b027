"""What moves a deploy on: a replica hands it to the cluster, the cluster says how far it is."""

from typing import Final

from kilter.api.deploys import DoneEvent, PhaseEvent
from kilter.api.kilterapp import KilterApp
from kilter.api.kilterapp_status import Failure, Status
from kilter.api.words import ENDED, WRITTEN, Phase
from kilter.render.names import Slot, object_names
from kilter.server import clock
from kilter.server.refusals import Refused
from kilter.server.store import deploys, environments, events
from kilter.server.store.deploys import Record
from kilter.server.store.engine import Tx
from kilter.server.store.environments import Environment

LEASE: Final = 30 * clock.SECOND  # for handing a deploy to the cluster; afterwards another replica does it
READY = (
    "SELECT id, org, app, env FROM deploys d WHERE d.written_at IS NULL AND ("
    " (d.state = 'running' AND d.applied_at IS NULL AND d.claimed_until < ?)"
    " OR (d.state = 'queued' AND NOT EXISTS (SELECT 1 FROM deploys o WHERE o.org = d.org AND o.app = d.app"
    " AND o.env = d.env AND o.written_at IS NULL AND o.sequence < d.sequence)))"
    " ORDER BY d.created_at, d.id LIMIT 1"
)


def claim(tx: Tx, now: int) -> Record | None:
    """Take the next deploy that may go to the cluster: the oldest of those that wait for nobody.

    Also one that a replica claimed and never delivered; delivering twice is harmless, because the API server refuses a
    lower number.
    """
    tx.lock("dispatch")
    row = tx.row(READY, now)
    if row is None:
        return None
    environments.hold(tx, Slot(row["org"], row["app"], row["env"]))
    record = deploys.found(tx, row["id"])
    if record.state in ENDED:
        return None
    if record.state == "queued":
        enter(tx, record, first_phase(record), "", now)
    sql = "UPDATE deploys SET state = 'running', claimed_until = ? WHERE id = ? RETURNING *"
    return deploys.record_of(tx.rows(sql, now + LEASE, record.id)[0])


def first_phase(record: Record) -> Phase:
    """Return the phase that a deploy is in while the cluster has not seen it."""
    return "Deleting" if record.operation == "delete" else "Pending"


def held(tx: Tx, record: Record, now: int) -> Environment | None:
    """Return the environment of a claimed deploy; None once the claim is over, and another replica's perhaps."""
    current, until = deploys.found(tx, record.id), record.claimed_until
    is_held = current.state == "running" and until is not None and current.claimed_until == until > now
    return environments.find(tx, record.slot) if is_held else None


def postpone(tx: Tx, deploy_id: str, until: int) -> None:
    """Leave a deploy alone until then, and have it claimed again afterwards."""
    tx.execute("UPDATE deploys SET claimed_until = ? WHERE id = ?", until, deploy_id)


def applied(tx: Tx, deploy_id: str, now: int) -> None:
    """Record that the cluster has the deploy."""
    tx.execute("UPDATE deploys SET applied_at = ? WHERE id = ?", now, deploy_id)


def refused(tx: Tx, deploy_id: str, failure: Failure, now: int) -> list[str]:
    """Record that the cluster does not take the deploy; returns the deploys of which there is news."""
    environments.hold(tx, deploys.found(tx, deploy_id).slot)
    record = deploys.found(tx, deploy_id)
    if record.state in ENDED:
        return []
    deploys.fail(tx, record, failure, now)
    return [record.id, *deploys.tell_waiters(tx, record.slot, now)]


def observe(tx: Tx, app: KilterApp, domain: str, now: int, *, listed: bool = False) -> list[str]:
    """Record what the operator says of an environment; returns the deploys of which there is news.

    An object that this store does not know was made by a server whose store is lost: it is taken up again (F40), and so
    is the deploy of a known one where the store is older than it. So is an object of a deleted environment if it was
    `listed` now: a replica that slept has made it anew, or somebody restored it.
    """
    slot = Slot(app.spec.org, app.spec.app, app.spec.env)
    environments.hold(tx, slot)
    environment = environments.by_object(tx, app.metadata.name)
    if environment is None:
        is_newer = environments.last_sequence(tx, slot) < app.spec.sequence
        if is_newer or (listed and environments.find(tx, slot) is None):
            environment = adopted(tx, app, slot, domain, now)
    if environment is None or environment.slot != slot:
        return []
    if environment.sequence < app.spec.sequence:
        environments.ensure(tx, slot, app.spec.class_, domain, now)
        environments.catch_up(tx, slot, app.spec.sequence)
        if not app.metadata.deletion_timestamp and deploys.find(tx, app.spec.deploy_id) is None:
            deploys.take_up(tx, slot, app.spec, now)
    if not app.metadata.deletion_timestamp:
        _handed_over(tx, app.spec.deploy_id, slot, now)
    version = version_of(app)
    if environment.status == app.status or (not listed and is_late(version, environment.object_version)):
        return []
    environments.record_status(tx, slot, app.status, now, version)
    return overtaken(tx, environment, app.status, now) + advanced(tx, environment, app.status, now)


def version_of(app: KilterApp) -> int | None:
    """Return the version of an object as the cluster counts; None where it does not say, or not in numbers."""
    said = app.metadata.resource_version
    return int(said) if said.isdecimal() else None


def is_late(version: int | None, known: int | None) -> bool:
    """Tell whether a later word was recorded already: each replica hears all of them, in its own time.

    A list is never late: after a backup of etcd came back, the cluster counts on from before.
    """
    return version is not None and known is not None and version < known


def _handed_over(tx: Tx, deploy_id: str, slot: Slot, now: int) -> None:
    """Record that the cluster has a deploy, where nobody could: who handed it over died, or the store is older."""
    tx.execute(
        "UPDATE deploys SET applied_at = ?, state = CASE WHEN state = 'queued' THEN 'running' ELSE state END"
        " WHERE id = ? AND org = ? AND app = ? AND env = ? AND applied_at IS NULL",
        *(now, deploy_id, *environments.triple(slot)),
    )


def adopted(tx: Tx, app: KilterApp, slot: Slot, domain: str, now: int) -> Environment | None:
    """Take up an object that no environment has; None for one on its way out, a name or a number held twice."""
    if app.metadata.deletion_timestamp or app.metadata.name not in object_names(slot):
        return None
    known = deploys.find(tx, app.spec.deploy_id)
    if known is None and deploys.has_number(tx, slot, app.spec.sequence):
        return None  # another platform's, or of a backup that is older than this store
    newest = max(environments.last_sequence(tx, slot), app.spec.sequence)
    try:
        environments.ensure(tx, slot, app.spec.class_, domain, known.created_at if known else now)
    except Refused:
        return None
    environments.catch_up(tx, slot, newest, app.metadata.name)
    if known is None:
        deploys.take_up(tx, slot, app.spec, now)
    return environments.found(tx, slot)


def overtaken(tx: Tx, environment: Environment, status: Status, now: int) -> list[str]:
    """End the deploys that were still rolling out when the operator took up a newer one."""
    sql = "SELECT id FROM deploys WHERE org = ? AND app = ? AND env = ? AND state = 'running' AND sequence < ?"
    rows = tx.rows(sql, *environments.triple(environment.slot), status.sequence)
    for row in rows:
        deploys.supersede(tx, deploys.found(tx, row["id"]), status.deploy_id, now)
    return [row["id"] for row in rows]


def advanced(tx: Tx, environment: Environment, status: Status, now: int) -> list[str]:
    """Move the deploy on that the status is about; on the way out that is the delete, which status does not name."""
    if status.phase == "Deleting":
        return leaving(tx, environment, status, now)
    record = deploys.find(tx, status.deploy_id)
    if record is None or record.slot != environment.slot or record.operation == "delete":
        return []
    # A deadline that passed is not the end: pods may become ready later (DP-Q40).
    late = record.state == "failed" and status.phase == "Ready"
    if record.state != "running" and not late:
        return []
    moved = status.phase != record.phase or message_of(status) != message_of(environment.status)
    if moved and status.phase not in ("Failed", "Ready"):
        enter(tx, record, status.phase, message_of(status), now)
    waiting = list[str]()
    if status.phase in WRITTEN and record.written_at is None:
        tx.execute("UPDATE deploys SET written_at = ? WHERE id = ?", now, record.id)
        waiting = deploys.tell_waiters(tx, record.slot, now)
    if status.phase == "Ready":
        release = status.release.number if status.release else record.sequence
        url = status.url or record.url
        events.append(tx, record.id, DoneEvent(at=clock.to_datetime(now), release=release, url=url))
        deploys.end(tx, record.id, "done", now)
        tx.execute("UPDATE deploys SET failure = NULL, url = ? WHERE id = ?", url, record.id)
    elif status.phase == "Failed":
        deploys.fail(tx, record, status.failure or unexplained(record), now)
    return [record.id, *waiting] if moved else []


def leaving(tx: Tx, environment: Environment, status: Status, now: int) -> list[str]:
    """Tell who follows a delete what it waits for, or what keeps it from going on."""
    said = leaving_of(status)
    if not said or said == leaving_of(environment.status):
        return []
    found = [each for each in deploys.unfinished(tx, environment.slot) if each.operation == "delete"]
    for record in found:
        if record.state == "running":
            enter(tx, record, status.phase, said, now)
    return [record.id for record in found]


def leaving_of(status: Status) -> str:
    """Return what the operator says on the way out; other conditions are as they were before it."""
    if status.phase != "Deleting":
        return ""
    if status.failure is not None:
        return status.failure.message
    return next((each.message for each in status.conditions if each.type == "Ready" and each.status != "True"), "")


def enter(tx: Tx, record: Record, phase: Phase, message: str, now: int) -> None:
    """Record that a phase began."""
    tx.later("UPDATE deploys SET phase = ? WHERE id = ?", phase, record.id)
    events.append(tx, record.id, PhaseEvent(at=clock.to_datetime(now), phase=phase, message=message))


def message_of(status: Status) -> str:
    """Return what the operator says about the phase: the message of the condition that does not hold yet."""
    return next((each.message for each in status.conditions if each.status != "True"), "")


def unexplained(record: Record) -> Failure:
    """Return what is said where the operator reports a failure without a reason."""
    return Failure(phase=record.phase, reason="Unknown", message="the operator reports a failure without a reason")
