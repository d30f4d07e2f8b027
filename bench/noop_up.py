"""What kilter costs on a project that is up: `up` with nothing to do, and the verbs that only look."""

from collections.abc import Sequence

from bench.measure import Goal, Row
from bench.run import Run
from bench.start import BARE, VERBS, bare, docker_calls

ROUNDS = 5
VERBS_UP = ("up", "status", "ps")


def measure(run: Run) -> Sequence[Row]:
    """Run `up`, `status`, `ps` and the bare interpreter in turn."""
    shop = run.shop
    shop.ensure_up()
    subjects = {verb: lambda verb=verb: shop.kilter(verb).seconds for verb in VERBS_UP}
    samples = run.interleave(ROUNDS, {BARE: lambda: bare(shop)} | subjects)
    notes = {verb: (f"starts {docker_calls(shop, verb)}",) for verb in VERBS_UP}
    goal = Goal(VERBS["ps"])
    return [
        Row("noop-up", "kilter up, already up", samples["up"], goal=Goal(3, "value"), notes=notes["up"]),
        Row("noop-up", "kilter status, up", samples["status"], notes=notes["status"]),
        Row("noop-up", "kilter ps, up", samples["ps"], BARE, samples[BARE], goal, notes["ps"]),
    ]
