"""What the API server last said of one kind of object: filled by its watch, read by every worker."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Place = tuple[str, str]  # namespace (empty for kinds without) and name


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One object and its resource version, which grows with every change of any object of its kind."""

    version: int
    value: T


class Store(Generic[T]):
    """The newest known state of every object of one kind; for many threads.

    Answers to one's own writes may be put in too, so that a worker never sees an older state than it wrote itself.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spaces: dict[str, dict[str, Entry[T]]] = {}
        self._seen = 0  # the watch has delivered everything up to this version
        self.refused = ""  # why nothing of it can be known: the operator has no right to it

    @property
    def seen(self) -> int:
        """The version up to which the watch has delivered everything."""
        return self._seen

    def __len__(self) -> int:
        with self._lock:
            return sum(len(space) for space in self._spaces.values())

    def get(self, namespace: str, name: str) -> T | None:
        """Return one object, or None."""
        with self._lock:
            entry = self._spaces.get(namespace, {}).get(name)
        return entry.value if entry else None

    def within(self, namespace: str) -> list[T]:
        """Return the objects of a namespace."""
        with self._lock:
            return [entry.value for entry in self._spaces.get(namespace, {}).values()]

    def places(self) -> list[Place]:
        """Return where there are objects."""
        with self._lock:
            return [(namespace, name) for namespace, space in self._spaces.items() for name in space]

    def replace(self, listed: Mapping[Place, Entry[T]], version: int) -> set[Place]:
        """Take a whole list, made at a version; returns the places where something is new, other or gone."""
        with self._lock:
            before = {(space, name): e for space, inner in self._spaces.items() for name, e in inner.items()}
            own = {place: entry for place, entry in before.items() if entry.version > version}
            after = {**listed, **own}
            self._spaces = {}
            for (namespace, name), entry in after.items():
                self._spaces.setdefault(namespace, {})[name] = entry
            self._seen = version
        gone = before.keys() - after.keys()
        return gone | {place for place, e in after.items() if place not in before or before[place].version != e.version}

    def update(self, place: Place, entry: Entry[T] | None, version: int) -> None:
        """Take one event of the watch; no entry means that the object is gone."""
        with self._lock:
            self._seen = max(self._seen, version)
            space = self._spaces.setdefault(place[0], {})
            known = space.get(place[1])
            if known is not None and known.version > version:
                return
            if entry is not None:
                space[place[1]] = entry
            else:
                space.pop(place[1], None)
                if not space:
                    del self._spaces[place[0]]

    def advance(self, version: int) -> None:
        """Take a bookmark: nothing has changed up to this version."""
        with self._lock:
            self._seen = max(self._seen, version)

    def put_own(self, place: Place, entry: Entry[T]) -> None:
        """Take the answer to a write of one's own, unless the watch has come further already."""
        with self._lock:
            if entry.version > self._seen:
                space = self._spaces.setdefault(place[0], {})
                known = space.get(place[1])
                if known is None or known.version < entry.version:
                    space[place[1]] = entry
