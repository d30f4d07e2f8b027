"""The loop: watches fill the queue, workers empty it; each look at a KilterApp runs in a thread of the pool."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from kilter.api import kilterapp
from kilter.api.kilterapp import KilterApp
from kilter.operator.kube import KubeError
from kilter.operator.lease import Deposed, Lapsed
from kilter.operator.metrics import Metrics, Sample
from kilter.operator.queue import WorkQueue
from kilter.operator.reconcile import Again
from kilter.operator.stores import Stores

LOG = logging.getLogger("kilter.operator")
SLOW = 5.0  # seconds after which one look is worth a line in the log

Look = Callable[[str], Again]


@dataclass
class Loop:
    """Hands keys to workers. Everything but `look` runs on the event loop."""

    workers: int
    metrics: Metrics
    look: Look = lambda key: Again()
    queue: WorkQueue[str] = field(default_factory=WorkQueue)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _working: int = 0

    def add(self, key: str, *, routine: bool = False) -> None:
        """Ask for a look at a key."""
        self.queue.add(key, routine=routine)
        self._wake.set()

    def add_all(self, keys: Iterable[str]) -> None:
        """Ask for a look at many keys as a matter of routine."""
        for key in keys:
            self.add(key, routine=True)

    async def run(self) -> None:
        """Work until cancelled, or until a look says that this operator was deposed, which is raised."""
        with ThreadPoolExecutor(self.workers, thread_name_prefix="worker") as pool:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.workers):
                    group.create_task(self._work(pool))

    async def _work(self, pool: ThreadPoolExecutor) -> None:
        turning = asyncio.get_running_loop()
        while True:
            key = await self._next()
            self._working += 1
            began = time.monotonic()
            try:
                again = await turning.run_in_executor(pool, self._look, key)
            finally:
                self._working -= 1
                self.queue.done(key)
            self._account(key, again, time.monotonic() - began)

    async def _next(self) -> str:
        while True:
            key = self.queue.take(time.monotonic())
            if key is not None:
                return key
            self._wake.clear()
            due = self.queue.next_due()
            wait = None if due is None else max(0.0, due - time.monotonic())
            # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with what it waits for.
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wake.wait()

    def _look(self, key: str) -> Again:
        """Look at one key, in a thread. One that cannot be handled keeps no other from being handled (O3)."""
        try:
            return self.look(key)
        except Deposed:
            raise
        except Lapsed:
            LOG.warning("a look was broken off: the lease was not renewed in time", extra={"app": key})
        except KubeError as error:
            LOG.warning("%s: %s", error.what, error.why, extra={"app": key})
        except Exception:
            LOG.exception("a look at a KilterApp failed", extra={"app": key})
        return Again(failed=True)

    def _account(self, key: str, again: Again, seconds: float) -> None:
        self.metrics.count("kilter_operator_reconciles_total", result="failed" if again.failed else "done")
        self.metrics.observe("kilter_operator_reconcile_seconds", seconds)
        if seconds > SLOW:
            LOG.info("a look took long", extra={"app": key, "seconds": round(seconds, 1)})
        if again.failed:
            self.queue.add_failed(key, time.monotonic(), again.after)
        else:
            self.queue.forget(key)
            if again.after is not None:
                self.queue.add_after(key, again.after, time.monotonic())
        self._wake.set()

    def samples(self) -> Iterable[Sample]:
        """Return what the loop is doing, for the metrics."""
        yield "kilter_operator_queue_keys", (), float(len(self.queue))
        yield "kilter_operator_working", (), float(self._working)


def by_phase(stores: Stores) -> Iterable[Sample]:
    """Return how many KilterApps are in which phase, for the metrics."""
    counts: dict[str, int] = {}
    for app in stores.apps.within(kilterapp.NAMESPACE):
        phase: str = app.status.phase if isinstance(app, KilterApp) else "Unreadable"
        counts[phase] = counts.get(phase, 0) + 1
    for phase, number in sorted(counts.items()):
        yield "kilter_operator_apps", (("phase", phase),), float(number)
