"""The end of a database that a deleted environment left behind: for some days it waits for a deploy that takes it up
again, and then it is dropped (DP-Q25).

Since when it waits, the server itself knows: the operator closed its login role and noted there when its time is over.
What has no such note is kept for good.
"""

from typing import Final

from kilter.api import kilterapp
from kilter.errors import BadInput
from kilter.operator import effects, kinds
from kilter.operator.perform import perform
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.steps.database import mark_of
from kilter.operator.world import LOG, World
from kilter.render import names
from kilter.render.names import Slot

RETIRED: Final = "__gone_expired"  # end of the last name of such a database


def due(world: World) -> list[str]:
    """Note the environments whose time is over; returns the names that their KilterApps would have.

    Each is looked at by its name, so that nobody looks at its KilterApp meanwhile.
    """
    if world.databases is None:
        return []
    try:
        roles = world.databases.expired()
    except DatabaseUnavailable as error:
        LOG.warning("cannot tell which kept databases are to go: %s: %s", error.what, error.why)
        return []
    for role, mark in roles.items():
        slot = slot_of(mark, world.settings.cluster)
        if slot is not None and names.database(slot).app == role:
            world.expired[names.object_names(slot)[0]] = slot
    return sorted(world.expired)


def drop(world: World, name: str) -> None:
    """Drop what was noted under the name of a KilterApp that does not exist. Raises KubeError, Deposed."""
    slot = world.expired.pop(name, None)
    if slot is None or any(_is_there(world, slot, each) for each in names.object_names(slot)):
        return
    own, mark = names.database(slot), mark_of(world.settings.cluster, slot)
    about = {"app": name, "database": own.name}
    try:
        perform(world, effects.ExpireDatabase(own.name, own.owner, own.app, mark, own.name + RETIRED))
    except DatabaseUnavailable as error:
        LOG.warning("a kept database whose time is over was not dropped: %s: %s", error.what, error.why, extra=about)
    else:
        LOG.info(f"dropped the database that {slot} had left behind: its time is over", extra=about)


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
