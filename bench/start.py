"""How fast kilter's quick verbs start, compared with a bare start of the same interpreter."""

import os
import shlex
import shutil
from collections import Counter
from collections.abc import Sequence

from bench.measure import Goal, Row
from bench.process import run as run_process
from bench.run import Run
from bench.shop import Shop

ROUNDS = 21
BARE = "python -I -c pass"
VERBS = {"--help": 5.0, "env": 8.0, "ps": 8.0}


def measure(run: Run) -> Sequence[Row]:
    """Time each verb and the bare interpreter in turn; `noop_up` does the same for `ps` while the project runs."""
    shop = run.shop
    shop.kilter("env")  # makes the project's records
    subjects = {verb: lambda verb=verb: shop.kilter(verb).seconds for verb in VERBS}
    samples = run.interleave(ROUNDS, {BARE: lambda: bare(shop)} | subjects)
    notes = {"ps": (f"includes its {docker_calls(shop, 'ps')}; the project has records and no cluster",)}
    return [
        Row("start", f"kilter {verb}", samples[verb], BARE, samples[BARE], Goal(limit), notes.get(verb, ()))
        for verb, limit in VERBS.items()
    ]


def bare(shop: Shop) -> float:
    """Start the interpreter that kilter is installed with, for nothing; return the seconds."""
    return run_process([shop.binary.parent / "python", "-I", "-c", "pass"], shop.environment).seconds


def docker_calls(shop: Shop, *arguments: str) -> str:
    """Say which docker commands a verb starts, seen by a stand-in on PATH that notes each call and passes it on."""
    folder = shop.base / "shim"
    folder.mkdir(exist_ok=True)
    log, stand_in = folder / "calls", folder / "docker"
    log.write_text("")
    real = shlex.quote(shutil.which("docker") or "docker")
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >> {shlex.quote(str(log))}\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    shop.kilter(*arguments, env=shop.environment | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"})
    return described(log.read_text().split())


def described(calls: Sequence[str]) -> str:
    """Write calls such as ps, stats, ps as `3 docker processes (2 ps, stats)`."""
    counted = [f"{count} {verb}" if count > 1 else verb for verb, count in Counter(calls).items()]
    word = "process" if len(calls) == 1 else "processes"
    return f"{len(calls)} docker {word}" + (f" ({', '.join(counted)})" if counted else "")
