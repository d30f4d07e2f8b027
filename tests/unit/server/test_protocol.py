"""Which bytes count as the head of a request, and how long they may take; the rest is in the conformance tests."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from kilter.server import protocol
from kilter.server.protocol import HEAD_LIMIT, Protocol

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


class Wire(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def silent(_: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


async def fed(*pieces: bytes, pause: float = 0.0) -> Wire:
    """Return what became of a connection over which these pieces came."""
    wire = Wire()
    connection = Protocol(Config(silent, log_config=None), ServerState(), {})
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
        await asyncio.sleep(pause)
    was_closed = wire.closed
    connection.connection_lost(None)
    wire.closed = was_closed
    return wire


@pytest.mark.requirement("S12")
@pytest.mark.parametrize(
    "pieces",
    [
        (GET + b"X: " + b"a" * HEAD_LIMIT + b"\r\n\r\n",),
        (GET + b"X: " + b"a" * HEAD_LIMIT,),
        (GET, *[b"a" * 1000] * 40),
        (POST + GET, *[b"X: a\r\n" * 200] * 40),
    ],
)
def test_a_head_beyond_the_limit_is_refused_whole_or_in_pieces(
    runner: asyncio.Runner, pieces: tuple[bytes, ...]
) -> None:
    wire = runner.run(fed(*pieces))
    assert wire.closed
    assert b"HTTP/1.1 400 " in wire.written


@pytest.mark.parametrize(
    "pieces",
    [(POST, GET + b"\r\n"), (POST + GET, b"\r\n"), (POST[:60], POST[60:] + GET, b"\r\n"), (GET + b"\r\n",) * 2000],
)
def test_what_is_no_head_does_not_count(runner: asyncio.Runner, pieces: tuple[bytes, ...]) -> None:
    wire = runner.run(fed(*pieces))
    assert not wire.closed
    assert b" 400 " not in wire.written


@pytest.mark.requirement("S12")
@pytest.mark.parametrize(
    ("pieces", "closed"),
    [
        ((b"",) * 4, True),
        ((GET, b"X", b":", b" "), True),
        ((b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\n", b"a", b"a", b"a"), False),  # the application's to time
        ((GET + b"\r\n",) * 4, False),
    ],
)
def test_only_a_head_has_a_time_to_be_whole(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...], closed: bool
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.1)
    assert runner.run(fed(*pieces, pause=0.06)).closed is closed
