"""Who may read and who may write: tokens in a file that holds their hashes alone. Pure but for reading that file."""

import base64
import binascii
import hashlib
import hmac
import re
import threading
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from kilter.errors import BadInput, MachineLacks

_LINE = re.compile(r"(read|write) sha256:([0-9a-f]{64})\Z")


class Right(IntEnum):
    """What a token permits; each includes those below it."""

    NONE = 0
    READ = 1
    WRITE = 2


@dataclass(frozen=True)
class Tokens:
    """The accepted tokens: right and SHA-256 of each. Tokens are random, so that a plain hash is enough (A22)."""

    accepted: tuple[tuple[Right, bytes], ...]

    def right(self, authorization: str) -> Right:
        """Return what the value of an `Authorization` header permits; every known token is compared, in equal time."""
        digest = hashlib.sha256(presented(authorization)).digest()
        found = [right if hmac.compare_digest(digest, known) else Right.NONE for right, known in self.accepted]
        return max(found, default=Right.NONE)


class TokenFile:
    """The file of tokens, read again when it has changed, so that a token is renewed without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._tokens = Tokens(())
        self.current()

    def current(self) -> Tokens:
        """Return what the file says now. Raises BadInput and MachineLacks as `parse` and reading do."""
        with self._lock:
            try:
                about = self._path.stat()
                seen = (about.st_mtime_ns, about.st_size, about.st_ino)
                if seen != self._seen:
                    self._tokens, self._seen = parse(self._path.read_text(encoding="utf-8")), seen
            except OSError as error:
                raise MachineLacks(f"cannot read the tokens in {self._path}", why=error.strerror or "") from None
            return self._tokens


def parse(text: str) -> Tokens:
    """Read a file of lines `read sha256:<hex>` and `write sha256:<hex>`; empty lines and comments (#) are passed over.

    Raises BadInput naming the line, never its content.
    """
    accepted = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line.strip())
        if match is None:
            raise BadInput(f"line {number} of the tokens is not `read sha256:<hex>` or `write sha256:<hex>`")
        accepted.append((Right[match[1].upper()], bytes.fromhex(match[2])))
    return Tokens(tuple(accepted))


def line(right: Right, token: str) -> str:
    """Return the line by which the file accepts a token."""
    return f"{right.name.lower()} sha256:{hashlib.sha256(token.encode()).hexdigest()}\n"


def presented(authorization: str) -> bytes:
    """Return the token that a header presents: a Bearer's, or the password of Basic; empty when there is none."""
    scheme, _, value = authorization.strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("utf-8", "replace")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
