"""What a worker sees of the cluster: never an older state than it, or the watch, has seen before."""

import pytest

from kilter.operator.store import Entry, Store

HERE, THERE = ("acme", "shop"), ("acme", "blog")
OTHER = ("other", "shop")


@pytest.fixture
def store() -> Store[str]:
    found = Store[str]()
    found.replace({HERE: Entry(5, "five")}, 10)
    return found


def test_a_list_tells_what_is_new_what_changed_and_what_is_gone(store: Store[str]) -> None:
    store.update(THERE, Entry(11, "eleven"), 11)
    told = store.replace({HERE: Entry(12, "twelve"), OTHER: Entry(13, "thirteen")}, 14)
    assert told == {HERE, THERE, OTHER}
    assert store.places() == [HERE, OTHER]
    assert len(store) == 2
    assert store.replace({HERE: Entry(12, "twelve"), OTHER: Entry(15, "fifteen")}, 16) == {OTHER}
    assert store.seen == 16


@pytest.mark.requirement("F30")
def test_what_was_written_after_a_list_was_made_outlives_it(store: Store[str]) -> None:
    store.put_own(THERE, Entry(21, "own"))
    assert store.replace({HERE: Entry(5, "five")}, 20) == set()
    assert store.get(*THERE) == "own"
    store.put_own(HERE, Entry(22, "own"))
    assert store.replace({HERE: Entry(5, "five")}, 21) == {THERE}, "it was deleted since"
    assert store.get(*HERE) == "own"


@pytest.mark.requirement("F30")
@pytest.mark.parametrize(("version", "seen"), [(10, "five"), (11, "own")])
def test_an_own_write_counts_only_beyond_what_the_watch_has_delivered(
    store: Store[str], version: int, seen: str
) -> None:
    """It may have been deleted since: it would stand there for good."""
    store.put_own(HERE, Entry(version, "own"))
    assert store.get(*HERE) == seen


@pytest.mark.requirement("F30")
def test_of_two_own_writes_the_later_one_stays_whoever_comes_last(store: Store[str]) -> None:
    store.put_own(HERE, Entry(13, "later"))
    store.put_own(HERE, Entry(12, "earlier"))
    assert store.get(*HERE) == "later"


@pytest.mark.requirement("F30")
def test_an_event_that_is_older_than_ones_own_write_changes_nothing(store: Store[str]) -> None:
    store.put_own(HERE, Entry(13, "own"))
    store.update(HERE, Entry(12, "event"), 12)
    store.update(HERE, None, 12)
    assert store.get(*HERE) == "own"
    store.update(HERE, Entry(13, "as the watch has it"), 13)
    assert store.get(*HERE) == "as the watch has it"
    assert store.seen == 13


@pytest.mark.requirement("F30")
def test_what_is_deleted_is_gone_and_leaves_no_empty_namespace(store: Store[str]) -> None:
    store.update(THERE, Entry(11, "eleven"), 11)
    store.update(HERE, None, 12)
    assert (store.get(*HERE), store.within("acme")) == (None, ["eleven"])
    store.update(THERE, None, 13)
    store.update(THERE, None, 14)
    assert (store.places(), store._spaces) == ([], {})


@pytest.mark.requirement("F30")
def test_what_the_watch_has_delivered_never_gets_less(store: Store[str]) -> None:
    """An object's own version may be an old one: what others wrote before it has been seen all the same."""
    store.advance(15)
    store.advance(14)
    assert store.seen == 15
    store.update(HERE, Entry(12, "twelve"), 12)
    assert store.seen == 15
    store.update(HERE, Entry(16, "sixteen"), 16)
    assert store.seen == 16
