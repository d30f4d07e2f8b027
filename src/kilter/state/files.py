"""Files that are never seen half-written, and locks on them."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kilter.errors import Busy, MachineLacks

POLL = 0.02  # seconds between two attempts at a lock


def write_whole(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace `file` by `text` so that a reader, or a power cut, sees the old content or the new one and nothing else.

    Missing folders are made, readable by their owner alone. Raises MachineLacks when the disk is full or read-only.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the tempfile module: it alone costs several milliseconds of every start.
        fresh = file.parent / f".{file.name}.{os.getpid()}.{threading.get_ident()}"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                os.fchmod(descriptor, mode)
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
            fresh.replace(file)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)
    except OSError as error:
        raise MachineLacks(f"cannot write {file}", why=error.strerror or str(error)) from error


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def file_lock(file: Path, patience: float, what: str) -> Iterator[int]:
    """Hold an exclusive lock on `file` and give its descriptor; the kernel frees it however the process ends.

    Raises Busy, saying `what` is in use, when another process still holds it after `patience` seconds.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise MachineLacks(f"cannot open {file}", why=error.strerror or str(error)) from error
    try:
        if not _lock(descriptor, patience):
            raise Busy(f"{what} is in use by another process", why=f"{file} stayed locked for {patience:g} seconds")
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, patience: float) -> bool:
    limit = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= limit:
                return False
            time.sleep(POLL)
        else:
            return True
