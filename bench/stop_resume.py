"""Stopping a project and resuming it, compared with stopping and starting a bare cluster's container."""

import time
from collections.abc import Callable, Sequence

from bench.measure import Goal, Row, Sample
from bench.run import Run

ROUNDS = 3
SETTLING = 10.0  # seconds between a start and the next stop: nobody stops a cluster that still starts
PARTS = ("kilter stop", "docker start, API ready", "docker stop", "kilter up")


def measure(run: Run) -> Sequence[Row]:
    """Stop and start both in turn, each while the other one is stopped."""
    shop, bare = run.shop, run.bare
    shop.ensure_up()
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}
    acts: Sequence[Callable[[], float]] = (shop.stop, bare.start, bare.stop, lambda: shop.up()[0])
    try:
        bare.create()
        bare.stop()
        for _ in run.rounds(ROUNDS):
            for part, act in zip(PARTS, acts, strict=True):
                if part.endswith("stop"):
                    time.sleep(SETTLING)
                seconds[part].append(act())
                run.say(f"stop-resume: {part} {seconds[part][-1]:.1f} s")
    finally:
        bare.delete()
    samples = {part: Sample(tuple(values)) for part, values in seconds.items()}
    stop, start, bare_stop, resume = PARTS
    until = "until PostgreSQL, Redis, web and worker answer; the bare cluster runs nothing"
    return [
        Row("stop-resume", stop, samples[stop], bare_stop, samples[bare_stop], Goal(1.5)),
        Row("stop-resume", f"{resume}, stopped", samples[resume], start, samples[start], Goal(4), (until,)),
    ]
