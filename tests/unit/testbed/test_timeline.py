"""What a waiting person reads."""

import io
from pathlib import Path
from typing import Any

import pytest

from testbed.plan import Stage
from testbed.timeline import Timeline, duration


def nothing(_: Any, __: Path) -> None:
    """Builds nothing."""


GO = Stage("tilt", "Tilt, compiled", nothing, usual=200.0, compiles=True)
IMAGE = Stage("redis", "image redis:8", nothing, usual=15.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.34, "0.3 s"), (12.4, "12 s"), (61.0, "1 min 01 s"), (3600.0, "60 min 00 s")]
)
def test_durations_read_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_off_a_terminal_every_event_is_one_plain_line() -> None:
    sink = io.StringIO()
    timeline = Timeline([GO, IMAGE], {"tilt": 100.0}, sink)
    timeline.begin(GO)
    timeline.begin(IMAGE)
    timeline.end(IMAGE, "made")
    timeline.fail(GO, "it broke")
    timeline.tick()
    lines = sink.getvalue().splitlines()
    assert lines[0] == "[....] tilt: Tilt, compiled (usually 1 min 40 s)"
    assert lines[1] == "[....] redis: image redis:8 (usually 15 s)"
    assert lines[2].startswith("[ ok ] redis: made; about 1 min")
    assert lines[3:] == ["[FAIL] tilt: it broke"]
    assert "\x1b" not in sink.getvalue()


def test_under_way_tells_each_stage_and_the_whole() -> None:
    timeline = Timeline([GO, IMAGE], {}, io.StringIO())
    timeline.started = {"tilt": 100.0}
    assert timeline.under_way(150.0) == [
        "[        50 s] tilt: Tilt, compiled (usually 3 min 20 s)",
        "2 to go, about 2 min 30 s",
    ]


class Terminal(io.StringIO):
    """A terminal that does not say how wide it is."""

    def isatty(self) -> bool:
        return True


def test_a_line_that_is_drawn_again_is_never_wider_than_the_terminal() -> None:
    sink = Terminal()
    timeline = Timeline([Stage("tilt", "Tilt, " * 20, nothing, usual=200.0)], {}, sink)
    timeline.begin(timeline.todo[0])
    timeline.tick()
    timeline.tick()
    assert len(sink.getvalue().splitlines()[0]) == 79
    assert "\x1b[2F\x1b[J" in sink.getvalue()


def test_nothing_is_drawn_when_nothing_is_under_way() -> None:
    assert Timeline([GO], {}, io.StringIO()).under_way(0.0) == []
