"""From a changed line to its verified answer on a trial platform: `kilter deploy` against docker and kubectl by hand.

By hand is: `docker build`, `docker push`, `kubectl set image` on Deployments with the specs of kilter's own (web and
worker, the same probes), in the same namespace of the same cluster with the same services, until a route of its own at
the same Gateway gives the new text; a second figure is until `kubectl rollout status` ends, for kilter ends when the
last pod is ready. Nothing watches over that: no record, no Git, no proof that the release answers, no way back. The
registry login by hand is not measured. kilter's time is that of the whole command.
`python -m bench.redeploy` measures this alone; a number behind it is that of the rounds.
"""

import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.alone import alone
from bench.measure import Goal, Row, Sample
from bench.process import Failed
from bench.process import run as run_process
from bench.run import Run
from bench.shop import CACHES, ROOT
from bench.subject import IMAGE
from bench.trial import ENV, HOST, NODE, ByHand, Platform, write_greeting

ROUNDS = 3
LIMIT = 15.0  # seconds
BINARY = ROOT / "build" / "kilter" / "bin" / "kilter"
BY_HAND = "docker and kubectl"
SETTLE = 15.0  # seconds for the pods of the release before to end, which takes no part of the next turn
PLATFORM = "platform"  # from accepted to ready; by hand from `kubectl set image` to the end of the roll-out
ROLLED = "rolled"  # by hand: the whole to the end of the roll-out
PARTS: Mapping[str, str] = {
    "build": "of it build",
    "push": "of it push",
    "accept": "of it accept",
    PLATFORM: "of it accepted to ready",
    "answer": "of it the answer from outside",
    "Publishing": "phase publish",
    "Reconciling": "phase reconcile",
    "RollingOut": "phase roll out",
}
Say = Callable[[str], None]
Times = defaultdict[str, list[float]]  # of all rounds, by part; the whole is ""
Ways = dict[str, tuple[Times, Callable[[], Mapping[str, float]]]]


@contextmanager
def platform(folder: Path, binary: Path, image: str) -> Iterator[Platform]:
    """Install a platform with the shop on it; it is removed in the end, whatever happens."""
    if found(["docker", "ps", "--all", "--quiet", "--filter", f"name=^/?{NODE}$"]):
        raise Failed(f"there is a container {NODE} already: a machine can have one trial platform only")
    if not found(["docker", "images", "--quiet", image]):
        raise Failed(f"there is no image {image}; `make platform-image` builds it")
    (folder / "home").mkdir()
    made = Platform(folder, binary, os.environ, image)
    for source in (made.source, folder / "hand"):
        shutil.copytree(ROOT / "examples" / "shop", source, ignore=CACHES)
    try:
        made.install()
        yield made
    finally:
        made.uninstall()


def found(words: Sequence[str]) -> str:
    """Return what a command of Docker's finds."""
    return run_process(words, os.environ).out.strip()


def by_kilter(made: Platform, greeting: str) -> dict[str, float]:
    """Change the line and deploy; returns the seconds of the whole and of its parts."""
    write_greeting(made.source, greeting)
    whole, document = made.deploy()
    made.await_greeting(HOST, greeting)
    return {"": whole, **document["seconds"], **made.phases()}


def with_hands(hand: ByHand, number: int, greeting: str) -> dict[str, float]:
    """Do the same by hand."""
    write_greeting(hand.source, greeting)
    parts = hand.deploy(number, greeting)
    before = parts["build"] + parts["push"]
    return {"": before + parts["first"], ROLLED: before + parts[PLATFORM], **parts}


def compare(folder: Path, binary: Path, rounds: int, say: Say) -> Sequence[Row]:
    """Deploy the shop both ways once, which is not warm and not measured, and then in turn."""
    with platform(folder, binary, IMAGE) as made:
        say(f"redeploy: the platform stands; deploying the shop to {ENV} for the first time")
        first = by_kilter(made, "first")
        say(f"redeploy: the first deploy took {first['']:.1f} s")
        hand = ByHand(made, folder / "hand")
        hand.prepare("first")
        with_hands(hand, 0, "first by hand")
        kilter: Times = defaultdict(list)
        bare: Times = defaultdict(list)
        for number in range(1, rounds + 1):
            ways: Ways = {
                "kilter": (kilter, partial(by_kilter, made, f"Change {number}")),
                "by hand": (bare, partial(with_hands, hand, number, f"Change {number}, by hand")),
            }
            for who, (times, measured) in ways.items():
                time.sleep(SETTLE)
                for part, value in measured().items():
                    times[part].append(value)
                say(f"redeploy: {who} {times[''][-1]:.2f} s, load {os.getloadavg()[0]:.1f}")
        return rows(kilter, bare)


def rows(kilter: Mapping[str, Sequence[float]], bare: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return the whole, with the goal, and every part that all rounds had."""
    rounds = len(kilter[""])
    whole, goal = Sample(tuple(kilter[""])), Goal(LIMIT, "value")
    note = "by hand it ends with the first new answer, kilter's with the last pod; and nobody records or proves it"
    lines = [Row("redeploy", "change to answer", whole, BY_HAND, Sample(tuple(bare[""])), goal, (note,))]
    if ROLLED in bare:
        note = "with `kubectl rollout status` by hand, for web and worker"
        until = Sample(tuple(bare[ROLLED]))
        lines.append(Row("redeploy", "change to last pod", whole, f"{BY_HAND}, rolled out", until, notes=(note,)))
    for part, what in PARTS.items():
        if len(kilter.get(part, ())) == rounds:
            base = Sample(tuple(bare[part])) if part in bare else None
            lines.append(Row("redeploy", what, Sample(tuple(kilter[part])), BY_HAND if base else "", base))
    return lines


def measure(run: Run) -> Sequence[Row]:
    """See `compare`; the shop's own cluster is stopped for it."""
    if run.shop.is_up:
        run.shop.stop()
    folder = run.shop.base / "redeploy"
    folder.mkdir()
    try:
        return compare(folder, run.shop.binary, run.wanted or ROUNDS, run.say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: Sequence[str]) -> int:
    """Measure this alone, print the table and write the JSON; the only argument is a number of rounds."""
    binary, rounds = Path(os.environ.get("KILTER_BINARY", BINARY)), int(arguments[0]) if arguments else ROUNDS
    return alone("redeploy", lambda folder: compare(folder, binary, rounds, lambda text: print(text, file=sys.stderr)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
