"""From nothing to an app that answers, compared with a bare kind cluster that only becomes ready."""

from collections.abc import Sequence

from bench.measure import Goal, Row
from bench.run import Run

ROUNDS = 3
BARE = "kind create cluster --wait 60s"


def measure(run: Run) -> Sequence[Row]:
    """Create and destroy both in turn. A first `up` outside the rounds brings the tools and fills the caches."""
    shop = run.shop
    run.say("a first `kilter up`, not measured: tools, image caches, build cache")
    shop.ensure_up()
    shop.destroy()
    timings: list[str] = []

    def kilter() -> float:
        seconds, told = shop.up()
        timings.append(told)
        run.say(f"cold-up: kilter up {seconds:.1f} s")
        shop.destroy()
        return seconds

    def bare() -> float:
        try:
            seconds = run.bare.create()
        finally:
            run.bare.delete()
        run.say(f"cold-up: bare kind {seconds:.1f} s")
        return seconds

    samples = run.interleave(ROUNDS, {"kilter": kilter, "bare": bare})
    note = "cluster, PostgreSQL, Redis, web and worker, until the app answers; the bare cluster runs nothing"
    goal = Goal(1.6)
    return [Row("cold-up", "kilter up", samples["kilter"], BARE, samples["bare"], goal, (note,), "\n\n".join(timings))]
