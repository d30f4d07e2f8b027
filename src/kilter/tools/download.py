"""Fetching a file over HTTPS or from a folder, in pieces that survive an interruption, and knowing that it is whole."""

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kilter.errors import BadInput, Failed, KilterError
from kilter.progress import Step
from kilter.state.files import refused
from kilter.words import human_size

_LOGIN = re.compile(r"://.*@", re.DOTALL)  # to the last `@`: one in a password may stand there as it is
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
CHUNK = 1 << 18
ATTEMPTS = 3
FULL = (errno.ENOSPC, errno.EDQUOT)  # which no network and no file that is read can answer
SILENCE = 30.0  # seconds without a byte after which a connection counts as dead
LARGEST = 1 << 30  # bytes; no tool comes near
NAME_A_MIRROR = "name an https base or a folder in KILTER_TOOLS_MIRROR"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Answer:
    """The beginning of an answer: where its body starts in the file, the file's whole size (0: unknown), the body."""

    start: int
    size: int
    body: Iterator[bytes]


class Source(Protocol):
    """Where files come from. Tests use one in memory."""

    def open(self, url: str, offset: int) -> AbstractContextManager[Answer]:
        """Open `url` from byte `offset` on, or from the start where that cannot be had; raises OSError, NoSuchFile."""


class NoSuchFile(Failed):
    """The source answered, and has no such file; asking again is no use."""


def fetch(source: Source, url: str, part: Path, step: Step, sleep: Callable[[float], None] = time.sleep) -> None:
    """Bring `url` into the file `part`, going on where an earlier attempt stopped.

    Raises OSError after three attempts without an answer; at once NoSuchFile, and MachineLacks where the disk is full.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _fetch_once(source, url, part, step)
        except OSError as error:
            if error.errno in FULL:
                raise refused(f"cannot write {part}", part, error) from error
            if attempt == ATTEMPTS:
                raise
            step.note(f"attempt {attempt} of {ATTEMPTS} failed: {error}")
            sleep(2.0 ** (attempt - 1))
        else:
            return


def read_text(source: Source, url: str) -> str:
    """Return a small text file; raises OSError, NoSuchFile."""
    with source.open(url, 0) as answer:
        return b"".join(answer.body).decode("utf-8", "replace")


def checksum_in(text: str, file_name: str) -> str | None:
    """Find the SHA-256 of a file in a checksum file: `<hex>  <name>` lines, or the sum alone."""
    for line in text.splitlines():
        words = line.split()
        if not words or not _SHA256.match(words[0]):
            continue
        if len(words) == 1 or Path(words[-1].lstrip("*")).name == file_name:
            return words[0].lower()
    return None


def sha256(file: Path) -> str:
    """Return the checksum of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def extract(archive: Path, member: str, target: Path) -> None:
    """Write one regular file of a .tar.gz to `target`; nothing else of the archive is looked at. Raises Failed."""
    import tarfile  # start-up: this module is imported with the runner's tools, archives are opened once per release

    try:
        with tarfile.open(archive, "r:gz") as opened:
            for entry in opened:
                if entry.name.removeprefix("./") == member and entry.isreg() and entry.size <= LARGEST:
                    stream = opened.extractfile(entry)
                    assert stream is not None
                    with target.open("wb") as into:
                        while chunk := stream.read(CHUNK):
                            into.write(chunk)
                    return
    except (tarfile.TarError, EOFError) as error:
        raise Failed(f"{archive.name} cannot be unpacked", why=str(error), hint=NAME_A_MIRROR) from error
    raise Failed(f"{archive.name} does not hold {member}", hint=NAME_A_MIRROR)


def check_url(url: str) -> None:
    """Refuse a mirror that is neither https nor on this machine; raises BadInput."""
    from urllib.parse import urlsplit  # start-up: downloads are rare

    try:
        parts = urlsplit(url)
        fine = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    except ValueError:
        fine = url.startswith("https://")  # whoever opens it says what is wrong with the host
    if not fine:
        raise BadInput(f"{shown(url)} is not an https address", hint=NAME_A_MIRROR)


def shown(url: str) -> str:
    """Return a url as it may be read by anybody: a login in it stays a secret (C16)."""
    return _LOGIN.sub("://***@", url)


class FolderSource:
    """A mirror on disk; urls are paths."""

    def open(self, url: str, offset: int) -> AbstractContextManager[Answer]:
        """See `Source.open`."""
        return _open_file(Path(url), offset)


class WebSource:
    """The web, by the standard library, which knows the proxy variables; never from https down to http."""

    def open(self, url: str, offset: int) -> AbstractContextManager[Answer]:
        """See `Source.open`."""
        from kilter.tools.web import open_url  # start-up: urllib.request costs tens of milliseconds, downloads are rare

        return open_url(url, offset, SILENCE)


def _fetch_once(source: Source, url: str, part: Path, step: Step) -> None:
    have = part.stat().st_size if part.exists() else 0
    with source.open(url, have) as answer:
        mode = "ab" if answer.start else "wb"
        done = answer.start
        with part.open(mode) as into:
            if answer.start:
                into.truncate(answer.start)
            for chunk in answer.body:
                done += len(chunk)
                if done > LARGEST:
                    raise Failed(f"{shown(url)} is larger than any tool", hint=NAME_A_MIRROR)
                into.write(chunk)
                step.note(_share(done, answer.size))
            into.flush()
            os.fsync(into.fileno())
    if answer.size and done < answer.size:
        raise ConnectionError(f"the connection ended after {human_size(done)} of {human_size(answer.size)}")


def _share(done: int, size: int) -> str:
    return f"{human_size(done)} of {human_size(size)}" if size else human_size(done)


def _open_file(file: Path, offset: int) -> AbstractContextManager[Answer]:
    @contextmanager
    def opened() -> Iterator[Answer]:
        try:
            stream = file.open("rb")
        except FileNotFoundError:
            raise NoSuchFile(f"{file} does not exist") from None
        with stream:
            size = os.fstat(stream.fileno()).st_size
            start = offset if offset <= size else 0
            stream.seek(start)
            yield Answer(start, size, iter(lambda: stream.read(CHUNK), b""))

    return opened()


def unreachable(error: BaseException) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, KilterError):
        return error.what
    reason = getattr(error, "reason", None)
    return str(reason or error) or type(error).__name__
