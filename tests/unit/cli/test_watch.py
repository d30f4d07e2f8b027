"""`kilter status --watch`: what is drawn, what is printed, and how it ends."""

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from unit.cli.test_verbs import Terminal

from kilter.cli.console import Console, Frame
from kilter.cli.views import watched
from kilter.dev import status
from kilter.dev.documents import PodRow, StatusDocument, WorkloadRow
from kilter.errors import KilterError, MachineLacks, NotFound


def document(age: float = 1.0, restarts: int = 0) -> StatusDocument:
    pod = PodRow(name="redis-0", ready=True, restarts=restarts, age=age, phase="Running")
    row = WorkloadRow(name="redis", kind="service", ready=True, reason="", pods=[pod])
    return StatusDocument(project="shop", state="up", ready=True, cluster="kilter-shop", workloads=[row])


def until_ctrl_c(*seen: StatusDocument | KilterError, as_json: bool = False) -> Iterator[Frame]:
    yield from (watched(each, as_json=as_json) for each in seen)
    raise KeyboardInterrupt


@pytest.mark.requirement("LC-Q30")
def test_off_a_terminal_a_block_is_printed_when_something_changed(capsys: pytest.CaptureFixture[str]) -> None:
    frames = until_ctrl_c(document(), document(age=60), document(restarts=1), document(age=9, restarts=1))
    assert Console().watch(frames, redraw=True) == 130
    said = capsys.readouterr()
    assert said.out.count("shop is up") == 2
    assert said.err == ""


@pytest.mark.requirement("LC-Q30")
def test_a_document_is_printed_per_change_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert Console().watch(until_ctrl_c(document(), document(age=2), as_json=True), redraw=False) == 130
    assert json.loads(screen.getvalue())["workloads"][0]["pods"][0]["age"] == 1.0


@pytest.mark.requirement("LC-Q30")
def test_on_a_terminal_that_cannot_be_drawn_on_each_change_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    assert Console().watch(until_ctrl_c(document(), document(age=60), document(restarts=1)), redraw=True) == 130
    assert screen.getvalue().count("shop is up") == 2
    assert "\x1b" not in screen.getvalue()


def test_an_error_on_the_way_is_told_once_and_the_watch_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    lost = MachineLacks("Docker does not answer", hint="start it")
    assert Console().watch(until_ctrl_c(document(), lost, lost, document()), redraw=True) == 130
    said = capsys.readouterr()
    assert said.out.count("shop is up") == 2
    assert said.err == "error: Docker does not answer\nnext: start it\n"


@pytest.mark.requirement("LC-Q30")
def test_on_a_terminal_each_look_takes_the_place_of_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    lost = MachineLacks("Docker does not answer", details=["no socket"], hint="start it")
    assert Console().watch(until_ctrl_c(document(), document(age=60), lost), redraw=True) == 130
    shown = screen.getvalue()
    assert "  1m" in shown
    assert "\x1b[1A" in shown  # the cursor goes up to draw over what was there
    assert "error: Docker does not answer" in shown
    assert "\x1b[?25h" in shown.rpartition("error")[2]  # and it is to be seen again at the end


@pytest.mark.parametrize(("name", "value"), [("FORCE_COLOR", ""), ("TTY_COMPATIBLE", "0")])
def test_no_variable_of_other_programs_hides_what_is_watched(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    drawn = []

    def frames() -> Iterator[Frame]:
        yield watched(document(), as_json=False)
        yield watched(document(age=60), as_json=False)
        drawn.append("shop is up" in screen.getvalue())

    Console().watch(frames(), redraw=True)
    assert drawn == [True]


@dataclass
class Looks:
    """Answers of the looks to come."""

    answers: list[StatusDocument | KilterError]

    def __call__(self) -> StatusDocument:
        answer = self.answers.pop(0)
        if isinstance(answer, KilterError):
            raise answer
        return answer


@pytest.mark.requirement("LC-Q30")
def test_looks_are_two_seconds_apart_and_an_error_ends_only_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    def look() -> StatusDocument:
        now[0] += next(takes)
        return looks()

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    lost = MachineLacks("Docker does not answer")
    looks, takes = Looks([document(), lost, document(restarts=1), document()]), iter([0.5, 3.0, 0.0, 0.0])
    seen = status.watching(look)
    assert [next(seen) for _ in range(4)] == [document(), lost, document(restarts=1), document()]
    assert slept == [1.5, 0.0, 2.0]
    with pytest.raises(NotFound):
        next(status.watching(Looks([NotFound("no kilter.yaml")])))


def test_an_error_at_the_first_look_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing() -> Iterator[Frame]:
        raise NotFound("no kilter.yaml")
        yield

    monkeypatch.setattr(sys, "stdout", screen := Terminal())
    with pytest.raises(NotFound):
        Console().watch(failing(), redraw=True)
    assert screen.getvalue() == ""


def test_a_reader_that_has_gone_ends_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(BrokenPipeError):
        Console().watch(until_ctrl_c(document()), redraw=True)


def test_a_reader_that_has_gone_ends_the_watch_though_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`kilter status --watch | grep -m1 redis` is to end when grep has found what it looked for."""
    reader, writer = os.pipe()

    def looks() -> Iterator[StatusDocument]:
        yield document()
        yield document()
        assert b"shop is up" in os.read(reader, 1000)
        os.close(reader)
        yield document()
        pytest.fail("the watch goes on")

    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BrokenPipeError):
            Console().watch((watched(each, as_json=False) for each in looks()), redraw=True)


def test_a_reader_that_has_gone_ends_lines_though_none_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """So `kilter logs --follow | head -1` does."""
    reader, writer = os.pipe()

    def lines() -> Iterator[str | None]:
        yield "one"
        yield None
        assert os.read(reader, 1000) == b"one\n"
        os.close(reader)
        yield None
        pytest.fail("nobody hears the lines")

    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(BrokenPipeError):
            Console().lines(lines())
