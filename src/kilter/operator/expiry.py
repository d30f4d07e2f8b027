"""The end of a database that a deleted environment left behind: for some days it waits for a deploy that takes it up
again, and then it is dropped (DP-Q25).

Since when it waits, the server itself knows: the operator closed its login role and noted there when its time is over.
What has no such note is kept for good.
"""

from kilter.api import kilterapp
from kilter.errors import BadInput
from kilter.operator import effects, kinds
from kilter.operator.perform import perform
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.steps.cleanup import expired_name
from kilter.operator.steps.database import mark_of
from kilter.operator.world import LOG, World
from kilter.render import names
from kilter.render.names import Slot


def due(world: World) -> list[str]:
    """Note the environments whose time is over; returns the names that their KilterApps would have.

    Each is looked at by its name, so that nobody looks at its KilterApp meanwhile. Where databases are kept for good
    from now on, what was noted before is kept, too.
    """
    if world.databases is None or not world.settings.database.keep_days:
        return []
    try:
        roles = world.databases.expired(mark_of(world.settings.cluster, ""))
    except DatabaseUnavailable as error:
        LOG.warning("cannot tell which kept databases are to go: %s: %s", error.what, error.why)
        return []
    except Exception:  # noqa: BLE001 - whatever it is, the operator does not end with it
        LOG.exception("cannot tell which kept databases are to go")
        return []
    for role, mark in roles.items():
        slot = slot_of(mark, world.settings.cluster)
        if slot is not None and names.database(slot).app == role:
            world.expired.setdefault(names.object_names(slot)[0], set()).add(slot)
    return sorted(world.expired)


def drop(world: World, name: str) -> None:
    """Drop what was noted under the name of a KilterApp, where none is the environment's. Raises KubeError, Deposed."""
    for slot in sorted(world.expired.get(name, ()), key=str):
        if not any(_is_there(world, slot, each) for each in names.object_names(slot)):
            _drop(world, slot, name)
    world.expired.pop(name, None)


def _drop(world: World, slot: Slot, name: str) -> None:
    own, mark = names.database(slot), mark_of(world.settings.cluster, slot)
    about = {"app": name, "database": own.name}
    try:
        if world.databases is None or own.app not in world.databases.expired(mark):
            return  # it was taken up again since it was noted
        LOG.info(f"dropping the database that {slot} left behind: its time is over", extra=about)
        perform(world, effects.ExpireDatabase(own.name, own.owner, own.app, mark, expired_name(slot)))
    except DatabaseUnavailable as error:
        LOG.warning("it was not dropped, or its roles were not: %s: %s", error.what, error.why, extra=about)


def slot_of(mark: str, cluster: str) -> Slot | None:
    """Return whose a role is by its comment; None where it is not one of this cluster's."""
    prefix = mark_of(cluster, "")
    parts = mark.removeprefix(prefix).split("/")
    if not mark.startswith(prefix) or len(parts) != 3:
        return None
    try:
        return Slot(*parts)
    except BadInput:
        return None


def _is_there(world: World, slot: Slot, name: str) -> bool:
    """Tell, past every cache, whether a KilterApp of that name is the environment's, or cannot be read."""
    # By a list: that is a right which the operator has, and a kind that is not known yet is no empty one.
    path, named = kinds.APP.path(kilterapp.NAMESPACE), {"fieldSelector": f"metadata.name={name}"}
    specs = [item.get("spec") or {} for item in world.kube.request("GET", path, params=named)["items"]]
    said = [[spec.get(part) for part in ("org", "app", "env")] for spec in specs]
    return any(
        each == [slot.org, slot.app, slot.env] or not all(isinstance(part, str) for part in each) for each in said
    )
