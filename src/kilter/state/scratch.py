"""Folders for the time of one command; what a killed one leaves, credentials perhaps, the next one removes."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kilter.errors import Failed
from kilter.state.files import file_lock, remove_folder, writing
from kilter.state.paths import Paths

PATIENCE = 10.0  # seconds; it is held for as long as it takes to remove what was left


@contextmanager
def scratch(paths: Paths, purpose: str) -> Iterator[Path]:
    """Give an empty folder that its owner alone may look into, and remove it however the block ends.

    Raises MachineLacks, and Busy, when it cannot be made.
    """
    with file_lock(paths.scratch_dir / ".lock", PATIENCE, str(paths.scratch_dir)):
        _remove_left(paths.scratch_dir)
        with writing(paths.scratch_dir / purpose):
            folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=paths.scratch_dir))
        # The kernel frees it with this process, so that nobody has to guess whether one of that number is still it.
        held = _lock(folder)
    try:
        yield folder
    finally:
        remove_folder(folder)
        os.close(held)


def _remove_left(place: Path) -> None:
    """Remove the folders of processes that are gone; one that cannot be removed is no reason to fail."""
    for folder in place.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(OSError, Failed):
            held = _lock(folder)
            try:
                remove_folder(folder)
            finally:
                os.close(held)


def _lock(folder: Path) -> int:
    """Lock a folder and return its descriptor. Raises BlockingIOError where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
