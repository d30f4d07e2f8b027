"""Images that deleted environments leave in the registry: whose are to be removed, and which are needed."""

from dataclasses import dataclass

import msgspec

from kilter.render.names import Slot
from kilter.server.store import environments
from kilter.server.store.engine import Row, Tx


class Imaged(msgspec.Struct):
    """The part of a stored spec that matters here."""

    image: str


@dataclass(frozen=True)
class Left:
    """What a deleted environment leaves: images that nobody needs, and those of its project that somebody does."""

    slot: Slot
    due_at: int
    unused: tuple[str, ...]  # <repository>@<digest>
    needed: frozenset[str]


def due(tx: Tx, registry: str, now: int) -> Left | None:
    """Return what the next deleted environment leaves in its project's own repository below `registry`."""
    sql = "SELECT org, app, env, images_due_at FROM environments WHERE images_due_at <= ?"
    row = tx.row(f"{sql} ORDER BY images_due_at, org, app, env LIMIT 1", now)
    if row is None:
        return None
    slot = Slot(row["org"], row["app"], row["env"])
    own = f"{registry}/{slot.org}/{slot.app}"
    sql = "SELECT spec FROM deploys WHERE org = ? AND app = ? AND env = ?"
    left, needed = _below(own, tx.rows(sql, *environments.triple(slot))), _needed(tx, own)
    return Left(slot, row["images_due_at"], tuple(sorted(left - needed)), frozenset(needed))


def removed(tx: Tx, left: Left) -> None:
    """Record that nothing of it is left, unless the environment came back and went again meanwhile."""
    sql = "UPDATE environments SET images_due_at = NULL WHERE org = ? AND app = ? AND env = ? AND images_due_at = ?"
    tx.execute(sql, *environments.triple(left.slot), left.due_at)


def postpone(tx: Tx, slot: Slot, until: int) -> None:
    """Leave an environment's images alone until then."""
    sql = "UPDATE environments SET images_due_at = ? WHERE org = ? AND app = ? AND env = ? AND images_due_at < ?"
    tx.execute(sql, until, *environments.triple(slot), until)


def spare(tx: Tx, org: str, app: str, until: int) -> None:
    """Remove none of a project's images until then: somebody pushes, perhaps one that is there already."""
    sql = "UPDATE environments SET images_due_at = ? WHERE org = ? AND app = ? AND images_due_at < ?"
    tx.execute(sql, until, org, app, until)


def _needed(tx: Tx, own: str) -> set[str]:
    """Return the images that environments which exist have had: each may be rolled back to.

    Environments of other projects count too, should they be allowed to run these.
    """
    sql = (
        "SELECT d.spec AS spec FROM deploys d JOIN environments e ON e.org = d.org AND e.app = d.app AND e.env = d.env"
        " WHERE e.deleted_at IS NULL AND d.spec LIKE ?"
    )
    return _below(own, tx.rows(sql, f"%{own}%"))


def _below(own: str, rows: list[Row]) -> set[str]:
    found = {msgspec.json.decode(row["spec"], type=Imaged).image for row in rows}
    return {image for image in found if image.startswith((f"{own}@", f"{own}/"))}
