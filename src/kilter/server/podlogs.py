"""Lines that pods print: of all that match, each with its pod in front; a slow reader loses lines and is told so.

Lightkube lists the pods. Their logs are read here, as bytes: it waits for the end of a line however long that gets, and
for the end of a log that is not followed.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import httpx2
from lightkube import AsyncClient
from lightkube.resources.core_v1 import Pod

from kilter.server.lines import split
from kilter.server.refusals import Unavailable
from kilter.server.seams import LogQuery
from kilter.words import counted

PODS = 50  # whose logs are read at most
QUEUE = 1000  # lines between the pods and a slow reader
HELD = 1024 * 1024  # characters of them
LOOK_AGAIN = 5.0  # seconds between looks for pods that are new
LINE = 16384  # bytes of a line that are passed on
LOG = 4 * 1024 * 1024  # bytes of one pod's log that are read at once
ANSWER = 10.0  # seconds
ABSENT: Final = (400, 404)  # the container has not started yet, or is gone
OVER: Final = ("Succeeded", "Failed")  # phases of pods that will print nothing more
STAMP: Final = re.compile(rb"\d{4}-\d\d-\d\dT\S+ ?")


@dataclass(frozen=True, order=True)
class Source:
    """The main container of a pod."""

    pod: str
    container: str
    is_over: bool


class Sources(NamedTuple):
    """The pods that are read, by name, and how many more match."""

    read: list[Source]
    left_out: int

    def told(self) -> str:
        """Say that some are left out."""
        read = len(self.read)
        return f"({read} of {read + self.left_out} pods are read, those that run first: name a process)"


@dataclass(frozen=True)
class Api:
    """How the cluster is asked: `client` for lists, `streams` for what may stay open."""

    client: AsyncClient
    streams: httpx2.AsyncClient


async def lines(api: Api, query: LogQuery) -> AsyncIterator[str]:
    """Yield lines. Raises Unavailable."""
    try:
        async for line in followed(api, query) if query.follow else printed(api, query):
            yield line
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise Unavailable(f"the cluster does not give logs: {type(error).__name__}") from error


async def sources(api: Api, query: LogQuery) -> Sources:
    """Return the pods; where there are too many, rather those that may still print."""
    found = [
        Source(pod.metadata.name, pod.spec.containers[0].name, bool(pod.status and pod.status.phase in OVER))
        async for pod in api.client.list(Pod, namespace=query.namespace, labels=dict(query.labels))
        if pod.metadata and pod.metadata.name and pod.spec and pod.spec.containers
    ]
    found.sort(key=lambda source: (source.is_over, source))
    return Sources(sorted(found[:PODS]), len(found[PODS:]))


async def printed(api: Api, query: LogQuery) -> AsyncIterator[str]:
    """Yield the last lines of every pod, one pod after the other; a container that is not there has none.

    One that cannot be read, because its node is down, hides no other's; it is told of at the end.
    """
    found, unread = await sources(api, query), dict[str, httpx2.HTTPError]()
    for source in found.read:
        size = 0
        try:
            async for line, length in log(api, query, source, limitBytes=str(LOG)):
                size += length + 1
                for text in texts(line, length):
                    yield f"{source.pod} {text}"
        except (httpx2.HTTPStatusError, httpx2.ReadTimeout) as error:
            if code_of(error) not in ABSENT:
                unread[source.pod] = error
        if size >= LOG:
            yield f"{source.pod} (cut after {LOG >> 20} MiB: ask for fewer lines, or for younger ones)"
    if unread and len(unread) == len(found.read):
        raise next(iter(unread.values()))
    for pod, reason in unread.items():
        yield f"{pod} (its log cannot be read: {why(reason)})"
    if found.left_out:
        yield found.told()


def code_of(error: httpx2.HTTPError) -> int | None:
    """Return the status of an answer; None where there was none."""
    return error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else None


def why(error: httpx2.HTTPError) -> str:
    """Say why a log was not read."""
    code = code_of(error)
    return f"the cluster answers {code}" if code else type(error).__name__


async def log(
    api: Api, query: LogQuery, source: Source, last: str = "", **more: str
) -> AsyncIterator[tuple[bytes, int]]:
    """Yield the lines of a container as `split` does: the newest ones, or all from the time of the last one seen."""
    asked = {"container": source.container, "follow": str(query.follow).lower(), **more}
    if last:
        asked["sinceTime"] = last
    else:
        asked["tailLines"] = str(query.lines)
        asked |= {"sinceSeconds": str(query.since)} if query.since is not None else {}
    path = f"/api/v1/namespaces/{query.namespace}/pods/{source.pod}/log"
    limits = httpx2.Timeout(ANSWER, read=None if query.follow else ANSWER)
    async with api.streams.stream("GET", path, params=asked, timeout=limits) as answer:
        answer.raise_for_status()
        async for found in split(answer.aiter_bytes(), LINE + len("2006-01-02T15:04:05.000000000+00:00 ")):
            yield found


def texts(line: bytes, length: int) -> list[str]:
    """Return what is passed on of a line: its beginning, and whatever a reader may take for a line of its own."""
    end = f" … ({length} bytes)" if length > LINE else ""
    return (line[:LINE].decode(errors="replace") + end).splitlines() or [""]


class Followed:
    """The pods that are followed, and the lines that wait for a reader.

    A container that ends, ends its stream; what the next one prints is in a stream that is opened then. All lines come
    with their time, so that a stream goes on after the last line that was seen.
    """

    def __init__(self, api: Api, query: LogQuery) -> None:
        self._api, self._query = api, query
        self._queue = asyncio.Queue[str](QUEUE)
        self._size = 0
        self.dropped = 0
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, bytes] = {}  # time of the last line, by pod
        self._remarks: dict[str, bytes] = {}  # last line without a time: the kubelet speaks
        self._unread: set[str] = set()  # pods that were said to give no log since their last line
        self._done: set[str] = set()
        self._left_out = 0

    async def look(self) -> None:
        """Begin to read pods that are new, and those whose stream ended."""
        found = await sources(self._api, self._query)
        for source in found.read:
            if source.pod not in self._readers and source.pod not in self._done:
                self._readers[source.pod] = asyncio.create_task(self._read(source))
        if found.left_out > self._left_out:
            self._pass_on(found.told())
        self._left_out = found.left_out

    def end(self) -> None:
        """Read no more."""
        for reader in self._readers.values():
            reader.cancel()

    async def take(self) -> str:
        """Wait for a line."""
        line = await self._queue.get()
        self._size -= len(line)
        return line

    async def _read(self, source: Source) -> None:
        pod = source.pod
        try:
            async for line, length in log(
                self._api, self._query, source, self._last.get(pod, b"").decode(), timestamps="true"
            ):
                self._heard(pod, line, length)
            if source.is_over:
                self._done.add(pod)
        except httpx2.HTTPStatusError as error:
            if code_of(error) not in ABSENT and pod not in self._unread:
                self._unread.add(pod)
                self._pass_on(f"{pod} (its log cannot be read: {why(error)}; it is asked again)")
        except (httpx2.HTTPError, httpx2.StreamError, OSError):
            if pod in self._last:
                self._pass_on(f"{pod} (the connection was lost and is made anew)")
        finally:
            del self._readers[pod]

    def _heard(self, pod: str, line: bytes, length: int) -> None:
        """Pass a line on that was not heard before. A node writes all its times alike, so that they sort as text."""
        self._unread.discard(pod)
        found = STAMP.match(line)
        kept, stamp = (self._last, found[0].strip()) if found else (self._remarks, line)
        if stamp <= kept.get(pod, b"") if found else stamp == kept.get(pod):
            return
        kept[pod] = stamp
        begin = found.end() if found else 0
        for text in texts(line[begin:], length - begin):
            self._pass_on(f"{pod} {text}")

    def _pass_on(self, line: str) -> None:
        if self._queue.full() or self._size + len(line) > HELD:
            self.dropped += 1
            return
        self._size += len(line)
        self._queue.put_nowait(line)


async def followed(api: Api, query: LogQuery) -> AsyncIterator[str]:
    """Yield the lines of pods that are there and of those that come."""
    pods = Followed(api, query)
    try:
        while True:
            await pods.look()
            look_again = time.monotonic() + LOOK_AGAIN
            # No timeout may span a yield: it would cancel the reader at whatever it does meanwhile.
            while (left := look_again - time.monotonic()) > 0:
                try:
                    async with asyncio.timeout(left):
                        line = await pods.take()
                except TimeoutError:
                    break
                if pods.dropped:
                    yield f"({counted(pods.dropped, 'line')} dropped: more came than were read)"
                    pods.dropped = 0
                yield line
    finally:
        pods.end()
