"""S12: clients that are slow, or do not speak HTTP, and the server as a process. Needs no engine."""

import resource
import selectors
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from harness.server import RunningServer

CLIENTS = 1000  # with one byte per second each
FILES = 4096
CLOSED_BY = 35.0  # seconds: 30 by the server, and what a busy machine adds
MEDIAN = 0.1  # seconds for the health check meanwhile
MEMORY = 50 * 1024  # KiB more at most
URL = "/v1/projects/acme/shop/envs/dev/deploys"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # many shells give 1,024; the server inherits ours
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))
    with RunningServer(tmp_path_factory.mktemp("server")).running() as found:
        yield found


def memory(server: RunningServer) -> int:
    """The most that the process has had in memory, in KiB."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def head(server: RunningServer, *headers: str, method: str = "POST", url: str = URL) -> bytes:
    lines = [f"{method} {url} HTTP/1.1", "Host: x", f"Authorization: Bearer {server.token}"]
    return "\r\n".join([*lines, "Content-Type: application/json", *headers, "", ""]).encode()


@dataclass
class Dripping:
    """A client: what it sends at once, and then again and again a byte of this."""

    connection: socket.socket
    drip: bytes
    answer: bytes = b""
    closed: float = 0.0

    def hear(self, began: float) -> None:
        """Read what came, or learn that the connection is closed."""
        try:
            data = self.connection.recv(65536)
        except ConnectionError:
            data = b""
        self.answer += data
        if not data:
            self.closed = time.monotonic() - began

    def send(self, second: int) -> None:
        """Send a byte; that the other end is closed, `hear` notices."""
        if self.drip:
            with suppress(OSError):
                self.connection.send(self.drip[(second - 1) % len(self.drip) :][:1])


def openings(server: RunningServer) -> list[tuple[bytes, bytes]]:
    """What each kind of client begins with, and drips."""
    return [
        (b"", b"GET /healthz"),
        (b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"a"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
        (head(server, "Content-Length: 1000"), b" "),
        (head(server, "Transfer-Encoding: chunked"), b"1\r\n \r\n"),
        # Answered at once, and the body goes on.
        (head(server, "Content-Length: 1000", method="GET", url="/v1/whoami"), b" "),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", b" "),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b""),  # an answer, and then nothing
        (b"", b""),
    ]


def connected(server: RunningServer) -> list[Dripping]:
    kinds = openings(server)
    found = []
    for number in range(CLIENTS):
        at_once, drip = kinds[number % len(kinds)]
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        connection.sendall(at_once)
        connection.setblocking(False)
        found.append(Dripping(connection, drip))
    return found


def carry_on(clients: list[Dripping], client: httpx2.Client) -> list[float]:
    """Drip until all are closed; returns how long the health check took meanwhile."""
    took, began, second = list[float](), time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        for each in clients:
            selector.register(each.connection, selectors.EVENT_READ, each)
        while selector.get_map() and time.monotonic() - began < CLOSED_BY + 10:
            for key, _ in selector.select(max(0.0, began + second + 1 - time.monotonic())):
                key.data.hear(began)
                if key.data.closed:
                    selector.unregister(key.fileobj)
            if time.monotonic() < began + second + 1:
                continue
            second += 1
            for key in list(selector.get_map().values()):
                key.data.send(second)
            asked = time.monotonic()
            assert client.get("/healthz").status_code == 200
            took.append(time.monotonic() - asked)
    return took


@pytest.mark.requirement("S12", "L8")
def test_slow_clients_are_closed_and_nobody_waits_for_them(server: RunningServer) -> None:
    before = memory(server)
    clients = connected(server)
    with server.client() as client:
        took = carry_on(clients, client)
    for each in clients:
        each.connection.close()
    late = [(each.drip, each.answer[:60], each.closed) for each in clients if not 0 < each.closed <= CLOSED_BY]
    assert not late, late[:10]
    assert statistics.median(took) < MEDIAN, took
    assert memory(server) - before < MEMORY
    # A body that does not come is told of; the connection of a head that does not come is only closed.
    answers = {each.drip: each.answer[:13] for each in clients[3:5]}
    assert set(answers.values()) == {b"HTTP/1.1 408 "}, answers


def exchange(server: RunningServer, *parts: bytes) -> bytes:
    """Send, and read until the server closes; that it does so before all is sent is fine."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while data := connection.recv(65536):
                answer += data
        except ConnectionError:
            pass
    return answer


BIG = b"X-Big: " + b"a" * 102_400 + b"\r\n"
MANY = b"".join(b"X-%d: a\r\n" % number for number in range(9000))
FIRST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.requirement("S12")
@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((FIRST + BIG + b"\r\n",), id="one header of 100 KB"),
        pytest.param((FIRST, *[b"a" * 1000] * 100), id="a header without an end"),
        pytest.param((FIRST + MANY + b"\r\n",), id="many headers"),
        pytest.param((b"GET /" + b"a" * 102_400 + b" HTTP/1.1\r\nHost: x\r\n\r\n",), id="a line of 100 KB"),
        pytest.param(
            (
                b"POST /v1/device/codes HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 22\r\n",
                b'Transfer-Encoding: chunked\r\n\r\n16\r\n{"client_name": "both"}\r\n0\r\n\r\n',
            ),
            id="both lengths",
        ),
        pytest.param(
            (b"POST /healthz HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",), id="two lengths"
        ),
        pytest.param((b"POST /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n",), id="a negative length"),
        pytest.param((FIRST + b" folded: header\r\n\r\n",), id="a folded header"),
        pytest.param((FIRST + b"X\x00: a\r\n\r\n",), id="NUL in a header"),
        pytest.param((b"\x16\x03\x01\x02\x00\x01\x00\x01",), id="TLS"),
        pytest.param((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), id="HTTP/2"),
    ],
)
def test_what_is_too_much_or_no_http_is_400_and_closed(server: RunningServer, parts: tuple[bytes, ...]) -> None:
    before = memory(server)
    answer = exchange(server, *parts)
    # Where it was closed while the client was still sending, the answer may have got lost on the way.
    assert answer.startswith(b"HTTP/1.1 400 ") or (not answer and sum(map(len, parts)) > 65536)
    assert memory(server) - before < MEMORY
    assert httpx2.get(f"{server.url}/healthz", timeout=20).status_code == 200


@pytest.mark.requirement("S11", "S12", "A5")
def test_chunks_without_an_end_are_read_no_further_than_the_limit(server: RunningServer) -> None:
    before = memory(server)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    answer = exchange(server, head(server, "Transfer-Encoding: chunked"), *[chunk] * 4096)
    assert answer.startswith(b"HTTP/1.1 413 ") or not answer
    assert memory(server) - before < MEMORY
