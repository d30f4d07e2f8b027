"""Lines that pods print: of all that match, each with its pod in front; a slow reader loses lines and is told so."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
from lightkube import ApiError, AsyncClient
from lightkube.resources.core_v1 import Pod

from kilter.server.refusals import Unavailable
from kilter.server.seams import LogQuery

PODS = 50  # whose logs are read at most
QUEUE = 1000  # lines between the pods and a slow reader
LOOK_AGAIN = 5.0  # seconds between looks for pods that are new
LINE = 16384  # characters of a line that are passed on


async def lines(client: AsyncClient, query: LogQuery) -> AsyncIterator[str]:
    """Yield lines. Raises Unavailable."""
    try:
        if query.follow:
            async for line in followed(client, query):
                yield line
            return
        for name, container in await pods_of(client, query):
            async for line in lines_of(client, query, name, container):
                yield line
    except (httpx2.HTTPError, OSError) as error:
        raise Unavailable(f"the cluster does not give logs: {type(error).__name__}") from error


async def pods_of(client: AsyncClient, query: LogQuery) -> list[tuple[str, str]]:
    """Return the pods with their main container, by name."""
    found = [
        (pod.metadata.name, pod.spec.containers[0].name)
        async for pod in client.list(Pod, namespace=query.namespace, labels=dict(query.labels))
        if pod.metadata and pod.metadata.name and pod.spec and pod.spec.containers
    ]
    return sorted(found)[:PODS]


async def lines_of(
    client: AsyncClient, query: LogQuery, name: str, container: str, tail: int | None = None
) -> AsyncIterator[str]:
    """Yield one pod's lines; a container that has not started yet, or is gone, has none."""
    stream = client.log(
        name,
        namespace=query.namespace,
        container=container,
        follow=query.follow,
        since=query.since,
        tail_lines=query.lines if tail is None else tail,
        newlines=False,
    )
    try:
        async for line in stream:
            yield f"{name} {line[:LINE]}"
    except ApiError as error:
        if query.follow or error.status.code not in (400, 404):
            raise


class Followed:
    """The pods that are followed, and the lines that wait for a reader."""

    def __init__(self, client: AsyncClient, query: LogQuery) -> None:
        self._client, self._query = client, query
        self.queue = asyncio.Queue[str](QUEUE)
        self.dropped = 0
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._begun: set[str] = set()

    async def look(self) -> None:
        """Begin to read pods that are new, and those whose stream broke."""
        for name, container in await pods_of(self._client, self._query):
            if name not in self._readers:
                self._readers[name] = asyncio.create_task(self._read(name, container))

    def end(self) -> None:
        """Read no more."""
        for reader in self._readers.values():
            reader.cancel()

    async def _read(self, name: str, container: str) -> None:
        tail = 0 if name in self._begun else None
        try:
            async for line in lines_of(self._client, self._query, name, container, tail):
                self._begun.add(name)
                self._pass_on(line)
        # RuntimeError: lightkube reads the body of a refused stream the wrong way.
        except (httpx2.HTTPError, httpx2.StreamError, OSError, RuntimeError):
            if name in self._begun:
                self._pass_on(f"{name} (the connection was lost and is made anew)")
            del self._readers[name]

    def _pass_on(self, line: str) -> None:
        try:
            self.queue.put_nowait(line)
        except asyncio.QueueFull:
            self.dropped += 1


async def followed(client: AsyncClient, query: LogQuery) -> AsyncIterator[str]:
    """Yield the lines of pods that are there and of those that come."""
    pods = Followed(client, query)
    try:
        while True:
            await pods.look()
            look_again = time.monotonic() + LOOK_AGAIN
            # No timeout may span a yield: it would cancel the reader at whatever it does meanwhile.
            while (left := look_again - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        line = await pods.queue.get()
                except TimeoutError:
                    break
                if pods.dropped:
                    yield f"({pods.dropped} lines were dropped: they came faster than they were read)"
                    pods.dropped = 0
                yield line
    finally:
        pods.end()
