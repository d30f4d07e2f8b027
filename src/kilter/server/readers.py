"""Who reads logs, so that a few keep neither the memory nor the connections of this process to themselves."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OF_ACTOR = 8  # at once; of all tokens of one, since everybody may get themselves further ones
OF_ALL = 32
FOLLOWED = 24  # of all: who follows stays, and others must be able to look


class Readers:
    """The answers with logs that are being sent, by actor."""

    def __init__(self) -> None:
        self._reading = Counter[str]()
        self._followed = 0

    def has_room(self, actor: str, *, follow: bool) -> bool:
        """Tell whether one more may read, or follow."""
        if follow and self._followed >= FOLLOWED:
            return False
        return self._reading[actor] < OF_ACTOR and self._reading.total() < OF_ALL

    @contextmanager
    def reading(self, actor: str, *, follow: bool) -> Iterator[None]:
        """Count one who reads, or follows."""
        self._reading[actor] += 1
        self._followed += follow
        try:
            yield
        finally:
            self._followed -= follow
            self._reading[actor] -= 1
            self._reading += Counter()  # without those who are done
