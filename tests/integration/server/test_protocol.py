"""How long a client may leave an answer unread, on connections whose buffers are full."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
import uvloop
from unit.server.test_protocol import GET
from uvicorn import Config
from uvicorn.server import ServerState

from kilter.server import protocol
from kilter.server.protocol import Protocol


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as found:  # as the server does
        yield found


async def large(size: int, _: Any, __: Any, send: Any) -> None:
    length = str(size).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": b"a" * size})


async def taken(size: int, *headers: bytes, reading: bool) -> tuple[bool, int]:
    """Ask for so many bytes over a narrow connection; tell in the end whether it is still there, and what came.

    The end is when all has come, or the connection has gone. Without `reading` nothing of it is read.
    """
    state = ServerState()
    config = Config(partial(large, size), log_config=None, interface="asgi3")
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Protocol(config, state, {}), sock=listening)
        client.setblocking(False)
        await loop.sock_connect(client, listening.getsockname())
        await loop.sock_sendall(client, GET + b"".join(b"Connection: %s\r\n" % each for each in headers) + b"\r\n")
        came = 0
        async with asyncio.timeout(60):
            while not state.connections:
                await asyncio.sleep(0.01)
            while state.connections and came <= size:
                await asyncio.sleep(0.01)
                with suppress(BlockingIOError):
                    came += len(client.recv(16384)) if reading else 0
        is_there = bool(state.connections)
        server.close()
        return is_there, came


@pytest.mark.requirement("S12", "F42")
@pytest.mark.parametrize(("size", "headers"), [(1_000_000, ()), (40_000, ()), (40_000, (b"close",))])
def test_who_does_not_take_an_answer_is_cut_off(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, size: int, headers: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 0.1)
    assert runner.run(taken(size, *headers, reading=False)) == (False, 0)


@pytest.mark.requirement("S12")
def test_who_takes_an_answer_in_time_gets_all_of_it(runner: asyncio.Runner) -> None:
    is_there, came = runner.run(taken(40_000, reading=True))
    assert is_there
    assert came > 40_000
