"""Who reads logs, so that a few keep neither the memory nor the connections of this process to themselves."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OF_TOKEN = 8  # at once
OF_ALL = 32


class Readers:
    """The answers with logs that are being sent, by token."""

    def __init__(self) -> None:
        self._reading = Counter[str]()

    def has_room(self, token_id: str) -> bool:
        """Tell whether one more may read."""
        return self._reading[token_id] < OF_TOKEN and self._reading.total() < OF_ALL

    @contextmanager
    def reading(self, token_id: str) -> Iterator[None]:
        """Count one who reads."""
        self._reading[token_id] += 1
        try:
            yield
        finally:
            self._reading[token_id] -= 1
            self._reading += Counter()  # without those who are done
