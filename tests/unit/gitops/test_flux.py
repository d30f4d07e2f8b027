"""The number that grows with every leader."""

from datetime import UTC, datetime, timedelta

import pytest

from kilter.gitops.model import Fence

NOON = datetime(2026, 1, 2, 12, 0, 0, 5, tzinfo=UTC)


@pytest.mark.requirement("F26", "F40")
def test_the_fence_grows_with_every_leader_even_when_the_lease_is_made_anew() -> None:
    made, later = NOON, NOON + timedelta(seconds=1)
    numbers = [Fence.of_lease(made, 0, "a"), Fence.of_lease(made, 1, "b"), Fence.of_lease(made, 99_999, "c")]
    numbers.append(Fence.of_lease(later, 0, "d"))
    assert [fence.number for fence in numbers] == sorted({fence.number for fence in numbers})
    assert numbers[-1].number < 2**53  # JSON numbers are exact up to there
