"""Several logs read at once: their lines come in the order in which they arrive."""

import queue
import threading
from dataclasses import dataclass, field
from typing import NamedTuple

from kilter.errors import KilterError
from kilter.proc import Command, Runner

WAITING = 1000  # lines read ahead; who prints more waits


class Log(NamedTuple):
    """What is read: whose it is, its pod, and the container in it, which is empty for all of them."""

    name: str
    pod: str
    container: str = ""


class Line(NamedTuple):
    """A line of a log."""

    log: Log
    text: str


class Ended(NamedTuple):
    """The end of a log, and why it could not be read further, if so."""

    log: Log
    error: KilterError | None


@dataclass
class Readers:
    """A thread per log; `running` are the logs whose end was not taken yet."""

    runner: Runner
    running: set[Log] = field(default_factory=set)
    _read: "queue.Queue[Line | Ended]" = field(default_factory=lambda: queue.Queue(WAITING))

    def begin(self, log: Log, command: Command) -> None:
        """Begin to read what a command prints."""
        self.running.add(log)
        threading.Thread(target=self._follow, args=(log, command), daemon=True).start()

    def take(self, timeout: float | None = None) -> Line | Ended | None:
        """Return the next line or end; None after so many seconds without one."""
        try:
            taken = self._read.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(taken, Ended):
            self.running.discard(taken.log)
        return taken

    def _follow(self, log: Log, command: Command) -> None:
        error = None
        try:
            for line in self.runner.stream(command):
                self._read.put(Line(log, line))
        except KilterError as caught:
            error = caught
        finally:
            self._read.put(Ended(log, error))
