"""The work queue: whatever is asked for is looked at, and no key twice at a time."""

import pytest
from harness.queue_model import Machine
from hypothesis import settings

from kilter.operator.queue import Backoff, WorkQueue

TestQueue = Machine.TestCase
TestQueue.settings = settings(max_examples=8, stateful_step_count=40, deadline=None, derandomize=True, database=None)


def test_a_key_is_given_out_once_however_often_it_is_added() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for _ in range(3):
        queue.add("shop")
    assert [queue.take(0.0), queue.take(0.0)] == ["shop", None]


def test_a_key_added_while_it_is_worked_on_is_looked_at_once_more_afterwards() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("shop")
    assert queue.take(0.0) == "shop"
    queue.add("shop")
    queue.add("shop")
    assert queue.take(0.0) is None
    queue.done("shop")
    assert [queue.take(0.0), queue.take(0.0)] == ["shop", None]


def test_what_changed_overtakes_a_thousand_routine_looks() -> None:
    """L2: one changed app among many is acted on next."""
    queue: WorkQueue[int] = WorkQueue()
    for number in range(1000):
        queue.add(number, routine=True)
    queue.add(999)
    assert queue.take(0.0) == 999
    assert queue.take(0.0) == 0


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0.5), (2, 1.0), (5, 8.0), (9, 120.0), (10_000, 120.0)])
def test_the_wait_doubles_up_to_the_cap(failures: int, seconds: float) -> None:
    assert Backoff().delay(failures) == seconds
