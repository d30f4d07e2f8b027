"""How long work tells what it is doing, without knowing who listens: a terminal, a log, a program, or nobody."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import msgspec


class Step(Protocol):
    """One piece of work that is under way."""

    def note(self, text: str) -> None:
        """Say what the step is doing or waiting for right now."""

    def done(self, text: str) -> None:
        """Say in a few words what came of the step; shown when it ends."""


class Progress(Protocol):
    """Where work reports to. Implementations may be called from several threads."""

    def step(self, title: str) -> AbstractContextManager[Step]:
        """Open a step; leaving the context ends it, an exception marks it failed."""

    def note(self, text: str) -> None:
        """One line for the user that belongs to no step."""

    def warn(self, text: str) -> None:
        """One line that the user should act on."""


class Recorder(msgspec.Struct):
    """A Progress that keeps what it was told, for tests and for `--timings`."""

    lines: list[str] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Record the step's begin, its notes, and how it ended."""
        self.lines.append(f"step: {title}")
        try:
            yield RecordedStep(self, title)
        except BaseException:
            self.lines.append(f"failed: {title}")
            raise

    def note(self, text: str) -> None:
        """Record a line."""
        self.lines.append(f"note: {text}")

    def warn(self, text: str) -> None:
        """Record a warning."""
        self.lines.append(f"warn: {text}")


class RecordedStep(msgspec.Struct):
    """A step of a Recorder."""

    recorder: Recorder
    title: str

    def note(self, text: str) -> None:
        """Record what the step says."""
        self.recorder.lines.append(f"{self.title}: {text}")

    def done(self, text: str) -> None:
        """Record how the step ended."""
        self.recorder.lines.append(f"{self.title}: done: {text}")
