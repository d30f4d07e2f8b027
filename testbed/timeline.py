"""What a waiting person sees: which stage is being made, why, how long it usually takes, how much is left."""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from testbed.plan import Stage, time_left

COLUMNS = 80  # of a terminal that does not say


def duration(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Timeline:
    """Collects what happens; on a terminal it keeps the last lines alive, elsewhere it prints one line per event."""

    def __init__(self, todo: Sequence[Stage], usual: Mapping[str, float], sink: TextIO = sys.stderr) -> None:
        self.todo = list(todo)
        self.usual = usual
        self.sink = sink
        self.live = sink.isatty()
        self.started: dict[str, float] = {}
        self.drawn = 0
        self.lock = threading.Lock()

    def usually(self, stage: Stage) -> float:
        """How long a stage takes: measured here before, or the table's word."""
        return self.usual.get(stage.name, stage.usual)

    def described(self, stage: Stage) -> str:
        """A stage with what it makes and how long that usually takes."""
        return f"{stage.name}: {stage.title} (usually {duration(self.usually(stage))})"

    def left(self, now: float) -> float:
        """Seconds left, all stages together."""
        return time_left(self.todo, {name: now - moment for name, moment in self.started.items()}, self.usual)

    def begin(self, stage: Stage) -> None:
        """A stage starts."""
        with self.lock:
            self.started[stage.name] = time.monotonic()
            if not self.live:
                self.line(f"[....] {self.described(stage)}")

    def end(self, stage: Stage, note: str = "") -> float:
        """A stage is done; returns how long it took."""
        with self.lock:
            now = time.monotonic()
            took = now - self.started.pop(stage.name, now)
            self.todo = [other for other in self.todo if other.name != stage.name]
            rest = f"; about {duration(self.left(now))} left" if self.todo else ""
            self.line(f"[ ok ] {stage.name}: {note or duration(took)}{rest}")
            return took

    def fail(self, stage: Stage, why: str) -> None:
        """A stage failed."""
        with self.lock:
            self.started.pop(stage.name, None)
            self.line(f"[FAIL] {stage.name}: {why}")

    def tick(self) -> None:
        """Redraw what is under way, on a terminal only."""
        if not self.live:
            return
        with self.lock:
            self.wipe()
            # One that wraps is two on the screen, of which only one would be taken away.
            width = self.columns() - 1
            lines = [line[:width] for line in self.under_way(time.monotonic())]
            self.sink.write("".join(f"{line}\n" for line in lines))
            self.drawn = len(lines)
            self.sink.flush()

    def columns(self) -> int:
        """How wide the terminal is right now."""
        try:
            return os.get_terminal_size(self.sink.fileno()).columns or COLUMNS
        except (OSError, ValueError):
            return COLUMNS

    def under_way(self, now: float) -> list[str]:
        """One line per running stage and one for the whole."""
        table = {stage.name: stage for stage in self.todo}
        lines = [
            f"[{duration(now - moment):>12}] {self.described(table[name])}"
            for name, moment in self.started.items()
            if name in table
        ]
        return [*lines, f"{len(self.todo)} to go, about {duration(self.left(now))}"] if lines else []

    def line(self, text: str) -> None:
        """A line that stays."""
        self.wipe()
        self.sink.write(text + "\n")
        self.sink.flush()

    def wipe(self) -> None:
        """Take the live lines away."""
        if self.drawn:
            self.sink.write(f"\x1b[{self.drawn}F\x1b[J")
            self.drawn = 0
