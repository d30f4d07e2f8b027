"""Files that are never seen half-written, and locks on them."""

import errno
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

from kilter.errors import Busy, Failed, MachineLacks

POLL = 0.02  # seconds between two attempts at a lock
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)  # no hard links are possible


def write_whole(file: Path, content: str | bytes, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace `file` by `content` so that a reader, or a power cut, sees the old text or the new one and nothing else.

    Missing folders are made, readable by their owner alone. It goes to `owner` (user and group) where this user may
    give files away. Raises MachineLacks when the disk is full or read-only.
    """
    with writing(file):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not the tempfile module: it alone costs several milliseconds of every start.
        fresh = file.parent / f".{file.name}.{os.getpid()}.{threading.get_ident()}"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as stream:
                if owner:
                    with suppress(PermissionError):
                        os.fchown(descriptor, *owner)
                os.fchmod(descriptor, mode)
                stream.write(content.encode() if isinstance(content, str) else content)
                stream.flush()
                os.fsync(descriptor)
            fresh.replace(file)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)


def replace_text(file: Path, text: str) -> None:
    """Replace a file of the user's whole; it keeps its mode, a link stays a link. Raises MachineLacks.

    It keeps its owner, too, where this user may give files away: root may, and is not to take it.
    """
    with writing(file):
        place = file.resolve()
        facts = place.stat()
    write_whole(place, text, S_IMODE(facts.st_mode), (facts.st_uid, facts.st_gid))


@contextmanager
def writing(file: Path) -> Iterator[None]:
    """Turn what the system does not let kilter do to `file` into MachineLacks."""
    try:
        yield
    except OSError as error:
        raise refused(f"cannot write {file}", file, error) from error


def remove_file(file: Path) -> None:
    """Remove a file; one that is gone is fine. Raises MachineLacks when the system does not let it go."""
    with writing(file):
        file.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder; of a link, there or within, the link alone; one that is gone is fine. Raises Failed."""
    import shutil  # start-up: only `destroy` removes

    try:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        why = f"{error.filename}: {error.strerror}"
        raise Failed(f"{folder} could not be deleted", why=why, hint=f"run `sudo rm -r {folder}`") from error


def is_gone(file: Path) -> bool:
    """Tell whether there is no such file; one in a place that may not be looked at is not taken for gone."""
    try:
        return not S_ISREG(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def is_filled(folder: Path) -> bool:
    """Tell whether a folder holds anything; one that may not be looked into is taken for filled."""
    try:
        return next(folder.iterdir(), None) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True


def keep_aside(file: Path) -> Path:
    """Give a damaged file a second name beside it, under which it outlives being replaced; returns that name.

    Where hard links are not possible, that name is a copy's.
    """
    aside = file.with_name(f"{file.name}.damaged")
    try:
        aside.unlink(missing_ok=True)
        try:
            os.link(file, aside)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            write_whole(aside, file.read_bytes())
    except OSError as error:
        raise refused(f"cannot keep {file} as {aside.name}", file, error) from error
    return aside


def sync_folder(folder: Path) -> None:
    """Make a rename within `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refused(what: str, place: Path, error: OSError) -> MachineLacks:
    """Build the error of what the system does not let kilter do at `place`, with the next step."""
    # What may not be looked at counts as not there: then the folder above is the one to mend.
    folder = next((one for one in place.parents if os.access(one, os.F_OK)), place)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            hint = f"free some space at {folder}"
        case errno.EROFS:
            hint = f"make {folder} writable, or let XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME name such folders"
        case errno.ENOLCK | errno.EOPNOTSUPP | errno.ENOSYS:
            hint = f"let XDG_DATA_HOME, XDG_CACHE_HOME and XDG_CONFIG_HOME name folders of another disk than {folder}"
        case errno.EACCES | errno.EPERM:
            hint = f"make {folder} writable for you; a `sudo kilter` may have made it"
        case _:
            hint = f"see what is wrong with {folder}"
    return MachineLacks(what, why=error.strerror or str(error), hint=hint)


@contextmanager
def file_lock(file: Path, patience: float, what: str) -> Iterator[int]:
    """Hold an exclusive lock on `file` and give its descriptor; the kernel frees it however the process ends.

    Raises Busy, saying `what` is in use, when another process still holds it after `patience` seconds, and MachineLacks
    where the file system has no locks.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise refused(f"cannot open {file}", file, error) from error
    try:
        if not _lock(descriptor, file, patience):
            raise Busy(
                f"{what} is in use by another process",
                why=f"{file} stayed locked for {patience:g} seconds",
                hint="wait for it to end and try again",
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, file: Path, patience: float) -> bool:
    limit = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= limit:
                return False
            time.sleep(POLL)
        except OSError as error:
            raise refused(f"cannot lock {file}", file, error) from error
        else:
            return True
