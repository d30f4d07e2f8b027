"""The operator's work queue beside the plainest description of what it must do; hypothesis drives both."""

from hypothesis import strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kilter.operator.queue import Backoff, WorkQueue

KEYS = strategies.sampled_from(["a", "b", "c", "d"])
DELAYS = strategies.floats(min_value=0.0, max_value=50.0, allow_nan=False)


class Machine(RuleBasedStateMachine):
    """Drives a queue and, beside it, the plainest description of what it must do."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: WorkQueue[str] = WorkQueue(Backoff(1.0, 8.0))
        self.now = 0.0
        self.wanted: set[str] = set()  # must be given out before the queue may be empty
        self.fresh: set[str] = set()
        self.working: set[str] = set()
        self.due: dict[str, float] = {}
        self.failures: dict[str, int] = {}

    @rule(key=KEYS, routine=strategies.booleans())
    def add(self, key: str, routine: bool) -> None:
        self.queue.add(key, routine=routine)
        self.wanted.add(key)
        if not routine:
            self.fresh.add(key)

    @rule(key=KEYS, delay=DELAYS)
    def add_after(self, key: str, delay: float) -> None:
        self.queue.add_after(key, delay, self.now)
        self.due[key] = min(self.due.get(key, float("inf")), self.now + delay)

    @rule(key=KEYS)
    def fail(self, key: str) -> None:
        self.failures[key] = self.failures.get(key, 0) + 1
        delay = self.queue.add_failed(key, self.now)
        assert delay == min(8.0, 2.0 ** (self.failures[key] - 1))
        self.due[key] = min(self.due.get(key, float("inf")), self.now + delay)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(seconds=DELAYS)
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        for key in [key for key, due in self.due.items() if due <= self.now]:
            del self.due[key]
            self.wanted.add(key)
            self.fresh.add(key)
        ready = self.wanted - self.working
        taken = self.queue.take(self.now)
        if taken is None:
            assert not ready
            return
        assert taken in ready
        assert taken in self.fresh or not (ready & self.fresh), "routine work went before what changed"
        self.wanted.discard(taken)
        self.fresh.discard(taken)
        self.working.add(taken)

    @precondition(lambda self: self.working)
    @rule(data=strategies.data())
    def done(self, data: strategies.DataObject) -> None:
        key = data.draw(strategies.sampled_from(sorted(self.working)))
        self.queue.done(key)
        self.working.discard(key)

    @invariant()
    def the_next_timer_is_the_earliest_wish(self) -> None:
        assert self.queue.next_due() == (min(self.due.values()) if self.due else None)

    @invariant()
    def it_counts_what_waits(self) -> None:
        assert len(self.queue) == len(self.wanted - self.working)

    @invariant()
    def it_counts_failures(self) -> None:
        assert all(self.queue.failures(key) == self.failures.get(key, 0) for key in "abcd")
