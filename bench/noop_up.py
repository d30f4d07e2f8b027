"""What kilter costs on a project that is up: `up` with nothing to do, and the verbs that only look."""

from collections.abc import Sequence

from bench.measure import Goal, Row
from bench.run import Run
from bench.start import docker_calls

ROUNDS = 5
LOOKS = ("status", "ps")


def measure(run: Run) -> Sequence[Row]:
    """Run `up`, `status` and `ps` in turn."""
    shop = run.shop
    shop.ensure_up()
    subjects = {verb: lambda verb=verb: shop.kilter(verb).seconds for verb in ("up", *LOOKS)}
    samples = run.interleave(ROUNDS, subjects)
    notes = {verb: f"starts {docker_calls(shop, verb)}" for verb in ("up", *LOOKS)}
    notes["ps"] += "; `docker stats` alone takes a second or two"
    rows = [Row("noop-up", "kilter up, already up", samples["up"], goal=Goal(3, "value"), notes=(notes["up"],))]
    return rows + [Row("noop-up", f"kilter {verb}, up", samples[verb], notes=(notes[verb],)) for verb in LOOKS]
