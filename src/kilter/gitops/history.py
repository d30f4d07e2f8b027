"""What a writer knows of the order of commits: whether one is part of another, mostly without asking git."""

from dataclasses import dataclass, field

from kilter.gitops.clone import Clone
from kilter.gitops.model import Unpublished
from kilter.tools.git import plain

KEPT = 10_000  # heads; of those before them nothing is known


@dataclass
class History:
    """Every head of the branch that was seen, in order: each contains those before it. Read from any thread."""

    _places: dict[str, int] = field(default_factory=dict)
    _next: int = 0
    _older: set[str] = field(default_factory=set)  # commits that all these heads contain

    @property
    def oldest(self) -> str:
        """The first of the heads that are remembered; empty before there is one."""
        return next(iter(self._places), "")

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

    def see_older(self, commit: str) -> None:
        """Remember a commit that the oldest head contains."""
        self._older.add(commit)

    def contained(self, revision: str, commit: str) -> bool | None:
        """Tell whether a commit is part of a revision; None for unknown.

        A commit that was no head in this writer's time may be older, or lost by a rewrite, or another repository's.
        """
        place = self._places.get(revision)
        if place is not None and commit in self._older:
            return True
        known = self._places.get(commit)
        return None if place is None or known is None else known <= place


def looked_up(clone: Clone, revision: str, commit: str) -> bool:
    """Tell the same from a clone that was just fetched, of whose past more is brought until it can be told.

    Raises Unpublished when the branch does not have the revision.
    """
    deeper = True
    while deeper:
        if not clone.has(revision):
            if clone.has(commit):
                return False  # it came later: history is here from some commit on
        elif clone.has(commit):
            if clone.follows(commit, revision):
                return True
            if clone.follows(revision, commit):
                return False
        deeper = clone.deepen()
    if clone.has(revision):
        return False
    raise Unpublished(f"nobody here knows whether {plain(revision)} contains {plain(commit)}")
