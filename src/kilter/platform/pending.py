"""Releases that a killed helm left half changed or half removed: Helm refuses every further change of them (F34)."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from kilter.platform.target import Target
from kilter.platform.values import CRDS, PLATFORM
from kilter.proc import Runner, end_traced
from kilter.progress import Progress, Step
from kilter.tools.helm import UPGRADE_LIMIT, Pending, parse_pending
from kilter.words import human_duration

PAUSE = 2.0
SURE: Final = 2 * UPGRADE_LIMIT  # seconds; every helm of kilter's has ended after half of them, and clocks differ


def settle(runner: Runner, target: Target, progress: Progress, step: Step) -> None:
    """Take away the records of changes that nobody carries out any more; wait while somebody may.

    What such a change has made stays, and bears the release's name, so that the next one takes it up. A removal that
    was cut off is ended: Helm knows no other way on.
    """
    for each in await_others(runner, target, step):
        if each.is_removal:
            runner.run(target.helm.uninstall(each.name))
            progress.note(f"the removal of {each.name}, which was cut off, is ended first")
            continue
        runner.run(target.kubectl.delete("secret", each.record))
        progress.note(f"{each.name} goes on from where a command was killed, at {each.since:%Y-%m-%d %H:%M:%S} UTC")


def await_others(runner: Runner, target: Target, step: Step) -> list[Pending]:
    """Wait while another command may be changing the platform; returns the changes that nobody carries out any more."""
    trace, until = target.helm.trace, dict[Pending, float]()
    if trace is not None:
        end_traced(trace)
    while found := [each for each in _pending(runner, target) if each.name in (CRDS, PLATFORM)]:
        # Whoever else changes a cluster of this machine's own is of this machine, and its lock is held.
        left = 0.0 if trace is not None else _left(found, until)
        if left <= 0:
            break
        names = ", ".join(each.name for each in found)
        step.note(f"another command may be changing {names}; waiting for it, {human_duration(left)} at most")
        time.sleep(PAUSE)
    return found


def _left(found: Iterable[Pending], until: dict[Pending, float]) -> float:
    """Return how many seconds it may still be at work, counted by this machine's clock from the first look on."""
    now, clock = time.monotonic(), datetime.now(UTC)
    for each in found:
        age = (clock - each.since).total_seconds()
        until.setdefault(each, now + min(max(SURE - age, 0.0), SURE))
    return max(until[each] for each in found) - now


def _pending(runner: Runner, target: Target) -> tuple[Pending, ...]:
    return parse_pending(runner.run(target.helm.pending()).stdout)
