"""A benchmark that needs no shop, run by itself: its rows, its table, its JSON."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import Row
from bench.process import Failed
from kilter.errors import KilterError, in_one_line


def alone(name: str, compare: Callable[[Path], Sequence[Row]]) -> int:
    """Measure in a folder that goes with it, print the table and write the JSON; returns the exit code."""
    from bench.__main__ import RESULTS, Report, interrupt  # imports every benchmark for its own table

    signal.signal(signal.SIGTERM, interrupt)  # what was started ends with this
    began, report, before = datetime.now(UTC), Report(), os.getloadavg()[0]
    try:
        with tempfile.TemporaryDirectory(prefix="kilter-bench-") as folder:
            report.rows += compare(Path(folder))
    except (Failed, KilterError) as error:
        why = in_one_line(error) if isinstance(error, KilterError) else error
        print(f"error: {why}", file=sys.stderr)
        return 1
    report.loads[name] = (before, os.getloadavg()[0])
    print(report.text())
    file = RESULTS / f"{began:%Y%m%dT%H%M%SZ}-{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(report.document("from the checkout", began), indent=2, ensure_ascii=False) + "\n")
    return 0
