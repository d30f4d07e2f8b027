"""Who waits for an acceptance goes before those whose deploy is accepted already, as long as that is soon over."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

GIVEN_WAY: Final = 0.5  # seconds from a rush's beginning; one that lasts must not keep anybody's deploy back


class Rush:
    """How many wait for an acceptance right now, of one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting = 0
        self._began = 0.0
        self._over = asyncio.Event()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count one who waits."""
        if not self._waiting:
            self._began = self._clock()
            self._over.clear()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._over.set()

    async def over(self) -> None:
        """Wait until nobody waits any more, but not for a rush that lasts."""
        left = self._began + GIVEN_WAY - self._clock()
        if self._waiting and left > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._over.wait()
