"""Where the time of an `up` went."""

import pytest

from kilter.dev.timings import Span, Timings, critical_path, table
from kilter.progress import Recorder

# Tools and the cluster side by side; Tilt begins when the cluster is there, readiness when Tilt is.
UP = [
    Span("download helm", 0.0, 4.0),
    Span("create the cluster", 0.1, 20.0),
    Span("share images", 0.2, 6.0),
    Span("start Tilt", 20.01, 22.0),
    Span("wait", 22.01, 40.0),
]


def titles(spans: list[Span]) -> list[str]:
    return [span.title for span in spans]


def test_the_critical_path_is_the_chain_that_decided_the_total() -> None:
    assert titles(critical_path(UP)) == ["create the cluster", "start Tilt", "wait"]
    assert titles(critical_path(list(reversed(UP)))) == ["create the cluster", "start Tilt", "wait"]


def test_a_single_step_is_its_own_path_and_no_step_has_none() -> None:
    assert titles(critical_path(UP[:1])) == ["download helm"]
    assert critical_path([]) == []
    assert table([]) == ""


def test_steps_of_no_length_do_not_keep_the_path_from_ending() -> None:
    spans = [Span(str(number), 1.0, 1.0) for number in range(20)]
    assert len(critical_path(spans)) <= 20


def test_a_step_inside_another_is_never_what_the_outer_one_waited_for() -> None:
    outer, inner = Span("outer", 0.0, 10.0), Span("inner", 1.0, 9.0)
    assert titles(critical_path([inner, outer])) == ["outer"]


def test_the_table_marks_the_path_in_the_order_of_the_beginnings() -> None:
    assert table(UP).splitlines() == [
        "    began    took  step",
        "     0.0s    4.0s  download helm",
        "*    0.1s     20s  create the cluster",
        "     0.2s    5.8s  share images",
        "*     20s    2.0s  start Tilt",
        "*     22s     18s  wait",
        "              40s  in all (* = what the rest waited for)",
    ]


def test_the_clock_passes_everything_on_and_keeps_the_time_of_failures_too() -> None:
    inner = Recorder()
    clock = Timings(inner)
    clock.note("a note")
    clock.warn("a warning")
    with clock.step("one") as step:
        step.note("busy")
        step.done("fine")
    with pytest.raises(ValueError, match="no"), clock.step("two"):
        raise ValueError("no")
    assert inner.lines == [
        "note: a note",
        "warn: a warning",
        "step: one",
        "one: busy",
        "one: done: fine",
        "step: two",
        "failed: two",
    ]
    assert titles(clock.spans) == ["one", "two"]
    assert all(0 <= span.began <= span.ended for span in clock.spans)
