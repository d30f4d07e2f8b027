"""The queue before a commit: the latest of each key, each exactly once, the oldest key first."""

from dataclasses import dataclass

from kilter.gitops.pending import Pending


@dataclass(frozen=True)
class Item:
    key: str
    number: int


def test_a_key_keeps_its_place_when_its_item_is_replaced() -> None:
    pending: Pending[Item] = Pending()
    for item in (Item("a", 1), Item("b", 2), Item("a", 3)):
        pending.put(item)
    assert pending.take(9) == [Item("a", 3), Item("b", 2)]
