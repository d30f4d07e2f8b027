"""The work queue: which key is to be looked at next. No clock, no threads and no I/O, so that tests can drive it."""

import heapq
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """How long a key that failed n times in a row waits, in seconds: `first` doubled each time, at most `cap`."""

    first: float = 0.5
    cap: float = 120.0

    def delay(self, failures: int) -> float:
        """Return the wait after that many failures in a row, at least one."""
        return self.cap if failures > 60 else min(self.cap, self.first * 2.0 ** (failures - 1))


@dataclass
class WorkQueue(Generic[Key]):
    """Keys that wait for work: each at most once, none given out while it is being worked on.

    What changed goes before what is looked at as a matter of routine. Callers pass the time, in seconds of a clock that
    never goes back. The queue is not thread-safe.
    """

    backoff: Backoff = field(default_factory=Backoff)
    _fresh: deque[Key] = field(default_factory=deque)
    _routine: deque[Key] = field(default_factory=deque)
    _waiting: dict[Key, bool] = field(default_factory=dict)  # in a lane; True: the fresh one
    _working: dict[Key, bool | None] = field(default_factory=dict)  # given out; and the lane it was added to meanwhile
    _due: dict[Key, float] = field(default_factory=dict)
    _timers: list[tuple[float, int, Key]] = field(default_factory=list)
    _failures: dict[Key, int] = field(default_factory=dict)
    _count: int = 0  # so that timers of the same time never compare keys

    def __len__(self) -> int:
        """Return how many keys wait in a lane; those being worked on and those not yet due are not among them."""
        return len(self._waiting)

    def add(self, key: Key, *, routine: bool = False) -> None:
        """Ask for a look at a key as soon as may be; one that is being worked on gets another look afterwards."""
        if key in self._working:
            self._working[key] = bool(self._working[key]) or not routine
        elif key not in self._waiting:
            self._waiting[key] = not routine
            (self._routine if routine else self._fresh).append(key)
        elif not routine and not self._waiting[key]:
            self._waiting[key] = True  # its place in the routine lane becomes void
            self._fresh.append(key)

    def add_after(self, key: Key, delay: float, now: float) -> None:
        """Ask for a look after some seconds; of several such wishes the earliest counts."""
        due = now + delay
        if key not in self._due or due < self._due[key]:
            self._due[key] = due
            self._count += 1
            heapq.heappush(self._timers, (due, self._count, key))

    def add_failed(self, key: Key, now: float, first: float | None = None) -> float:
        """Ask for another look at a key that failed, later each time, `first` at first; returns the delay."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self.backoff.delay(self._failures[key])
        if first is not None and self._failures[key] == 1:
            delay = first
        self.add_after(key, delay, now)
        return delay

    def forget(self, key: Key) -> None:
        """Note that a key went well: its next failure counts as the first."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """Return how often in a row the key has failed."""
        return self._failures.get(key, 0)

    def take(self, now: float) -> Key | None:
        """Return the next key to work on, or None; `done` must follow."""
        self._promote(now)
        for lane, fresh in ((self._fresh, True), (self._routine, False)):
            while lane:
                key = lane.popleft()
                if self._waiting.get(key) is fresh:
                    del self._waiting[key]
                    self._working[key] = None
                    return key
        return None

    def done(self, key: Key) -> None:
        """Give a key back; whoever asked for it meanwhile gets another look."""
        asked = self._working.pop(key)
        if asked is not None:
            self.add(key, routine=not asked)

    def next_due(self) -> float | None:
        """Return when the next delayed key is due, or None when none is delayed."""
        while self._timers and self._due.get(self._timers[0][2]) != self._timers[0][0]:
            heapq.heappop(self._timers)  # an earlier wish took its place
        return self._timers[0][0] if self._timers else None

    def _promote(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._timers)
            del self._due[key]
            self.add(key)
