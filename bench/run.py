"""What every benchmark is given: the shop, the bare cluster, how many rounds, and somewhere to say what goes on."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bench.bare import Bare
from bench.measure import Row, Sample, interleave
from bench.shop import Shop


@dataclass
class Run:
    """One run of the benchmarks; `wanted` overrides every benchmark's own number of rounds."""

    shop: Shop
    bare: Bare
    wanted: int | None = None

    def interleave(self, usual: int, subjects: Mapping[str, Callable[[], float]]) -> dict[str, Sample]:
        """See `measure.interleave`."""
        return interleave(self.wanted or usual, subjects)

    def rounds(self, usual: int) -> range:
        """Count the rounds of a benchmark that does not fit `interleave`."""
        return range(self.wanted or usual)

    def say(self, text: str) -> None:
        """Tell who watches what goes on."""
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Benchmark(Protocol):
    """A function that measures and returns its rows; it leaves nothing behind but the shop."""

    def __call__(self, run: Run, /) -> Sequence[Row]: ...
