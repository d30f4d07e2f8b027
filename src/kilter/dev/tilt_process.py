"""The process of a project's Tilt: whether it lives, and its end."""

from kilter.proc import Started, end_started, is_alive
from kilter.state import tilt as record
from kilter.state.paths import Paths
from kilter.state.tilt import TiltRecord


def alive(paths: Paths, name: str) -> TiltRecord | None:
    """Return the record of a project's Tilt if that very process still runs; asks the kernel, starts nothing."""
    known = record.read(paths, name)
    return known if known and is_alive(Started(known.pid, known.started)) else None


def end(paths: Paths, name: str) -> bool:
    """End the project's Tilt, and only that; returns whether there was one to end."""
    known = record.read(paths, name)
    ended = known is not None and end_started(Started(known.pid, known.started))
    record.clear(paths, name)
    return ended
