"""The order of commits as a writer remembers it."""

import pytest

from kilter.gitops.history import KEPT, History


@pytest.mark.requirement("DP-19", "F33")
def test_a_head_contains_itself_and_the_heads_before_it_and_of_others_nothing_is_known() -> None:
    history = History()
    for head in ("b", "c", "b", "", "d"):
        history.see(head)
    assert history.contained("c", "b")
    assert history.contained("c", "c")
    assert not history.contained("c", "d")
    assert history.contained("b", "published by an earlier leader, or lost") is None
    assert history.contained("fetched by others", "b") is None


def test_a_commit_whose_answer_was_lost_is_part_of_the_head_that_holds_it_and_of_none_before() -> None:
    history = History()
    history.see("a")
    history.see("b")
    history.see_within("lost", "b")
    assert history.contained("b", "lost")
    assert not history.contained("a", "lost")


def test_a_commit_that_the_oldest_head_contains_is_part_of_every_head() -> None:
    history = History()
    assert history.oldest == ""
    for head in ("b", "c"):
        history.see(head)
    assert history.oldest == "b"
    history.see_older("a")
    assert history.contained("b", "a")
    assert history.contained("c", "a")
    assert history.contained("fetched by others", "a") is None


def test_only_so_many_heads_are_kept() -> None:
    history = History()
    for number in range(KEPT + 1):
        history.see(str(number))
    assert history.contained("0", "1") is None
    assert history.contained("1", "0") is None
    assert history.oldest == "1"
    assert not history.contained("1", "2")
