"""Warnings that outlive the deploy they came up in: of a database that was gone, until the next deploy succeeds.

Each is written before what it is about is done, so that whoever is killed in between has told of it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

KEPT: Final = 10  # warnings of one environment
EARLIER: Final = "before this deploy: "
SUBJECT: Final = "the database "
IS_GONE: Final = " is gone, and an empty one is made in its place: restore it from your backup"
WAS_GONE: Final = " was gone, and an empty one was made at "


def gone(database: str) -> str:
    """Return what is said of a database before an empty one takes its place."""
    return f"{SUBJECT}{database}{IS_GONE}"


def made_anew(warnings: Sequence[str], database: str, now: datetime) -> tuple[str, ...]:
    """Return the warnings once the empty database is there."""
    when = f"{now:%Y-%m-%d %H:%M:%S} UTC, unless somebody brought it back just then"
    said = f"{SUBJECT}{database}{WAS_GONE}{when}; restore it from your backup"
    return tuple(said if each == gone(database) else each for each in warnings)


def lasts(warning: str) -> bool:
    """Tell whether a warning outlives its deploy."""
    own = warning.removeprefix(EARLIER)
    return own.startswith(SUBJECT) and (IS_GONE in own or WAS_GONE in own)


def carried(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return the warnings that a new deploy begins with; what is about to be made is not over yet."""
    kept = (each for each in warnings if lasts(each))
    return tuple(each if each.startswith(EARLIER) or IS_GONE in each else f"{EARLIER}{each}" for each in kept)


def outlived(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return the warnings that are left when a deploy succeeds."""
    return tuple(each for each in warnings if not each.startswith(EARLIER))


def bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    """Return as many warnings as are kept: those that last before all others, then the newest."""
    found = tuple(dict.fromkeys(warnings))
    if len(found) <= KEPT:
        return found
    first = [each for each in found if lasts(each)][-KEPT:]
    others = [each for each in found if not lasts(each)]
    return (*first, *others[len(others) - (KEPT - len(first)) :])


def fresh(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Return the lasting warnings that are new."""
    return tuple(each for each in after if lasts(each) and not each.startswith(EARLIER) and each not in before)
