"""Environments: what class they have, which names they hold, and what was last seen of them."""

from dataclasses import dataclass, replace

import msgspec

from kilter.api.kilterapp_status import Status
from kilter.api.words import EnvClass
from kilter.render import names
from kilter.render.names import Slot
from kilter.server.refusals import host_taken
from kilter.server.store.engine import Row, Tx

PLAIN = ("env_class", "object_name", "host", "sequence", "status_at", "object_version")
PROTECTIVE: tuple[EnvClass, ...] = ("ephemeral", "standard", "protected")


@dataclass(frozen=True)
class Environment:
    """A row of the table."""

    slot: Slot
    env_class: EnvClass
    object_name: str
    host: str  # public one; kept while the app is internal (DP-Q56)
    sequence: int
    status: Status
    status_at: int | None = None  # when that was recorded
    object_version: int | None = None  # of the object whose status it is, as the cluster counts


def find(tx: Tx, slot: Slot) -> Environment | None:
    """Return an environment that exists."""
    row = tx.row(
        "SELECT * FROM environments WHERE org = ? AND app = ? AND env = ? AND deleted_at IS NULL",
        slot.org,
        slot.app,
        slot.env,
    )
    return environment_of(row) if row else None


def hold(tx: Tx, slot: Slot) -> None:
    """Let nobody else change this environment or its deploys until the end of the transaction."""
    tx.lock(f"env:{slot}")


def ensure(tx: Tx, slot: Slot, env_class: EnvClass, domain: str, now: int) -> Environment:
    """Return the environment, made if need be; its class is only ever raised. Raises Refused: host_taken (DP-Q9)."""
    return _raised(tx, find(tx, slot) or _made(tx, slot, env_class, domain, now), env_class)


def numbered(tx: Tx, slot: Slot, env_class: EnvClass, domain: str, now: int) -> Environment:
    """Give out the next number of an environment, which the caller holds; else do as `ensure` does."""
    sql = "UPDATE environments SET sequence = sequence + 1 WHERE org = ? AND app = ? AND env = ?"
    row = tx.row(sql + " AND deleted_at IS NULL RETURNING *", *triple(slot))
    if row is None:
        return _made(tx, slot, env_class, domain, now, numbers=1)
    return _raised(tx, environment_of(row), env_class)


def free_names(tx: Tx, slot: Slot, domain: str) -> tuple[str, str]:
    """Return the host, and the name of the KilterApp, that the slot is to have.

    The name is the plain one unless it is too long or another triple has it (DP-Q33). Raises Refused where another
    project holds the host.
    """
    host, wanted = names.host(slot, domain), names.object_names(slot)
    marks = ", ".join("?" for _ in wanted)
    sql = f"SELECT * FROM environments WHERE host = ? OR object_name IN ({marks})"  # noqa: S608 - fixed texts
    holders = [environment_of(row) for row in tx.rows(sql, host, *wanted)]
    if any(holder.host == host for holder in holders):
        raise host_taken(slot, host, "another project")
    return host, names.claimed(slot, {holder.object_name: holder.slot for holder in holders})


def last_sequence(tx: Tx, slot: Slot) -> int:
    """Return the last number given out, also of an environment that was deleted; 0 for one that never was."""
    row = tx.row("SELECT sequence FROM environments WHERE org = ? AND app = ? AND env = ?", *triple(slot))
    return int(row["sequence"]) if row else 0


def catch_up(tx: Tx, slot: Slot, sequence: int, name: str | None = None) -> None:
    """Go on from the number, and keep the name, that the cluster has: the store is older than it (F40)."""
    _update(tx, slot, "sequence = ?, object_name = COALESCE(?, object_name)", sequence, name)


def record_status(tx: Tx, slot: Slot, status: Status, now: int, version: int | None = None) -> None:
    """Keep what was last seen."""
    changes = "status = ?, status_at = ?, object_version = ?"
    _update(tx, slot, changes, msgspec.json.encode(status).decode(), now, version)


def mark_deleted(tx: Tx, slot: Slot, now: int) -> None:
    """Give up the names and the images; the number goes on where it was, should the environment come back."""
    forgotten = "object_name = NULL, host = NULL, status = NULL, status_at = NULL, object_version = NULL"
    _update(tx, slot, f"deleted_at = ?, images_due_at = ?, {forgotten}", now, now)


def by_object(tx: Tx, name: str) -> Environment | None:
    """Return the environment whose KilterApp has this name."""
    row = tx.row("SELECT * FROM environments WHERE object_name = ?", name)
    return environment_of(row) if row else None


def of_project(tx: Tx, org: str, app: str) -> list[Environment]:
    """Return a project's environments by name."""
    sql = "SELECT * FROM environments WHERE org = ? AND app = ? AND deleted_at IS NULL ORDER BY env"
    return [environment_of(row) for row in tx.rows(sql, org, app)]


def projects_after(tx: Tx, org: str, app: str, limit: int) -> list[tuple[str, str]]:
    """Return the projects that come after this one, by name."""
    sql = (
        "SELECT DISTINCT org, app FROM environments"
        " WHERE deleted_at IS NULL AND (org, app) > (?, ?) ORDER BY org, app LIMIT ?"
    )
    return [(row["org"], row["app"]) for row in tx.rows(sql, org, app, limit)]


def found(tx: Tx, slot: Slot) -> Environment:
    """Return an environment that is known to exist."""
    environment = find(tx, slot)
    assert environment is not None, slot
    return environment


def triple(slot: Slot) -> tuple[str, str, str]:
    """Return the key of the table."""
    return slot.org, slot.app, slot.env


def environment_of(row: Row) -> Environment:
    """Read a row."""
    status = msgspec.json.decode(row["status"], type=Status) if row["status"] else Status()
    slot = Slot(row["org"], row["app"], row["env"])
    return Environment(slot, status=status, **{name: row[name] for name in PLAIN})


def _made(tx: Tx, slot: Slot, env_class: EnvClass, domain: str, now: int, *, numbers: int = 0) -> Environment:
    """Make an environment, or make a deleted one anew, and give out so many numbers."""
    tx.lock("names")
    host, name = free_names(tx, slot, domain)
    (row,) = tx.rows(
        "INSERT INTO environments (org, app, env, env_class, object_name, host, sequence, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, app, env) DO UPDATE SET env_class = excluded.env_class,"
        " object_name = excluded.object_name, host = excluded.host, created_at = excluded.created_at,"
        " sequence = environments.sequence + excluded.sequence,"
        " deleted_at = NULL, images_due_at = NULL, status = NULL, status_at = NULL, object_version = NULL"
        " RETURNING *",
        *(*triple(slot), env_class, name, host, numbers, now),
    )
    return environment_of(row)


def _raised(tx: Tx, environment: Environment, env_class: EnvClass) -> Environment:
    if PROTECTIVE.index(env_class) <= PROTECTIVE.index(environment.env_class):
        return environment
    _update(tx, environment.slot, "env_class = ?", env_class)
    return replace(environment, env_class=env_class)


def _update(tx: Tx, slot: Slot, changes: str, *values: str | int | None) -> None:
    sql = f"UPDATE environments SET {changes} WHERE org = ? AND app = ? AND env = ?"  # noqa: S608 - fixed texts
    tx.execute(sql, *values, *triple(slot))
