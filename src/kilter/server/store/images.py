"""Images that deleted environments leave in the registry: whose are to be removed, and which are needed."""

from dataclasses import dataclass

import msgspec

from kilter.api.kilterapp_status import Status
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


DUE = (
    "SELECT org, app, env, images_due_at FROM environments e WHERE images_due_at <= ? AND NOT EXISTS"
    " (SELECT 1 FROM spared s WHERE s.org = e.org AND s.app = e.app AND s.spared_until > ?)"
)


def due(tx: Tx, registry: str, now: int) -> Left | None:
    """Return what the next deleted environment leaves in its project's own repository below `registry`."""
    row = tx.row(f"{DUE} ORDER BY images_due_at, org, app, env LIMIT 1", now, now)
    return _left(tx, registry, row) if row else None


def still_due(tx: Tx, registry: str, slot: Slot, now: int) -> Left | None:
    """Return what a deleted environment leaves; None where it came back meanwhile, or somebody pushes."""
    row = tx.row(f"{DUE} AND org = ? AND app = ? AND env = ?", now, now, *environments.triple(slot))
    return _left(tx, registry, row) if row else None


def removed(tx: Tx, left: Left) -> None:
    """Record that nothing of it is left, unless the environment came back and went again meanwhile."""
    sql = "UPDATE environments SET images_due_at = NULL WHERE org = ? AND app = ? AND env = ? AND images_due_at = ?"
    tx.execute(sql, *environments.triple(left.slot), left.due_at)


def postpone(tx: Tx, slot: Slot, until: int) -> None:
    """Leave an environment's images alone until then."""
    sql = "UPDATE environments SET images_due_at = ? WHERE org = ? AND app = ? AND env = ? AND images_due_at < ?"
    tx.execute(sql, until, *environments.triple(slot), until)


def spare(tx: Tx, project: tuple[str, str], push_id: str, now: int, until: int) -> None:
    """Remove none of a project's images until then: somebody pushes, perhaps one that is there already.

    `push_id` is that of a push credential, empty for who pushes by an API token.
    """
    tx.execute("DELETE FROM spared WHERE org = ? AND app = ? AND spared_until <= ?", *project, now)
    sql = (
        "INSERT INTO spared (org, app, push_id, spared_until) VALUES (?, ?, ?, ?) ON CONFLICT (org, app, push_id)"
        " DO UPDATE SET spared_until = excluded.spared_until WHERE spared.spared_until < excluded.spared_until"
    )
    tx.execute(sql, *project, push_id, until)


def pushed(tx: Tx, project: tuple[str, str], push_id: str) -> None:
    """Record that what a push credential was for is deployed: a deploy keeps its image by itself."""
    tx.execute("DELETE FROM spared WHERE org = ? AND app = ? AND push_id = ?", *project, push_id)


def _left(tx: Tx, registry: str, row: Row) -> Left:
    slot = Slot(row["org"], row["app"], row["env"])
    own = f"{registry}/{slot.org}/{slot.app}"
    sql = "SELECT spec FROM deploys WHERE org = ? AND app = ? AND env = ?"
    left = _below(own, _deployed(tx.rows(sql, *environments.triple(slot))))
    needed = _needed(tx, own)
    return Left(slot, row["images_due_at"], tuple(sorted(left - needed)), frozenset(needed))


def _needed(tx: Tx, own: str) -> set[str]:
    """Return the images that environments which exist have had: each may be rolled back to.

    What an environment runs counts also where the deploy of it was lost with a store (F40). Environments of other
    projects count too, should they be allowed to run these.
    """
    have_had = (
        "SELECT d.spec AS spec FROM deploys d JOIN environments e ON e.org = d.org AND e.app = d.app AND e.env = d.env"
        " WHERE e.deleted_at IS NULL AND d.spec LIKE ?"
    )
    run = "SELECT status FROM environments WHERE deleted_at IS NULL AND status LIKE ?"
    return _below(own, _deployed(tx.rows(have_had, f"%{own}%")) | _running(tx.rows(run, f"%{own}%")))


def _deployed(rows: list[Row]) -> set[str]:
    return {msgspec.json.decode(row["spec"], type=Imaged).image for row in rows}


def _running(rows: list[Row]) -> set[str]:
    statuses = [msgspec.json.decode(row["status"], type=Status) for row in rows]
    releases = (release for status in statuses for release in (status.release, status.last_good_release))
    return {release.image for release in releases if release}


def _below(own: str, images: set[str]) -> set[str]:
    return {image for image in map(_untagged, images) if image.startswith((f"{own}@", f"{own}/"))}


def _untagged(image: str) -> str:
    """Return an image by its digest alone: servers before this one took a tag beside it."""
    repository, _, digest = image.partition("@")
    place, slash, name = repository.rpartition("/")
    return f"{place}{slash}{name.partition(':')[0]}@{digest}"
