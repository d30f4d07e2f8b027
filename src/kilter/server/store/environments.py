"""Environments: what class they have, which names they hold, and what was last seen of them."""

from dataclasses import dataclass

import msgspec

from kilter.api import naming
from kilter.api.kilterapp_status import Status
from kilter.api.words import EnvClass
from kilter.server.refusals import Refused
from kilter.server.store.engine import Row, Tx

PROTECTIVE: tuple[EnvClass, ...] = ("ephemeral", "standard", "protected")


@dataclass(frozen=True, order=True)
class Slot:
    """One environment of one project."""

    org: str
    app: str
    env: str

    def __str__(self) -> str:
        """Spell it as people confirm it."""
        return f"{self.org}/{self.app}/{self.env}"


@dataclass(frozen=True)
class Environment:
    """A row of the table."""

    slot: Slot
    env_class: EnvClass
    object_name: str
    host: str
    sequence: int
    status: Status


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


def ensure(tx: Tx, slot: Slot, env_class: EnvClass, now: int) -> Environment:
    """Return the environment, made if need be; its class is only ever raised. Raises Refused: host_taken (DP-Q9)."""
    present = find(tx, slot)
    if present is not None:
        if PROTECTIVE.index(env_class) > PROTECTIVE.index(present.env_class):
            _update(tx, slot, "env_class = ?", env_class)
        return found(tx, slot)
    tx.lock("names")
    host = free_host(tx, slot)
    name = free_name(tx, slot)
    old = tx.row("SELECT sequence FROM environments WHERE org = ? AND app = ? AND env = ?", *triple(slot))
    if old is None:
        tx.execute(
            "INSERT INTO environments (org, app, env, env_class, sequence, created_at) VALUES (?, ?, ?, ?, 0, ?)",
            *triple(slot),
            env_class,
            now,
        )
    changes = "env_class = ?, object_name = ?, host = ?, created_at = ?, deleted_at = NULL, status = NULL"
    _update(tx, slot, changes, env_class, name, host, now)
    return found(tx, slot)


def free_host(tx: Tx, slot: Slot) -> str:
    """Return the host label that the slot is to have. Raises Refused where another project holds it."""
    label = naming.host_label(slot.app, slot.env)
    row = tx.row("SELECT org FROM environments WHERE host = ?", label)
    if row is not None:
        proposed = f"{slot.org}-{slot.app}"
        message = f"the host name {label!r} belongs to another project; deploy this one as {slot.org}/{proposed}"
        raise Refused("host_taken", message, details={"host": label, "proposed_app": proposed})
    return label


def free_name(tx: Tx, slot: Slot) -> str:
    """Return the name of the KilterApp: the plain one unless it is too long or another triple has it (DP-Q33)."""
    for name in naming.possible_names(slot.org, slot.app, slot.env):
        if tx.row("SELECT org FROM environments WHERE object_name = ?", name) is None:
            return name
    raise Refused("busy", f"both names of {slot} are held by other environments")


def next_sequence(tx: Tx, slot: Slot) -> int:
    """Give out the environment's next number; the caller holds the environment."""
    _update(tx, slot, "sequence = sequence + 1")
    return found(tx, slot).sequence


def record_status(tx: Tx, slot: Slot, status: Status, now: int) -> None:
    """Keep what was last seen."""
    _update(tx, slot, "status = ?, status_at = ?", msgspec.json.encode(status).decode(), now)


def mark_deleted(tx: Tx, slot: Slot, now: int) -> None:
    """Give up the names; the number goes on where it was, should the environment come back."""
    _update(tx, slot, "deleted_at = ?, object_name = NULL, host = NULL, status = NULL", now)


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
    return Environment(slot, row["env_class"], row["object_name"], row["host"], row["sequence"], status)


def _update(tx: Tx, slot: Slot, changes: str, *values: str | int | None) -> None:
    sql = f"UPDATE environments SET {changes} WHERE org = ? AND app = ? AND env = ?"  # noqa: S608 - fixed texts
    tx.execute(sql, *values, *triple(slot))
