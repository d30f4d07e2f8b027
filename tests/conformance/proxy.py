"""A TCP proxy on loopback that can fall silent: connections stay open and nothing passes any more, either way."""

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass
class SilentProxy:
    """Forwards to a port until `silent` is set; runs on a thread and an event loop of its own."""

    target: int
    port: int = 0
    silent: threading.Event = field(default_factory=threading.Event)
    accepted: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where clients of an API server behind it go."""
        return f"https://127.0.0.1:{self.port}"

    def drop(self) -> None:
        """Break every open connection."""
        asyncio.run_coroutine_threadsafe(self._cancel(), self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await asyncio.gather(self._pass(reader, other_writer), self._pass(other_reader, writer))
        except (asyncio.CancelledError, OSError):
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, other_writer):
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            while self.silent.is_set():
                await asyncio.sleep(0.02)
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self) -> None:
        self._server.close()
        await self._cancel()
