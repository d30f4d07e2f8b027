"""The process of a project's Tilt: whether it lives, and its end."""

import os
from pathlib import Path

from kilter.proc import Started, end_started, is_alive, start_time
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


def end_orphan(pid: int, home: Path) -> bool:
    """End a process that is the Tilt of this state folder, whatever the records say; tells whether it was that.

    A kilter that is killed right after it started Tilt has recorded nothing. Where the system shows no environment of a
    process (macOS, another user's) it is taken for somebody else's.
    """
    started = start_time(pid) if pid else None
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
    if started is None or b"TILT_DEV_DIR=" + os.fsencode(home) not in environment:
        return False
    return end_started(Started(pid, started))
