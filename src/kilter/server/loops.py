"""The server's work in the background: step by step, for ever, whatever happens to one of them."""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from kilter.server.hub import Hub
from kilter.server.refusals import Unavailable

log = logging.getLogger("kilter.server")
LONGEST: Final = 5.0  # seconds between two tries of what fails
# Seconds without a failure until a trouble is over: longer than until a deploy is tried again that the cluster did not
# take. In between there may be nothing to do, which goes well whatever is away.
CALM: Final = 10.0
TOLD_AGAIN: Final = 600.0  # seconds after which the log says once more what still lasts
DIFFERENT: Final = 5  # reasons within that time; there are some that name another port each time


class Words(NamedTuple):
    """What the log says when the store or a server does not answer, when something unforeseen happens, and after it."""

    unavailable: str
    failed: str
    again: str


class Trouble:
    """What keeps a loop from its work: told when it begins, now and then while it lasts, and when it is over."""

    def __init__(self, words: Words, clock: Callable[[], float] = time.monotonic) -> None:
        self._words, self._clock = words, clock
        self._told = dict[str, float]()  # reasons, and when the log had them last
        self._began = self._failed = 0.0
        self._better: float | None = None  # the first time that it went well after the last failure
        self._failures = 0

    def met(self, error: Exception) -> None:
        """Note that a try failed."""
        now = self._clock()
        if self._better is not None and now - self._better >= CALM:
            self._end()  # since then it went well, and nobody had anything to do
        self._failed = now
        self._began = self._began if self._failures else now
        self._failures += 1
        self._better = None
        facts: dict[str, object] = {**error.facts} if isinstance(error, Unavailable) else {}
        reason = repr(facts or error)
        self._told = {each: when for each, when in self._told.items() if now - when < TOLD_AGAIN}
        if reason in self._told or len(self._told) >= DIFFERENT:
            return
        self._told[reason] = now
        lasts = round(now - self._began)
        facts |= {"seconds": lasts} if lasts else {}
        if isinstance(error, Unavailable):
            log.warning(self._words.unavailable, extra={"facts": facts})
        else:
            log.error(self._words.failed, exc_info=error, extra={"facts": facts})

    def passed(self) -> None:
        """Note that a try went well."""
        now = self._clock()
        self._better = now if self._better is None else self._better
        if now - self._failed >= CALM:
            self._end()

    def _end(self) -> None:
        if self._failures and self._better is not None:
            log.info(self._words.again, extra={"facts": {"seconds": round(self._better - self._began)}})
            self._failures = 0
            self._told.clear()

    def pause(self, every: float) -> float:
        """Return how many seconds to wait for the next try of what is done every so many seconds."""
        return min(LONGEST, every * 2.0 ** min(self._failures - 1, 16)) if self._failures else every


async def work(hub: Hub, topic: str, every: float, step: Callable[[], Awaitable[bool]], words: Words) -> None:
    """Take steps until there are none, whenever the topic is told of and every so many seconds, until cancelled."""
    trouble = Trouble(words)
    with hub.listen(topic) as listener:
        while True:
            try:
                while await step():
                    pass
                trouble.passed()
            except Exception as error:  # noqa: BLE001 - whatever it is, the log has it
                trouble.met(error)
            await listener.wait(trouble.pause(every))
