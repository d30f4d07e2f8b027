"""Rounds, medians, ratios, goals and the table: everything of a benchmark that runs nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Unit = Literal["s", "cpu s", "MiB", "count"]
TITLES = ("BENCHMARK", "WHAT", "MEDIAN (MIN-MAX)", "AGAINST", "MEDIAN (MIN-MAX)", "RATIO", "GOAL", "VERDICT")


@dataclass(frozen=True)
class Sample:
    """What was measured in all rounds, in their order; nothing is dropped."""

    values: tuple[float, ...]
    unit: Unit = "s"

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("a sample needs one value at least")

    @property
    def median(self) -> float:
        """The middle value."""
        return median(self.values)

    def __str__(self) -> str:
        if len(self.values) == 1:
            return quantity(self.median, self.unit)
        low, high = (quantity(value, self.unit) for value in (min(self.values), max(self.values)))
        return f"{quantity(self.median, self.unit)} ({low}-{high})"


@dataclass(frozen=True)
class Goal:
    """The most that a figure should be: as a ratio to what it is compared with, or as a value in its own unit."""

    limit: float
    of: Literal["ratio", "value"] = "ratio"

    def text(self, unit: Unit) -> str:
        """Return the goal as the table shows it."""
        return f"≤{self.limit:g}x" if self.of == "ratio" else f"≤{quantity(self.limit, unit)}"


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, what it is compared with, and what it should be."""

    benchmark: str
    what: str
    sample: Sample
    against: str = ""
    base: Sample | None = None
    goal: Goal | None = None
    notes: tuple[str, ...] = ()
    details: str = field(default="", repr=False)  # for the JSON alone

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians; None without something to compare with."""
        return self.sample.median / self.base.median if self.base and self.base.median else None

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratio of each round: neighbours in time share what else the machine did."""
        if self.base is None or len(self.base.values) != len(self.sample.values) or not all(self.base.values):
            return ()
        return tuple(one / other for one, other in zip(self.sample.values, self.base.values, strict=True))

    @property
    def verdict(self) -> Literal["met", "missed", ""]:
        """Whether the goal is met; empty where there is none."""
        if self.goal is None:
            return ""
        figure = self.ratio if self.goal.of == "ratio" else self.sample.median
        return "met" if figure is not None and figure <= self.goal.limit else "missed"


def interleave(rounds: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, Sample]:
    """Call every subject once per round, in order (A B A B …), and return what each of them measured."""
    measured: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            measured[name].append(subject())
    return {name: Sample(tuple(values)) for name, values in measured.items()}


def quantity(value: float, unit: Unit) -> str:
    """Write a figure with as many digits as it deserves."""
    if unit == "count":
        return f"{value:g}"
    if unit == "MiB":
        return f"{value:.0f} MiB"
    if unit == "cpu s":
        return f"{value:.2f} cpu s"
    return f"{value * 1000:.0f} ms" if abs(value) < 1 and value else f"{value:.{2 if value % 1 else 0}f} s"


def table(rows: Sequence[Row]) -> str:
    """Lay the rows out in columns, two blanks apart, and put their notes beneath."""
    lines = [TITLES, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(TITLES))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    notes = [f"{row.benchmark}, {row.what}: {note}" for row in rows for note in row.notes]
    return "\n".join([*text, *(["", *notes] if notes else [])])


def document(row: Row) -> dict[str, Any]:
    """Return a row as JSON holds it, every single value included."""
    return {
        "benchmark": row.benchmark,
        "what": row.what,
        **_figures("", row.sample),
        "against": row.against or None,
        **(_figures("against", row.base) if row.base else {}),
        "ratio": row.ratio,
        "ratios": row.ratios,
        "goal": {"limit": row.goal.limit, "of": row.goal.of} if row.goal else None,
        "verdict": row.verdict or None,
        "notes": row.notes,
        "details": row.details or None,
    }


def _figures(prefix: str, sample: Sample) -> dict[str, Any]:
    figures = {"unit": sample.unit, "median": sample.median, "values": sample.values}
    return {f"{prefix}{name.title()}" if prefix else name: value for name, value in figures.items()}


def _cells(row: Row) -> tuple[str, ...]:
    ratio = f"{row.ratio:.2f}x" if row.ratio is not None else "-"
    if len(row.ratios) > 1:
        ratio += f" ({min(row.ratios):.2f}-{max(row.ratios):.2f})"
    base = str(row.base) if row.base else "-"
    goal = row.goal.text(row.sample.unit) if row.goal else "-"
    return (row.benchmark, row.what, str(row.sample), row.against or "-", base, ratio, goal, row.verdict or "-")
