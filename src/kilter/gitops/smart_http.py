"""The part of HTTP that Git's smart protocol is: which requests exist, what git is told, what it answers. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from io import BufferedIOBase
from pathlib import Path

from kilter.gitops.tokens import Right

UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"  # fetching is an upload to git, pushing something received
PIECE = 64 * 1024
LINE_LIMIT = 1024  # bytes of a chunk's head, or of a header line that git prints
_PROTOCOL = re.compile(r"version=[0-9](:[a-z0-9=-]{1,64})*\Z")
_ENCODING = re.compile(r"(x-)?gzip\Z")
_TYPE = re.compile(r"[a-z0-9/+.-]{1,80}\Z")


@dataclass(frozen=True)
class Route:
    """One thing that can be asked for: a service's advertisement (GET) or its exchange (POST)."""

    service: str
    advertisement: bool

    @property
    def needs(self) -> Right:
        """The right that it takes."""
        return Right.WRITE if self.service == RECEIVE else Right.READ


class BadRequest(Exception):
    """A request that is answered with an HTTP status and closes the connection."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


def routes(name: str) -> Mapping[tuple[str, str], Route]:
    """Return the only requests that reach git, by method and target exactly as sent: no part of a target is read."""
    found = {}
    for service in (UPLOAD, RECEIVE):
        found["GET", f"/{name}/info/refs?service={service}"] = Route(service, advertisement=True)
        found["POST", f"/{name}/{service}"] = Route(service, advertisement=False)
    return found


def variables(route: Route, repository: Path, headers: Message) -> dict[str, str]:
    """Return the CGI variables for `git http-backend`; of the client's words, only those that fit a narrow pattern."""
    path = "info/refs" if route.advertisement else route.service
    found = {
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(repository.parent),
        "PATH_INFO": f"/{repository.name}/{path}",
        "QUERY_STRING": f"service={route.service}" if route.advertisement else "",
        "REMOTE_ADDR": "",
        "REMOTE_USER": "kilter",
        "REQUEST_METHOD": "GET" if route.advertisement else "POST",
    }
    told = {
        "CONTENT_TYPE": (headers.get("Content-Type", ""), _TYPE),
        "GIT_PROTOCOL": (headers.get("Git-Protocol", ""), _PROTOCOL),
        "HTTP_CONTENT_ENCODING": (headers.get("Content-Encoding", ""), _ENCODING),
    }
    return found | {key: value for key, (value, pattern) in told.items() if pattern.match(value)}


def body(headers: Message, stream: BufferedIOBase, limit: int) -> Iterator[bytes]:
    """Yield a request's body in pieces, however it is framed.

    Raises BadRequest at once for a framing that two readers could understand differently, or a length beyond `limit`
    (bytes); while reading for a body that grows beyond it, or ends early.
    """
    lengths, codings = headers.get_all("Content-Length") or [], headers.get_all("Transfer-Encoding") or []
    if len(lengths) + len(codings) > 1:
        raise BadRequest(400, "two lengths")
    if codings:
        if codings[0].strip().lower() != "chunked":
            raise BadRequest(501, "a transfer encoding other than chunked")
        return _chunks(stream, limit)
    text = lengths[0] if lengths else "0"
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(400, "the length is no number")
    if int(text) > limit:
        raise BadRequest(413, "the request is too large")
    return _exactly(stream, int(text))


def answer(stream: BufferedIOBase) -> tuple[int, list[tuple[str, str]]]:
    """Read the head of git's answer: the status and the headers to pass on. Raises BadRequest (502) when it is none."""
    status, headers = 200, []
    while (line := stream.readline(LINE_LIMIT)).strip():
        name, colon, value = line.decode("latin-1").strip().partition(": ")
        if not colon or not line.endswith(b"\n"):
            raise BadRequest(502, "git gave no answer")
        if name.lower() == "status":
            status = int(value[:3]) if value[:3].isdigit() else 502
        elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
            headers.append((name, value))
    if not line:
        raise BadRequest(502, "git gave no answer")
    return status, headers


def _exactly(stream: BufferedIOBase, length: int) -> Iterator[bytes]:
    while length:
        piece = stream.read(min(length, PIECE))
        if not piece:
            raise BadRequest(400, "the request was cut off")
        length -= len(piece)
        yield piece


def _chunks(stream: BufferedIOBase, limit: int) -> Iterator[bytes]:
    total = 0
    while True:
        size = _chunk_size(stream)
        total += size
        if total > limit:
            raise BadRequest(413, "the request is too large")
        if size == 0:
            break
        yield from _exactly(stream, size)
        if stream.read(2) != b"\r\n":
            raise BadRequest(400, "a chunk does not end where it should")
    while (line := stream.readline(LINE_LIMIT)).strip():  # trailers mean nothing here
        total += len(line)
        if total > limit:
            raise BadRequest(413, "the request is too large")


def _chunk_size(stream: BufferedIOBase) -> int:
    digits = stream.readline(LINE_LIMIT).partition(b";")[0].strip()
    if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", digits):
        raise BadRequest(400, "a chunk has no length")
    return int(digits, 16)
