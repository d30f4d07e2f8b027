"""Progress on standard error: plain lines, JSON lines, nothing, or a live list of steps on a terminal."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from kilter.cli.console import Style
from kilter.cli.streams import is_drawable, say
from kilter.progress import Progress, Step
from kilter.words import escaped_lines, human_duration


class Reporter(Progress, Protocol):
    """A Progress that is shown to somebody."""

    def end(self) -> None:
        """Show nothing more, whatever other threads still do: the command is over, and its error comes last."""


def reporter(style: Style, stream: TextIO, *, color: bool) -> Reporter:
    """Choose the reporter for a style; AUTO is live on a terminal that can be drawn on and plain elsewhere."""
    if style is Style.JSON:
        return JsonReporter(stream)
    if style is Style.QUIET:
        return QuietReporter(stream)
    if style is Style.AUTO and is_drawable(stream):
        from kilter.cli.live import LiveReporter

        return LiveReporter(stream, color=color)
    return PlainReporter(stream)


class LineStep:
    """A step that passes what it hears to its reporter, a text at a time."""

    def __init__(self, reporter: "LineReporter", title: str) -> None:
        self._reporter = reporter
        self._said = ""
        self._spoke = time.monotonic()
        self.title = title
        self.outcome = ""

    def note(self, text: str) -> None:
        """See `Step.note`; a log is not told each of them, and none twice in a row."""
        now = time.monotonic()
        if text != self._said and now - self._spoke >= self._reporter.quiet_for:
            self._said, self._spoke = text, now
            self._reporter.emit("note", self.title, text)

    def done(self, text: str) -> None:
        """See `Step.done`."""
        self.outcome = text


class LineReporter:
    """What the reporters that write line by line share; `quiet_for` seconds pass between two notes of a step."""

    quiet_for = 5.0

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """See `Progress.step`."""
        began = time.monotonic()
        step = LineStep(self, title)
        self.emit("begin", title, "")
        try:
            yield step
        except BaseException:
            self.emit("failed", title, step.outcome, time.monotonic() - began)
            raise
        self.emit("done", title, step.outcome, time.monotonic() - began)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self.emit("note", "", text)

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        self.emit("warning", "", text)

    def end(self) -> None:
        """See `Reporter.end`."""
        with self._lock:
            self._over = True

    def emit(self, event: str, title: str, text: str, seconds: float | None = None) -> None:
        """Write one event; the subclasses say how."""
        raise NotImplementedError

    def write(self, line: str) -> None:
        """Write one whole line."""
        with self._lock:
            if not self._over:
                say(self._stream, line + "\n")


class PlainReporter(LineReporter):
    """One line per event, for logs and for people who read them."""

    def emit(self, event: str, title: str, text: str, seconds: float | None = None) -> None:
        """See `LineReporter.emit`."""
        title, text = escaped_lines(title), escaped_lines(text)
        took = f" ({human_duration(seconds)})" if seconds is not None else ""
        tail = f": {text}" if text else ""
        if event == "begin":
            return
        if event == "note":
            self.write(f"  {title}{tail}" if title else text)
        elif event == "warning":
            self.write(f"warning: {text}")
        else:
            self.write(f"{'✓' if event == 'done' else '✗'} {title}{tail}{took}")


class JsonReporter(LineReporter):
    """One JSON object per event."""

    quiet_for = 0.5

    def emit(self, event: str, title: str, text: str, seconds: float | None = None) -> None:
        """See `LineReporter.emit`."""
        record: dict[str, object] = {"event": event}
        if title:
            record["step"] = title
        if text:
            record["text"] = text
        if seconds is not None:
            record["seconds"] = round(seconds, 3)
        self.write(json.dumps(record))


class QuietReporter(LineReporter):
    """Warnings alone."""

    def emit(self, event: str, title: str, text: str, seconds: float | None = None) -> None:
        """See `LineReporter.emit`."""
        if event == "warning":
            self.write(f"warning: {escaped_lines(text)}")
