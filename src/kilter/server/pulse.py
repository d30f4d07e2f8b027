"""When the cluster was last heard of: what is known of environments is true as of then."""

from dataclasses import dataclass
from typing import Final

from kilter.server import clock

# Whole watches say something every 100 seconds, or are begun anew; what is told is not to flicker with one of them.
SILENCE: Final = 3 * 60 * clock.SECOND


@dataclass
class Pulse:
    """The signs of life of one process's watch, in microseconds since 1970; None where there was none."""

    begun: int | None = None
    heard: int | None = None

    def begin(self, now: int) -> None:
        """Note since when one listens."""
        self.begun = now

    def beat(self, now: int) -> None:
        """Note a sign of life."""
        self.heard = now

    def as_of(self, recorded: int | None, now: int) -> int | None:
        """Return of when the state is that was recorded then; None where it is that of now."""
        last = self.begun if self.heard is None else self.heard
        if last is None or now - last < SILENCE:
            return None
        # Another process may have heard more.
        return max(filter(None, (self.heard, recorded)), default=None)
