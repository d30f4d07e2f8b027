"""The queue before a commit: the latest of each key, each exactly once, the oldest key first."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from kilter.gitops.pending import Pending


@dataclass(frozen=True)
class Item:
    key: str
    number: int


KEYS = st.sampled_from("abcdef")
STEPS = st.lists(st.one_of(KEYS, st.integers(0, 4)), max_size=60)


@given(STEPS)
def test_every_item_is_taken_or_replaced_exactly_once(steps: list[str | int]) -> None:
    pending: Pending[Item] = Pending()
    put, gone, waiting = list[Item](), list[Item](), list[Item]()
    for number, step in enumerate(steps):
        if isinstance(step, str):
            item = Item(step, number)
            put.append(item)
            replaced = pending.put(item)
            at = next((at for at, other in enumerate(waiting) if other.key == item.key), None)
            assert replaced == (None if at is None else waiting[at])
            if at is None:
                waiting.append(item)
            else:
                gone.append(waiting[at])
                waiting[at] = item
        else:
            taken = pending.take(step)
            assert taken == waiting[:step]
            gone += taken
            del waiting[:step]
        assert len(pending) == len(waiting)
    gone += pending.take(len(put))
    assert sorted(gone, key=lambda item: item.number) == put
    assert len(pending) == 0


def test_a_key_keeps_its_place_when_its_item_is_replaced() -> None:
    pending: Pending[Item] = Pending()
    for item in (Item("a", 1), Item("b", 2), Item("a", 3)):
        pending.put(item)
    assert pending.take(9) == [Item("a", 3), Item("b", 2)]
