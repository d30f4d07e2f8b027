"""What a command says last, while other threads still work: a download goes on until the process ends."""

import io
import sys
import threading
from collections.abc import Iterator

import click
import pytest

from kilter.cli import main
from kilter.cli.main import Verb, run
from kilter.errors import MachineLacks
from kilter.progress import Progress

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Leaving:
    """A verb that ends while another thread has a step under way, and begins one more."""

    def __init__(self) -> None:
        self.screen = Terminal()
        self.begun, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.error: BaseException | None = None
        self.progress: Progress

    def work(self) -> None:
        with self.progress.step("fetch kind"):
            self.begun.set()
            self.over.wait(20)
        with self.progress.step("fetch helm"):
            self.progress.note("on the way")
            self.progress.warn("slow")

    def run(self, *arguments: str) -> int:
        """Run the verb on the terminal; only now, since pytest has a stream of its own for each phase of a test."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", self.screen)
            return run([*arguments, "version"])

    def __call__(self) -> None:
        self.progress = click.get_current_context().find_root().meta["kilter.console"].progress
        self.thread.start()
        assert self.begun.wait(20)
        if self.error:
            raise self.error

    def finish(self) -> str:
        """Let the thread end and return all that the screen was sent."""
        self.over.set()
        self.thread.join()
        return self.screen.getvalue()


command: click.Command


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Iterator[Leaving]:
    """What `kilter version` is."""
    monkeypatch.setenv("TERM", "xterm")
    made = Leaving()
    monkeypatch.setattr(sys.modules[__name__], "command", click.Command("version", callback=made), raising=False)
    monkeypatch.setitem(main.VERBS, "version", Verb(__name__, "End early."))
    yield made
    made.finish()


@pytest.mark.requirement("LC-Q22")
@pytest.mark.parametrize("error", [MachineLacks("no engine"), KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_is_the_last_thing_on_a_terminal(error: BaseException, verb: Leaving) -> None:
    verb.error = error
    assert verb.run() != 0
    said = verb.screen.getvalue()
    assert said.rindex(HIDDEN) < said.rindex(SHOWN) < said.rindex("error:")
    assert verb.finish() == said


@pytest.mark.parametrize("style", ["plain", "json", "quiet"])
def test_an_error_is_the_last_line(style: str, verb: Leaving) -> None:
    verb.error = MachineLacks("no engine")
    assert verb.run("--progress", style) == 4
    assert "no engine" in verb.finish().splitlines()[-1]


def test_a_terminal_has_its_cursor_again_where_no_error_is_told(verb: Leaving) -> None:
    assert verb.run() == 0
    said = verb.screen.getvalue()
    assert said.rindex(HIDDEN) < said.rindex(SHOWN)
    assert verb.finish() == said
