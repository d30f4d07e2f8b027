"""The order of commits as a writer remembers it."""

import pytest

from kilter.gitops.history import KEPT, History


@pytest.mark.requirement("DP-19", "F33")
def test_a_head_contains_itself_and_whatever_was_published_before() -> None:
    history = History()
    for head in ("b", "c", "b", "", "d"):
        history.see(head)
    assert history.contained("c", "b")
    assert history.contained("c", "c")
    assert not history.contained("c", "d")
    assert history.contained("b", "published by an earlier leader")
    assert history.contained("fetched by others", "b") is None


def test_a_commit_whose_answer_was_lost_is_part_of_the_head_that_holds_it_and_of_none_before() -> None:
    history = History()
    history.see("a")
    history.see("b")
    history.see_within("lost", "b")
    assert history.contained("b", "lost")
    assert not history.contained("a", "lost")


def test_only_so_many_heads_are_kept() -> None:
    history = History()
    for number in range(KEPT + 1):
        history.see(str(number))
    assert history.contained("0", "1") is None
    assert history.contained("1", "0")
    assert not history.contained("1", "2")
