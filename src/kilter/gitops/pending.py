"""The changes that wait for the next commit. Without threads, clock or I/O of its own, so that tests can drive it."""

from typing import Generic, Protocol, TypeVar


class Keyed(Protocol):
    """Something of which only the latest of each key matters."""

    @property
    def key(self) -> str:
        """What it replaces an earlier one of."""


Item = TypeVar("Item", bound=Keyed)


class Pending(Generic[Item]):
    """Waiting items in the order in which their keys came; a later one of a key takes the earlier one's place."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> Item | None:
        """Add an item and return the one that it replaces, if it replaces one."""
        replaced = self._items.get(item.key)
        self._items[item.key] = item
        return replaced

    def take(self, limit: int) -> list[Item]:
        """Remove and return the oldest items, at most so many."""
        keys = list(self._items)[:limit]
        return [self._items.pop(key) for key in keys]
