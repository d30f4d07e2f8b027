"""Medians, ratios, verdicts and the table."""

import json

import pytest

from bench.measure import Goal, Row, Sample, Unit, document, interleave, quantity, table


def row(values: tuple[float, ...], base: tuple[float, ...] = (), goal: Goal | None = None) -> Row:
    return Row("some", "thing", Sample(values), "bare" if base else "", Sample(base) if base else None, goal)


def test_a_sample_has_a_median_and_keeps_every_value() -> None:
    assert Sample((3.0, 1.0, 9.0)).median == 3.0
    assert Sample((1.0, 2.0)).median == 1.5
    assert str(Sample((3.0, 1.5, 9.0))) == "3 s (1.50 s-9 s)"
    assert str(Sample((0.012,))) == "12 ms"


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one value at least"):
        Sample(())


def test_a_ratio_is_that_of_the_medians_and_each_round_has_its_own() -> None:
    found = row((2.0, 6.0, 4.0), (1.0, 2.0, 4.0))
    assert found.ratio == 2.0
    assert found.ratios == (2.0, 3.0, 1.0)


def test_without_something_to_compare_with_there_is_no_ratio() -> None:
    assert row((2.0,)).ratio is None
    assert row((2.0,)).ratios == ()
    assert row((2.0,), (0.0,)).ratio is None
    assert row((2.0, 2.0), (1.0,)).ratios == ()


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (row((5.0,), (1.0,), Goal(5)), "met"),
        (row((5.1,), (1.0,), Goal(5)), "missed"),
        (row((3.0,), goal=Goal(3, "value")), "met"),
        (row((3.1,), goal=Goal(3, "value")), "missed"),
        (row((0.0,), goal=Goal(0, "value")), "met"),
        (row((1.0,), goal=Goal(5)), "missed"),  # a goal of a ratio without one
        (row((1.0,)), ""),
    ],
)
def test_a_goal_is_met_or_missed(found: Row, verdict: str) -> None:
    assert found.verdict == verdict


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0124, "s", "12 ms"),
        (12.345, "s", "12.35 s"),
        (3.0, "s", "3 s"),
        (0.0, "s", "0 s"),
        (0.5, "cpu s", "0.50 cpu s"),
        (411.6, "MiB", "412 MiB"),
        (2.0, "count", "2"),
    ],
)
def test_a_quantity_reads_well(value: float, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


def test_rounds_are_interleaved() -> None:
    calls: list[str] = []

    def subject(name: str, value: float) -> float:
        calls.append(name)
        return value

    samples = interleave(2, {"a": lambda: subject("a", 1.0), "b": lambda: subject("b", 2.0)})
    assert calls == ["a", "b", "a", "b"]
    assert samples == {"a": Sample((1.0, 1.0)), "b": Sample((2.0, 2.0))}


def test_the_table_says_everything_in_columns() -> None:
    rows = [
        Row("up", "kilter up", Sample((3.0, 4.0, 5.0)), "kind", Sample((2.0, 2.0, 2.0)), Goal(1.6), ("on its own",)),
        Row("idle", "processes", Sample((0.0,), "count"), goal=Goal(0, "value")),
    ]
    assert table(rows).splitlines() == [
        "BENCHMARK  WHAT       MEDIAN (MIN-MAX)  AGAINST  MEDIAN (MIN-MAX)  RATIO              GOAL   VERDICT",
        "up         kilter up  4 s (3 s-5 s)     kind     2 s (2 s-2 s)     2.00x (1.50-2.50)  ≤1.6x  missed",
        "idle       processes  0                 -        -                 -                  ≤0     met",
        "",
        "up, kilter up: on its own",
    ]


def test_the_json_of_a_row_holds_every_value() -> None:
    found = document(row((2.0, 4.0), (1.0, 2.0), Goal(1.6)))
    assert json.loads(json.dumps(found)) == {
        "benchmark": "some",
        "what": "thing",
        "unit": "s",
        "median": 3.0,
        "values": [2.0, 4.0],
        "against": "bare",
        "againstUnit": "s",
        "againstMedian": 1.5,
        "againstValues": [1.0, 2.0],
        "ratio": 2.0,
        "ratios": [2.0, 2.0],
        "goal": {"limit": 1.6, "of": "ratio"},
        "verdict": "missed",
        "notes": [],
        "details": None,
    }
