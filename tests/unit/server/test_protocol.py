"""Which bytes count as the head of a request, and how long they may take; the rest is in the conformance tests."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from kilter.server import protocol
from kilter.server.protocol import HEAD_LIMIT, Protocol

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100_000
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


class Wire(asyncio.Transport):
    """Keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed, self.aborted = b"", False, False
        self.left = 0  # bytes of what was written that the client has not taken

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.left

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

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
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as found:  # as the server does
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
        (CHUNKED, *[b"X: a\r\n" * 200] * 40),
        (CHUNKED, b"X: ", *[b"a" * 1000] * 40),
        (CHUNKED.removesuffix(b"0\r\n"), b"1;x=", *[b"a" * 1000] * 40),
    ],
)
def test_a_head_or_a_trailer_beyond_the_limit_is_refused_whole_or_in_pieces(
    runner: asyncio.Runner, pieces: tuple[bytes, ...]
) -> None:
    wire = runner.run(fed(*pieces))
    assert wire.closed
    assert b"HTTP/1.1 400 " in wire.written


@pytest.mark.parametrize(
    "pieces",
    [
        (POST, GET + b"\r\n"),
        (POST + GET, b"\r\n"),
        (POST[:60], POST[60:] + GET, b"\r\n"),
        (GET + b"\r\n",) * 2000,
        (CHUNKED.removesuffix(b"0\r\n"), *[b"1\r\n", b"a", b"\r\n"] * 8_000, b"0\r\n", b"X: a\r\n", b"\r\n", GET),
    ],
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


@pytest.mark.requirement("S12")
def test_who_takes_a_large_answer_slowly_is_not_cut_off_until_nothing_is_taken_any_more(runner: asyncio.Runner) -> None:
    async def story() -> None:
        wire, connection = Wire(), Protocol(Config(silent, log_config=None), ServerState(), {})
        connection.connection_made(wire)
        wire.left = 10_000_000
        connection.pause_writing()
        for left in (9_999_999, 5_000_000, 1):
            wire.left = left
            connection._judge_reader()
            assert not wire.aborted
        connection._judge_reader()
        assert wire.aborted
        connection.connection_lost(None)

    runner.run(story())


@pytest.mark.requirement("S12")
def test_nobody_is_judged_any_more_who_has_taken_all(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.02)

    async def story() -> bool:
        wire, connection = Wire(), Protocol(Config(silent, log_config=None), ServerState(), {})
        connection.connection_made(wire)
        connection.pause_writing()
        connection.resume_writing()
        await asyncio.sleep(0.1)
        connection.connection_lost(None)
        return wire.aborted

    assert not runner.run(story())


@pytest.mark.requirement("S12")
def test_what_follows_a_body_is_dropped(runner: asyncio.Runner) -> None:
    async def story() -> list[tuple[bytes, bytes]]:
        connection = Protocol(Config(silent, log_config=None), ServerState(), {})
        connection.connection_made(Wire())
        connection.data_received(CHUNKED + b"X: a\r\nAuthorization: Bearer x\r\n\r\n")
        await asyncio.sleep(0)
        connection.connection_lost(None)
        return connection.headers

    assert [name for name, _ in runner.run(story())] == [b"host", b"transfer-encoding"]
