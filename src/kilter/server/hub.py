"""News inside this process: who waits for a deploy is woken when something is recorded of it."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, Self

DISPATCH: Final = "dispatch"  # topic: a deploy may be ready for the cluster
IMAGES: Final = "images"  # topic: an environment may be gone, its images still there


class Hub:
    """Topics, each a set of waiters. News that nobody waits for is nothing: the store keeps the events."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def tell(self, topics: Iterable[str]) -> None:
        """Wake everybody who waits for one of these."""
        for topic in topics:
            for event in self._waiting.get(topic, ()):
                event.set()

    def tell_everybody(self) -> None:
        """Wake all who wait, for whatever."""
        self.tell(self.topics())

    def topics(self) -> tuple[str, ...]:
        """Return what somebody waits for."""
        return tuple(self._waiting)

    def waiting(self) -> int:
        """Return how many wait, for whatever."""
        return sum(len(events) for events in self._waiting.values())

    def listen(self, topic: str) -> "Listener":
        """Begin to listen; what is told from now on is not missed."""
        return Listener(self._waiting, topic)


class Listener:
    """One who waits; as a context it stops listening at the end."""

    def __init__(self, waiting: "defaultdict[str, set[asyncio.Event]]", topic: str) -> None:
        self._waiting, self._topic, self._event = waiting, topic, asyncio.Event()

    def __enter__(self) -> Self:
        self._waiting[self._topic].add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        self._waiting[self._topic].discard(self._event)
        if not self._waiting[self._topic]:
            del self._waiting[self._topic]

    async def wait(self, seconds: float) -> bool:
        """Wait until something is told, at most so long; tells whether something was."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
