"""Progress on standard error, in each of its forms."""

import io
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest
from rich.console import Console as RichConsole

from kilter.cli.console import Style
from kilter.cli.live import LiveReporter
from kilter.cli.reporters import JsonReporter, LineReporter, PlainReporter, QuietReporter, reporter
from kilter.errors import Failed
from kilter.progress import Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told(progress: Progress) -> None:
    """Tell a reporter one of everything, a failing step last."""
    progress.note("plain words")
    progress.warn("look out")
    with progress.step("create the cluster") as step:
        step.note("pulling")
        step.done("one node")
    with progress.step("empty"):
        pass
    with pytest.raises(Failed), progress.step("start Tilt"):
        raise Failed("no")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that the test moves; it stands still by itself."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.usefixtures("clock")
def test_plain_progress_is_one_line_per_event_and_no_control_character() -> None:
    stream = io.StringIO()
    told(PlainReporter(stream))
    assert stream.getvalue().splitlines() == [
        "plain words",
        "warning: look out",
        "✓ create the cluster: one node (0.0s)",
        "✓ empty (0.0s)",
        "✗ start Tilt (0.0s)",
    ]


@pytest.mark.usefixtures("clock")
@pytest.mark.requirement("C15")
@pytest.mark.parametrize("kind", [PlainReporter, QuietReporter, LiveReporter, JsonReporter])
def test_what_others_say_in_progress_cannot_drive_the_terminal(
    kind: Callable[..., Progress], clock: list[float]
) -> None:
    screen = io.StringIO()
    progress = live_on(screen) if kind is LiveReporter else kind(screen)
    progress.warn("\x1b]0;owned\x07")
    progress.note("\x1b]0;owned\x07")
    with progress.step("wait") as step:
        clock[0] += 60
        step.note("\x1b]0;owned\x07")
        step.done("\x1b]0;owned\x07")
    assert "owned" in screen.getvalue()
    assert "\x1b]" not in screen.getvalue()
    assert "\x07" not in screen.getvalue()


@pytest.mark.usefixtures("clock")
def test_json_progress_is_one_object_per_line() -> None:
    stream = io.StringIO()
    told(JsonReporter(stream))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "note", "text": "plain words"},
        {"event": "warning", "text": "look out"},
        {"event": "begin", "step": "create the cluster"},
        {"event": "done", "step": "create the cluster", "text": "one node", "seconds": 0.0},
        {"event": "begin", "step": "empty"},
        {"event": "done", "step": "empty", "seconds": 0.0},
        {"event": "begin", "step": "start Tilt"},
        {"event": "failed", "step": "start Tilt", "seconds": 0.0},
    ]


def test_json_progress_survives_any_text() -> None:
    stream = io.StringIO()
    JsonReporter(stream).note('a"b\nc\x1b[31m\udcff ✓')
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["text"] == 'a"b\nc\x1b[31m\udcff ✓'


def test_quiet_progress_is_warnings_alone() -> None:
    stream = io.StringIO()
    told(QuietReporter(stream))
    assert stream.getvalue() == "warning: look out\n"


def test_a_log_hears_of_a_long_wait_now_and_then_and_never_twice_the_same(clock: list[float]) -> None:
    stream = io.StringIO()
    with PlainReporter(stream).step("wait") as step:
        for second in range(30):
            clock[0] = 100.0 + second
            step.note("redis is starting" if second < 20 else "redis answers")
    assert stream.getvalue().splitlines() == [
        "  wait: redis is starting",
        "  wait: redis answers",
        "✓ wait (29s)",
    ]


@pytest.mark.parametrize(("kind", "most"), [(PlainReporter, 7), (JsonReporter, 62)])
def test_a_chatty_step_does_not_flood_the_log(kind: type[LineReporter], most: int, clock: list[float]) -> None:
    stream = io.StringIO()
    with kind(stream).step("wait") as step:
        for tenth in range(300):
            clock[0] = 100.0 + tenth / 10
            step.note(f"{tenth} of 300")
    assert 3 < len(stream.getvalue().splitlines()) <= most


def test_lines_of_several_threads_stay_whole() -> None:
    stream = io.StringIO()
    progress = JsonReporter(stream)

    def work(number: int) -> None:
        for _ in range(50):
            with progress.step(f"step {number}" * 50):
                progress.note("x" * 200)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 4 * 50 * 3


@pytest.mark.parametrize(
    ("style", "stream", "kind"),
    [
        (Style.AUTO, io.StringIO(), PlainReporter),
        (Style.AUTO, Terminal(), LiveReporter),
        (Style.PLAIN, Terminal(), PlainReporter),
        (Style.JSON, Terminal(), JsonReporter),
        (Style.QUIET, Terminal(), QuietReporter),
    ],
)
def test_progress_is_live_on_a_terminal_alone(
    style: Style, stream: io.StringIO, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TERM", raising=False)
    assert type(reporter(style, stream, color=True)) is kind


def test_progress_on_a_terminal_that_cannot_be_drawn_on_is_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert type(reporter(Style.AUTO, Terminal(), color=True)) is PlainReporter


def live(width: int = 80, *, color: bool = False) -> tuple[LiveReporter, io.StringIO]:
    """Return a live reporter on a terminal that remembers what is written."""
    screen = Terminal()
    return live_on(screen, width, color=color), screen


def live_on(screen: io.StringIO, width: int = 80, *, color: bool = False) -> LiveReporter:
    """Return a live reporter that takes a stream for a terminal."""
    progress = LiveReporter(screen, color=color)
    progress._console = RichConsole(
        file=screen, force_terminal=True, width=width, no_color=not color, highlight=False, color_system="standard"
    )
    return progress


def plain(screen: io.StringIO) -> str:
    """Return what was written, without the styles."""
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


def test_live_steps_stay_as_lines_when_they_end() -> None:
    progress, screen = live()
    told(progress)
    shown = plain(screen)
    for line in ("plain words", "! look out", "✓ create the cluster  one node", "✓ empty", "✗ start Tilt"):
        assert line in shown
    assert progress._live is None
    assert screen.getvalue().rstrip("\r").endswith("\x1b[?25h"), "the cursor must be shown again"


def test_live_steps_may_overlap_and_end_in_any_order() -> None:
    progress, screen = live()
    first, second = progress.step("first"), progress.step("second")
    first.__enter__()
    inner = second.__enter__()
    inner.note("a note")
    first.__exit__(None, None, None)
    assert progress._live is not None
    second.__exit__(None, None, None)
    assert progress._live is None
    assert screen.getvalue().index("✓ first") < screen.getvalue().index("✓ second")


@pytest.mark.parametrize("width", [1, 10, 400])
def test_live_steps_fit_terminals_of_any_width(width: int) -> None:
    progress, screen = live(width)
    with progress.step("a title that is longer than the terminal") as step:
        step.note("[bold]not markup[/nonsense] " * 20)
        progress._live.refresh()  # type: ignore[union-attr]
        step.done("[/]")
    assert screen.getvalue()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_live_step_takes_one_line_of_a_narrow_terminal(width: int) -> None:
    progress, _ = live(width)
    with progress.step("wait until every service and app answers") as step, progress.step("download kind 0.33.0"):
        step.note("postgres is starting (pulling its image); shop waits for postgres; worker waits for postgres")
        lines = progress._console.render_lines(progress._lines())
    assert len(lines) == 2
    assert "…" in "".join(segment.text for segment in lines[0])


def test_live_text_is_shown_as_it_is_and_never_read_as_markup() -> None:
    progress, screen = live()
    with progress.step("build [red]web[/red]") as step:
        step.done("[link=x]y")
    assert "✓ build [red]web[/red]  [link=x]y" in plain(screen)


@pytest.mark.parametrize("color", [True, False])
def test_live_colors_can_be_switched_off(color: bool) -> None:
    progress, screen = live(color=color)
    with progress.step("one"):
        pass
    assert ("\x1b[32m" in screen.getvalue()) is color


@pytest.fixture
def vanished(monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """A terminal whose window was closed under a command that does not hear of it, as with `nohup`."""
    monkeypatch.setenv("TERM", "xterm")
    window, ours = os.openpty()
    with os.fdopen(ours, "w") as stream:
        assert stream.isatty()
        os.close(window)
        yield stream


@pytest.mark.parametrize("kind", [Style.PLAIN, Style.JSON, Style.QUIET, None])
def test_a_terminal_that_vanishes_stops_no_work(kind: Style | None, vanished: TextIO) -> None:
    told(reporter(kind, vanished, color=True) if kind else LiveReporter(vanished, color=True))


def test_a_terminal_may_vanish_while_a_step_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    window, ours = os.openpty()
    done = []
    with os.fdopen(ours, "w") as stream:
        progress = LiveReporter(stream, color=True)
        with progress.step("create the cluster") as step:
            progress._live.refresh()  # type: ignore[union-attr]
            os.close(window)
            progress._live.refresh()  # type: ignore[union-attr]
            step.done("one node")
            done.append("it")
    assert done == ["it"]
