"""A hundred clients, on connections of this machine."""

import asyncio

import pytest

from bench.accept import ask, request, together
from bench.process import Failed


def test_every_client_is_answered_and_another_status_fails_the_benchmark() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        await reader.read()
        writer.close()

    async def story() -> list[float]:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            found = await together(port, [request("GET", "/")] * 3, 0.0, 200)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with pytest.raises(Failed, match="200 OK: ok"):
                await ask(reader, writer, request("GET", "/"), 0.0, 202)
            writer.close()
            await writer.wait_closed()
            return found

    found = asyncio.run(story())
    assert len(found) == 3
    assert all(seconds > 0 for seconds in found)
