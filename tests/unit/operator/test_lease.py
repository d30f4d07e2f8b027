"""Leadership: who may take the Lease, and that nobody writes who is not sure to lead."""

from datetime import UTC, datetime

import pytest

from kilter.gitops.model import Fence
from kilter.operator.lease import Deposed, Lapsed, Leadership, Move, Record, decide, parse

MADE = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def record(holder: str, transitions: int = 3, made: datetime = MADE) -> Record:
    return Record(holder, transitions, made, "17")


@pytest.mark.parametrize(
    ("found", "unchanged", "move"),
    [
        (None, 0.0, Move.CREATE),
        (record("me"), 0.0, Move.RENEW),
        (record("me"), 900.0, Move.RENEW),
        (record("other"), 19.9, Move.STAND_BY),
        (record("other"), 20.0, Move.TAKE),
        (record(""), 0.0, Move.TAKE),
    ],
)
def test_a_lease_is_taken_only_when_it_is_free_or_has_not_changed_for_its_whole_time(
    found: Record | None, unchanged: float, move: Move
) -> None:
    """F41: the clocks of other machines play no part in it."""
    assert decide(found, "me", unchanged, 20.0) is move


def test_every_leader_has_a_higher_number_even_when_the_lease_was_deleted() -> None:
    """F26, F40."""
    later = datetime(2026, 5, 1, 12, 0, 1, tzinfo=UTC)
    numbers = [record("a", 0), record("b", 1), record("c", 900_000), record("d", 0, later)]
    assert sorted(numbers, key=lambda each: each.fence.number) == numbers
    assert len({each.fence.number for each in numbers}) == 4


def test_a_lease_without_a_holder_is_read_as_free() -> None:
    metadata = {"creationTimestamp": "2026-05-01T12:00:00Z", "resourceVersion": "17"}
    assert parse({"metadata": metadata, "spec": {"leaseTransitions": 3}}) == record("")


def test_a_leader_stops_writing_at_its_deadline_and_may_go_on_once_it_has_renewed() -> None:
    now = [100.0]
    leadership = Leadership(clock=lambda: now[0])
    with pytest.raises(Deposed, match="does not lead"):
        leadership.fence()
    leadership.hold(Fence(5, "me"), until=110.0)
    assert leadership.fence() == Fence(5, "me")
    now[0] = 110.0
    with pytest.raises(Lapsed, match="in time"):
        leadership.fence()
    assert not leadership.leads
    leadership.hold(Fence(5, "me"), until=120.0)
    assert leadership.leads
    leadership.end()
    with pytest.raises(Deposed):
        leadership.fence()
