"""What a writer knows of the order of commits: whether one is part of another, mostly without asking git."""

from dataclasses import dataclass, field

from kilter.gitops.clone import Clone
from kilter.gitops.model import Unpublished
from kilter.tools.git import plain

KEPT = 10_000  # heads; those before them count as older than all


@dataclass
class History:
    """Every head of the branch that was seen, in order: each contains those before it. Read from any thread."""

    _places: dict[str, int] = field(default_factory=dict)
    _next: int = 0

    def see(self, head: str) -> None:
        """Remember a head."""
        if not head or head in self._places:
            return
        self._places[head], self._next = self._next, self._next + 1
        if len(self._places) > KEPT:
            del self._places[next(iter(self._places))]

    def see_within(self, commit: str, head: str) -> None:
        """Remember a commit that came to the branch not later than a head that was seen."""
        self._places.setdefault(commit, self._places[head])

    def contained(self, revision: str, commit: str) -> bool | None:
        """Tell whether a published commit is part of a revision; None for unknown.

        What is published and is no head of this writer's time was published before it.
        """
        place = self._places.get(revision)
        return None if place is None else self._places.get(commit, -1) <= place


def looked_up(clone: Clone, revision: str, commit: str) -> bool:
    """Tell the same from a clone that was just fetched; raises Unpublished when both are older than it."""
    if clone.has(revision):
        return not clone.has(commit) or clone.follows(commit, revision)
    if clone.has(commit):
        return False
    raise Unpublished(f"nobody here knows whether {plain(revision)} contains {plain(commit)}")
