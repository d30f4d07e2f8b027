"""Live steps on a terminal: what is under way, for how long, and what it waits for; finished steps stay as lines."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from kilter.cli.streams import Unheard
from kilter.progress import Step
from kilter.words import escaped_lines, human_duration


def console_on(terminal: TextIO, *, color: bool) -> RichConsole:
    """Return what draws on a terminal; that it is one was decided, whatever Rich makes of the user's variables."""
    return RichConsole(file=terminal, force_terminal=True, no_color=not color, highlight=False, soft_wrap=False)


def draw(texts: Iterable[str], stream: TextIO, *, color: bool) -> None:
    """Show one text after the other in the same place; the last one stays, whatever ends the sequence."""
    console = console_on(stream, color=color)
    following = iter(texts)
    first = next(following, "")  # before anything is drawn: it may raise, or show progress of its own
    with Live(Text(first), console=console, auto_refresh=False) as live:
        for text in following:
            live.update(Text(text), refresh=True)


class LiveStep:
    """A step that is being drawn."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.began = time.monotonic()
        self.said = ""
        self.outcome = ""
        self.spinner = Spinner("dots", style="cyan")

    def note(self, text: str) -> None:
        """See `Step.note`."""
        self.said = escaped_lines(text)

    def done(self, text: str) -> None:
        """See `Step.done`."""
        self.outcome = escaped_lines(text)

    def line(self) -> Text:
        """Draw the step as it stands now, in one line however narrow the terminal is."""
        now = time.monotonic()
        sign = cast("Text", self.spinner.render(now))
        text = Text.assemble(sign, f" {self.title} ", no_wrap=True, overflow="ellipsis")
        text.append(human_duration(now - self.began), style="dim")
        if self.said:
            text.append(f"  {self.said}", style="dim")
        return text


class LiveReporter:
    """Draws the running steps at the bottom of the terminal and prints each one as it ends."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        file = cast("TextIO", Unheard(stream))  # a terminal may vanish, under a command that does not hear of its end
        self._console = console_on(file, color=color)
        self._lock = threading.RLock()
        self._steps: list[LiveStep] = []
        self._live: Live | None = None
        self._over = False

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """See `Progress.step`."""
        step = LiveStep(title)
        with self._lock:
            self._steps.append(step)
            self._draw()
        mark, style = "✗", "bold red"
        try:
            yield step
            mark, style = "✓", "green"
        finally:
            self._end(step, mark, style)

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self._print(Text(escaped_lines(text)))

    def warn(self, text: str) -> None:
        """See `Progress.warn`."""
        self._print(Text.assemble(("! ", "bold yellow"), escaped_lines(text)))

    def end(self) -> None:
        """See `Reporter.end`; what is under way vanishes, and the cursor is shown again."""
        with self._lock:
            self._over = True
            self._steps.clear()
            self._stop()

    def _end(self, step: LiveStep, mark: str, style: str) -> None:
        line = Text.assemble((f"{mark} ", style), step.title)
        if step.outcome:
            line.append(f"  {step.outcome}", style="dim")
        line.append(f"  {human_duration(time.monotonic() - step.began)}", style="dim")
        with self._lock:
            if step in self._steps:
                self._steps.remove(step)
            self._print(line)
            if not self._steps:
                self._stop()

    def _print(self, line: Text) -> None:
        with self._lock:
            if not self._over:
                self._console.print(line)

    def _stop(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        if self._live is None and not self._over:
            self._live = Live(get_renderable=self._lines, console=self._console, refresh_per_second=8, transient=True)
            self._live.start()

    def _lines(self) -> Group:
        return Group(*(step.line() for step in list(self._steps)))
