"""What Tilt still has to build or apply of the declared apps, by its own answer.

Pure: Tilt's resources in, conditions out. Until nothing is left, what runs in the cluster may be of older code.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from kilter.dev.conditions import Condition
from kilter.tools.tilt import TILTFILE, Resource

# A resource that only the user lets run, or has switched off, is at `none`, and keeps nobody waiting.
UNDER_WAY = {"pending": "is still to be built", "in_progress": "is being built", "unknown": "is still to be built"}


@dataclass(frozen=True)
class Updates:
    """What is still to come, and when the newest build that is over was over.

    `again` tries once more what failed; it starts a process, which is for the main thread alone.
    """

    pending: tuple[Condition, ...] = ()
    finished: datetime | None = None
    again: Callable[[], None] | None = None


def updates(resources: Sequence[Resource], apps: Sequence[str], told: Mapping[str, datetime]) -> Updates:
    """Judge the declared apps; `told` is when Tilt was told to update a resource, whose builds of before do not count.

    Tilt knows its resources once it has read the Tiltfile, which is awaited too.
    """
    known = {resource.name: resource for resource in resources}
    ended = [known[name].finished for name in apps if name in known]
    return Updates(tuple(_pending(known, apps, told)), max((each for each in ended if each), default=None))


def is_outdated(resource: Resource, told: Mapping[str, datetime]) -> bool:
    """Tell whether the newest build of a resource began before Tilt was told to update it."""
    since = told.get(resource.name)
    return since is not None and (resource.began is None or resource.began < since)


def _pending(known: Mapping[str, Resource], apps: Sequence[str], told: Mapping[str, datetime]) -> Iterator[Condition]:
    tiltfile = known.get(TILTFILE)
    if tiltfile is None or tiltfile.update in UNDER_WAY or is_outdated(tiltfile, told):
        yield Condition("the dev loop", False, "is reading its files")
    for name in dict.fromkeys([*apps, *(name for name in told if name != TILTFILE)]):
        resource = known.get(name, Resource(name, "unknown"))
        update = "pending" if is_outdated(resource, told) else resource.update
        if update in UNDER_WAY:
            yield Condition(name, False, UNDER_WAY[update])
