"""One lock per project: whoever changes a project's cluster, records or files holds it. Reading takes none."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from kilter.errors import Busy
from kilter.state.files import file_lock
from kilter.state.paths import Paths

PATIENCE = 0.3  # seconds; bridges the moment in which `holder` looks at the lock


class Holder(NamedTuple):
    """Who holds a project's lock: process number, verb, and when it took the lock (ISO 8601, UTC)."""

    pid: int
    verb: str
    started: str


@contextmanager
def project_lock(paths: Paths, name: str, verb: str) -> Iterator[None]:
    """Hold the lock of project `name` while `verb` runs.

    Raises Busy (exit code 3) naming the holder's process, verb and start time. A holder that was killed holds nothing.
    """
    file = _file(paths, name)
    with ExitStack() as stack:
        try:
            descriptor = stack.enter_context(file_lock(file, PATIENCE, f"project {name}"))
        except Busy:
            raise _busy(name, _read(file)) from None
        now = datetime.now(UTC).isoformat(timespec="seconds")
        _sign(descriptor, json.dumps(Holder(os.getpid(), verb, now)._asdict()))
        try:
            yield
        finally:
            _sign(descriptor, "")


def holder(paths: Paths, name: str) -> Holder | None:
    """Return who holds the lock of project `name`, or None when nobody does or this user may not know.

    Never waits and never gets in the way.
    """
    file = _file(paths, name)
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # nobody has held it yet, or it is the file of another user, whose work others may not see
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(file)
    except OSError:  # the file system knows no locks
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def _file(paths: Paths, name: str) -> Path:
    return paths.locks_dir / f"{name}.lock"


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # taken a moment ago and not yet signed, or just given back


def _sign(descriptor: int, text: str) -> None:
    # It tells others who is at work and locks nothing: what frees a full disk must not fail for want of it.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def _busy(name: str, by: Holder | None) -> Busy:
    if by is None:
        return Busy(f"another kilter command is working on project {name}", hint="wait for it to end and try again")
    return Busy(
        f"`kilter {by.verb}` is working on project {name}",
        why=f"process {by.pid} holds the project's lock since {by.started}",
        hint="wait for it to end and try again",
    )
