"""List and watch: keeps a store equal to what the API server has of one kind, through every way a watch can fail.

A watch goes on from the last version it saw, which bookmarks keep up to date, so that an ended stream costs nothing. It
starts over with a list when that version is too old (410), and when the stream has been silent for longer than the
server lets pass between two bookmarks: a connection that died without a word looks just like a quiet cluster (F30).
A list that is older than what was seen ends it, and the operator with it.
"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx2
import msgspec

from kilter.errors import Failed
from kilter.operator.kinds import Kind
from kilter.operator.kube import Gone, KubeError, Missing, error_of
from kilter.operator.store import Entry, Place, Store

LOG = logging.getLogger("kilter.operator.watch")
T = TypeVar("T")
ACCEPT_METADATA = "application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1"


@dataclass(frozen=True)
class Source(Generic[T]):
    """What is watched: a kind, in one namespace or in all, the objects that a label selector chooses, and their form.

    With `metadata_only` the server leaves everything but the metadata out, so that no content reaches this process.
    What is `dispensable` keeps nobody from leading: an older chart gave no right to it.
    """

    kind: Kind
    decode: Callable[[msgspec.Raw], T]
    namespace: str = ""
    selector: str = ""
    metadata_only: bool = False
    dispensable: bool = False

    @property
    def parameters(self) -> dict[str, str]:
        """The query parameters of list and watch alike."""
        return {"labelSelector": self.selector} if self.selector else {}

    def headers(self, *, listing: bool) -> dict[str, str]:
        """The header that asks for the form."""
        form = ACCEPT_METADATA.format(list="List" if listing else "")
        return {"Accept": form if self.metadata_only else "application/json"}


@dataclass(frozen=True)
class Limits:
    """Times in seconds. A bookmark comes about every minute, so a longer silence is none of a healthy server's."""

    silence: float = 100.0
    lifetime: int = 270  # after which the server ends the stream; a little less for some, so that not all end at once
    page: int = 500
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait(self, failures: int) -> float:
        """Return how long to wait after that many failures in a row; never the same for all watches."""
        bound = min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 16))
        return bound * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = "0"
    name: str = ""
    namespace: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class _Head(msgspec.Struct):
    metadata: _Metadata


class _List(msgspec.Struct):
    metadata: _Metadata
    items: list[msgspec.Raw] | None = None  # Go writes an empty list as null


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class Rewound(Failed):
    """The API server is an earlier state of itself: nothing that this process remembers can be told from what is."""


class _Silent(Exception):
    """Nothing was heard for too long."""


@dataclass
class Watch(Generic[T]):
    """Keeps one store. `notify` is called, on the event loop, with the place of everything that changed."""

    client: httpx2.AsyncClient
    source: Source[T]
    store: Store[T]
    notify: Callable[[Place], None]
    limits: Limits = field(default_factory=Limits)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    absent: bool = False  # the cluster does not know the kind
    restarts: "Counter[str]" = field(default_factory=Counter)
    events: int = 0
    # Since the last list, which alone proves nothing: an event came, or a stream stood for a second.
    _lived: bool = False

    async def run(self) -> None:
        """List and watch until cancelled; whatever fails is tried again, later each time. Raises Rewound."""
        failures = 0
        while True:
            self._lived = False
            try:
                await self._follow(await self._list())
            except Gone:
                self.restarts["gone"] += 1
                failures = 1 if self._lived else failures + 1
                if failures > 1:  # one comes with time; more in a row from a server that forgets what it has just said
                    await asyncio.sleep(self.limits.wait(failures - 1))
            except _Silent:
                self.restarts["silence"] += 1
                failures = 0
            except (KubeError, httpx2.HTTPError, msgspec.DecodeError) as error:
                failures = 1 if self._lived else failures + 1
                what = error.why if isinstance(error, KubeError) else type(error).__name__
                LOG.warning("a watch failed: %s", what, extra={"kind": self.source.kind.kind})
                self.absent = isinstance(error, Missing)
                if self.absent:
                    await self._forget()
                if self.source.dispensable and isinstance(error, KubeError) and error.code == 403:
                    self.store.refused = what
                    self.synced.set()
                self.restarts["absent" if self.absent else "error"] += 1
                await asyncio.sleep(self.limits.wait(failures))

    async def _list(self) -> int:
        """Read everything, page by page, into the store; returns the version that it was read at."""
        found: dict[Place, Entry[T]] = {}
        parameters = {**self.source.parameters, "limit": str(self.limits.page)}
        while True:
            answer = await self.client.get(self._path, params=parameters, headers=self.source.headers(listing=True))
            if not answer.is_success:
                raise error_of(answer.status_code, answer.content)
            page = msgspec.json.decode(answer.content, type=_List)
            for raw in page.items or ():
                place, entry = self._entry(raw)
                found[place] = entry
            if not page.metadata.continue_:
                break
            parameters["continue"] = page.metadata.continue_
        version = int(page.metadata.resource_version)
        if version < self.store.seen:
            raise Rewound(
                f"the API server says that {self.source.kind.plural} are as they were before",
                why=f"it is at version {version} and was at {self.store.seen}: it came back from a backup",
                hint="the operator begins anew with what there is",
            )
        self._tell(self.store.replace(found, version))
        self.absent, self.store.refused = False, ""
        self.synced.set()
        return version

    async def _follow(self, version: int) -> None:
        """Watch from a version on, stream after stream; raises Gone or _Silent when a list is needed."""
        broken = 0
        while True:
            began = asyncio.get_running_loop().time()
            try:
                async for line in self._stream(version):
                    version = self._take(line, version)
            except httpx2.ReadTimeout:
                raise _Silent from None
            except (httpx2.TransportError, httpx2.StreamError):
                self.restarts["broken"] += 1
            # A stream that ends at once is a fault of the server, whatever it says; do not turn that into a storm.
            broken = broken + 1 if asyncio.get_running_loop().time() - began < 1.0 else 0
            self._lived = self._lived or not broken
            if broken:
                await asyncio.sleep(self.limits.wait(broken))

    async def _stream(self, version: int) -> AsyncIterator[bytes]:
        """Yield the lines of one watch."""
        lifetime = int(self.limits.lifetime * random.uniform(0.8, 1.0))  # noqa: S311 - see `Limits.wait`
        parameters = {
            **self.source.parameters,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": str(version),
            "timeoutSeconds": str(max(1, lifetime)),
        }
        timeout = httpx2.Timeout(10.0, read=self.limits.silence)
        headers = self.source.headers(listing=False)
        async with self.client.stream("GET", self._path, params=parameters, headers=headers, timeout=timeout) as answer:
            if not answer.is_success:
                raise error_of(answer.status_code, await answer.aread())
            async for line in _lines(answer.aiter_bytes()):
                yield line

    def _take(self, line: bytes, version: int) -> int:
        """Take one event into the store and return the version that the watch has reached."""
        event = msgspec.json.decode(line, type=_Event)
        if event.type == "ERROR":
            said = msgspec.json.decode(event.object)
            raise error_of(int(said.get("code", 500)), bytes(event.object))
        head = msgspec.json.decode(event.object, type=_Head).metadata
        reached, self._lived = int(head.resource_version), True
        if event.type == "BOOKMARK":
            self.store.advance(reached)
            return reached
        place = (head.namespace, head.name)
        entry = None if event.type == "DELETED" else Entry(reached, self.source.decode(event.object))
        self.store.update(place, entry, reached)
        self._tell({place})
        return max(version, reached)

    async def _forget(self) -> None:
        """The kind is unknown: there is nothing of it, and that is an answer too."""
        self._tell(self.store.replace({}, self.store.seen))
        self.synced.set()

    def _entry(self, raw: msgspec.Raw) -> tuple[Place, Entry[T]]:
        head = msgspec.json.decode(raw, type=_Head).metadata
        return (head.namespace, head.name), Entry(int(head.resource_version), self.source.decode(raw))

    def _tell(self, places: set[Place]) -> None:
        self.events += len(places)
        for place in places:
            self.notify(place)

    @property
    def _path(self) -> str:
        return self.source.kind.path(self.source.namespace)


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Cut at line feeds alone: the characters that Python also takes for ends of lines may stand inside of JSON."""
    held = b""
    async for piece in pieces:
        *whole, held = (held + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line
