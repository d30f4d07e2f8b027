"""Does an address on localhost answer, and does the answer come from this project?

A database proves it by mutual authentication with the project's own password, which no other project has. For plain
HTTP and TCP an open connection is not enough: Docker's proxy accepts connections that nobody serves, so at least one
byte, or a connection that stays open, must come back.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from kilter.dev import postgres_wire
from kilter.values import Credentials

PATIENCE = 2.0  # seconds for one answer on the loopback device


@dataclass(frozen=True)
class Answer:
    """Whether an address answered, one phrase that says how, and whether that is a server's error (HTTP 5xx)."""

    ok: bool
    detail: str
    is_error: bool = False


def probe(kind: str, port: int, login: Credentials | None) -> Answer:
    """Ask `localhost:<port>` in the protocol `kind` (postgres, redis, http or tcp); never raises for what it meets."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.settimeout(PATIENCE)
            return _PROBES.get(kind, _tcp)(connection, login)
    except TimeoutError:
        return Answer(False, f"no answer on port {port} within {PATIENCE:g}s")
    except OSError as error:
        return Answer(False, f"port {port}: {error.strerror or error}")


def _postgres(connection: socket.socket, login: Credentials | None) -> Answer:
    if login is None:
        return _tcp(connection, login)
    try:
        postgres_wire.authenticate(connection, login.user, login.password, login.database)
    except postgres_wire.Refused as error:
        return Answer(False, str(error))
    return Answer(True, "accepts this project's login")


def _redis(connection: socket.socket, login: Credentials | None) -> Answer:
    commands = [["PING"]] if login is None else [["AUTH", login.password], ["PING"]]
    with connection.makefile("rwb") as stream:
        for words in commands:
            stream.write(b"*%d\r\n" % len(words))
            for word in words:
                stream.write(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()))
        stream.flush()
        replies = [stream.readline().decode(errors="replace").strip() for _ in commands]
    if replies[-1] == "+PONG" and all(reply.startswith("+") for reply in replies):
        return Answer(True, "accepts this project's login" if login else "answers PING")
    return Answer(False, next((reply for reply in replies if not reply.startswith("+")), "no reply")[1:])


def _http(connection: socket.socket, _login: Credentials | None) -> Answer:
    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kilter\r\nConnection: close\r\n\r\n")
    first = connection.recv(64)
    if not first:
        return Answer(False, "the connection was closed without an answer")
    words = first.split(b"\r\n", 1)[0].decode(errors="replace").split(" ")
    if not words[0].startswith("HTTP/"):
        return Answer(True, "answers, though not in HTTP")
    status = words[1] if len(words) > 1 else "?"
    return Answer(True, f"answers {status}", is_error=status.startswith("5"))


def _tcp(connection: socket.socket, _login: Credentials | None) -> Answer:
    connection.settimeout(0.3)
    try:
        open_ = connection.recv(1) != b""
    except TimeoutError:
        open_ = True  # many protocols let the client speak first
    return Answer(open_, "accepts connections" if open_ else "the connection was closed at once")


_PROBES: dict[str, Callable[[socket.socket, Credentials | None], Answer]] = {
    "postgres": _postgres,
    "redis": _redis,
    "http": _http,
    "tcp": _tcp,
}
