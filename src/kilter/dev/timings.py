"""How long each part of `up` took and what the rest waited for (`kilter up --timings`)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from kilter.progress import Progress, Step
from kilter.words import human_duration


@dataclass(frozen=True)
class Span:
    """One step: its title, and when it began and ended in seconds since the clock was started."""

    title: str
    began: float
    ended: float


@dataclass
class Timings:
    """A Progress that passes everything on and keeps the time."""

    inner: Progress
    spans: list[Span] = field(default_factory=list)
    zero: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """See `Progress.step`."""
        began = time.monotonic() - self.zero
        try:
            with self.inner.step(title) as step:
                yield step
        finally:
            with self._lock:
                self.spans.append(Span(title, began, time.monotonic() - self.zero))

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self.inner.note(text)

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        self.inner.warn(text)


def critical_path(spans: list[Span]) -> list[Span]:
    """Return the chain that decided the total: the last step to end, back over what ended last before each began."""
    chain: list[Span] = []
    before = float("inf")
    while candidates := [span for span in spans if span.ended <= before and span not in chain]:
        last = max(candidates, key=lambda span: span.ended)
        chain.insert(0, last)
        before = last.began + 0.02  # a step begins a moment after the one it waited for has ended
    return chain


def table(spans: list[Span]) -> str:
    """Write the steps in the order in which they began; `*` marks the critical path."""
    if not spans:
        return ""
    chain = critical_path(spans)
    total = max(span.ended for span in spans)
    lines = [f"  {'began':>7} {'took':>7}  step"]
    for span in sorted(spans, key=lambda span: span.began):
        mark = "*" if span in chain else " "
        took = human_duration(span.ended - span.began)
        lines.append(f"{mark} {human_duration(span.began):>7} {took:>7}  {span.title}")
    return "\n".join([*lines, f"  {human_duration(total):>15}  in all (* = what the rest waited for)"])
