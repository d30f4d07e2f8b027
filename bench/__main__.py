"""`python -m bench [names…]`: run benchmarks, print one table, write bench/results/<UTC time>.json."""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import accept, cold_up, edit, git_writer, idle, noop_up, operator, redeploy, start, stop_resume
from bench.bare import NODE as BARE_NODE
from bench.bare import Bare
from bench.measure import Row, document, table
from bench.process import Failed
from bench.process import run as run_process
from bench.run import Benchmark, Run
from bench.shop import NODE, ROOT, Shop
from bench.subject import subject

# In an order in which each finds the project as the one before left it, where that saves time.
BENCHMARKS: Mapping[str, Benchmark] = {
    "start": start.measure,
    "cold-up": cold_up.measure,
    "noop-up": noop_up.measure,
    "stop-resume": stop_resume.measure,
    "edit": edit.measure,
    "idle": idle.measure,
    "git-writer": git_writer.measure,
    "operator": operator.measure,
    "accept": accept.measure,
    "redeploy": redeploy.measure,
}
RESULTS = ROOT / "bench" / "results"
BASE = ROOT / "build" / "bench"


@dataclass
class Report:
    """What a run found, as far as it came."""

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    loads: dict[str, tuple[float, float]] = field(default_factory=dict)

    def text(self) -> str:
        """Return the table, what failed, and how busy the machine was."""
        lines = [table(self.rows)] if self.rows else []
        lines += [f"\n{name} could not be measured: {why}" for name, why in self.failures.items()]
        loads = [f"{name} {before:.1f} → {after:.1f}" for name, (before, after) in self.loads.items()]
        head = f"load of {os.cpu_count()} cores over one minute, before → after: "
        return "\n".join([*lines, *(["", head + ", ".join(loads)] if loads else [])])

    def document(self, kilter: str, began: datetime) -> dict[str, object]:
        """Return everything as JSON holds it."""
        return {
            "schema": "kilter.bench/v1",
            "began": began.isoformat(timespec="seconds"),
            "seconds": round((datetime.now(UTC) - began).total_seconds()),
            "kilter": kilter,
            **subject(),
            "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
            "loads": self.loads,
            "rows": [document(row) for row in self.rows],
            "failures": self.failures,
        }


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; 1 when a benchmark could not be measured, never because a goal was missed."""
    options = parse(arguments)
    began, report = datetime.now(UTC), Report()
    home = options.home.resolve() if options.home else BASE / "home"
    shop = Shop(BASE, home, options.kilter.resolve())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        kilter = run_process([shop.binary, "--version"], shop.environment).out.strip()
        _refuse_left_overs(shop)
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    BASE.mkdir(parents=True)
    code = _measure(Run(shop, Bare(shop), options.rounds), options.names or list(BENCHMARKS), report)
    print(report.text())
    file = RESULTS / f"{began:%Y%m%dT%H%M%SZ}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(report.document(kilter, began), indent=2, ensure_ascii=False) + "\n")
    print(f"written to {file.relative_to(ROOT)}")
    return code


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"which to run; without any, all: {' '.join(BENCHMARKS)}"
    )
    parser.add_argument("--rounds", type=int, help="rounds of every benchmark, instead of its own number")
    parser.add_argument("--home", type=Path, help="use and keep this HOME for kilter, instead of a fresh one")
    binary = Path(os.environ.get("KILTER_BINARY", ROOT / "build" / "kilter" / "bin" / "kilter"))
    parser.add_argument("--kilter", type=Path, default=binary, help="the installed command (%(default)s)")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(BENCHMARKS)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be 1 at least")
    if not options.kilter.is_file():
        parser.error(f"{options.kilter} is not installed; `make wheel` does it")
    return options


def _measure(run: Run, names: Sequence[str], report: Report) -> int:
    """Run the benchmarks one after the other, remove everything they made, and return the exit code."""
    code = 0
    try:
        run.shop.prepare()
        for name, benchmark in BENCHMARKS.items():
            if name in names:
                _one(run, name, benchmark, report)
    except KeyboardInterrupt:
        report.failures["the rest"] = "interrupted"
        code = 130
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        _tidy(run, report)
    return code or int(bool(report.failures))


def _refuse_left_overs(shop: Shop) -> None:
    """Refuse to begin where names are taken that this run would remove at its end."""
    if BASE.exists():
        destroy = f"HOME={shop.home} {shop.binary} -C {shop.directory} destroy --yes --no-snapshot --purge"
        raise Failed(f"another run is under way, or one was killed: end that with\n  {destroy}; rm -r {BASE}")
    for node in (NODE, BARE_NODE):
        shop.refuse_left_over(node)


def _one(run: Run, name: str, benchmark: Benchmark, report: Report) -> None:
    before = os.getloadavg()[0]
    run.say(f"{name} begins, load {before:.1f}")
    try:
        report.rows += benchmark(run)
    except Exception as error:  # noqa: BLE001 - one that cannot be measured must not keep the others from it
        report.failures[name] = f"{error}" if isinstance(error, Failed) else f"{type(error).__name__}: {error}"
        run.say(f"{name} could not be measured: {report.failures[name]}")
        run.shop.is_up = False  # the next one brings it up if that is so
    report.loads[name] = (before, os.getloadavg()[0])


def _tidy(run: Run, report: Report) -> None:
    """Remove both clusters by name, the images, and this run's folder; say what could not be removed."""
    run.say("removing what the benchmarks made")
    removals = {"the bare cluster": run.bare.delete, "the shop": run.shop.remove}
    for what, remove in removals.items():
        try:
            remove()
        except (Failed, OSError) as error:
            report.failures[f"removing {what}"] = str(error)
    if not any(what.startswith("removing") for what in report.failures):
        shutil.rmtree(BASE)


def interrupt(*_: object) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
