"""Gets a batch of changes onto the branch: one commit, made anew on every newer head, and only while this one leads."""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from kilter.errors import KilterError
from kilter.gitops.clone import Clone, open_clone
from kilter.gitops.flux import Flux
from kilter.gitops.history import History, looked_up
from kilter.gitops.layout import (
    APPS,
    LEADER,
    LIST,
    RECEIPT,
    Laid,
    blob_id,
    claim,
    leader_text,
    parse_leader,
    parse_receipt,
)
from kilter.gitops.message import Written, of_claim, of_deploys
from kilter.gitops.model import Deposed, Fence, Receipt, Refused, Result, Rewritten, Unpublished
from kilter.gitops.plan import Plan, Tree, drift, needed, plan
from kilter.gitops.refusals import deposed, foreign, is_contention, not_taken, unpublished
from kilter.gitops.remote import Remote
from kilter.proc import Runner
from kilter.tools.git import Edit, Log, is_id, plain

FAILURES = 2  # in a row, before the repository counts as out of reach: the first may be the clone's own
OWN = (Deposed, Rewritten, Unpublished, Refused)
REFUSALS = 5  # in a row without anybody else's commit, before they count as the server's will


Found = TypeVar("Found")


@dataclass(frozen=True)
class Limits:
    """How a rejected push is retried (seconds), and after how many commits a clone is made anew."""

    first_pause: float = 0.05
    longest_pause: float = 0.25
    patience: float = 60.0  # for all attempts at one commit together
    commits: int = 2000


@dataclass(frozen=True)
class Work:
    """What a commit is to hold, as it follows from one head of the branch."""

    edits: tuple[Edit, ...]
    message: str
    plans: tuple[Plan | Refused, ...] = ()


Draft = Callable[[Clone], Work]


@dataclass
class _Attempt:
    """How far a landing has come."""

    deadline: float
    pause: float
    commit: str = ""
    work: Work = field(default_factory=lambda: Work((), ""))
    others: tuple[Log, ...] = ()
    fresh: bool = False  # whether the head was asked for just now
    lost: bool = False  # whether the answer to the last push may not have come
    failures: int = 0
    refusals: int = 0


class Publisher:
    """Writes to one branch. Not for several threads at once; `writer.Writer` is."""

    def __init__(self, runner: Runner, remote: Remote, folder: Path, fence: Fence, flux: Flux, limits: Limits) -> None:
        self.flux = flux
        self._runner, self._remote, self._folder = runner, remote, folder
        self._fence, self._limits = fence, limits
        self._clone: Clone | None = None
        self._known = ""  # survives clones: a head that the branch must go on containing
        self.history = History()

    def claim(self, *, anew: bool = True) -> str:
        """Take over as leader, in a commit of its own unless that was done before; returns the commit.

        `anew` says whether a branch on which no leader ever wrote may be taken too.
        Raises Deposed when a later leader has, Unpublished and Rewritten as `publish` does.
        """
        return self._land(lambda clone: self._claim(clone, anew))[0]

    def publish(self, batch: Sequence[Laid]) -> list[Receipt | Refused]:
        """Bring the branch to what all these changes want, in at most one commit; answers in their order.

        Raises Deposed when another leader has taken over, Rewritten when the branch lost commits, Unpublished when the
        repository cannot be reached or refuses. Whatever is raised: the branch has all of the batch or nothing of it.
        """
        commit, work, others = self._land(lambda clone: self._draft(clone, batch))
        return [
            found
            if isinstance(found, Refused)
            else Receipt(
                Result.PUBLISHED if found.edits else Result.UNCHANGED,
                commit,
                laid.folder,
                found.overwritten,
                found.foreign,
                others,
            )
            for laid, found in zip(batch, work.plans, strict=True)
        ]

    def files(self, folder: str, commit: str = "") -> dict[str, str]:
        """Return the files that kilter wrote for an env, name → text, as the branch has them now or had them once."""

        if commit and not is_id(commit):
            raise Refused(f"{plain(commit)} is no commit")

        def look(clone: Clone) -> dict[str, str]:
            if not (commit or clone.head):
                return {}
            found = clone.at(commit or clone.head, folder)
            names = {path.rpartition("/")[2] for path in parse_receipt(found.get(RECEIPT, b""), folder)} - {LIST}
            return {name: _text(name, data) for name, data in sorted(found.items()) if name in names}

        return self._reading(look)

    def look_up(self, revision: str, commit: str) -> bool:
        """Ask the repository whether a commit is part of a revision; raises Unpublished for unknown."""

        def look(clone: Clone) -> bool:
            found = looked_up(clone, revision, commit)
            if found and clone.follows(commit, self.history.oldest):
                self.history.see_older(commit)
            return found

        return self._reading(look)

    def survey(self) -> dict[str, tuple[str, ...]]:
        """Return all envs of the branch (`acme/shop/prod`) with the paths that others changed in them."""

        def look(clone: Clone) -> dict[str, tuple[str, ...]]:
            folders = clone.tree.folders()
            receipts = [entry.id for folder in folders if (entry := clone.tree[f"{folder}/{RECEIPT}"])]
            contents = clone.read(receipts)
            return {folder.removeprefix(f"{APPS}/"): drift(folder, clone.tree, contents) for folder in folders}

        return self._reading(look)

    def close(self) -> None:
        """Throw the clone away."""
        if self._clone is not None:
            self._clone.discard()
            self._clone = None

    def _land(self, draft: Draft) -> tuple[str, Work, tuple[Log, ...]]:
        attempt = _Attempt(time.monotonic() + self._limits.patience, self._limits.first_pause)
        while True:
            try:
                if (commit := self._try(draft, attempt)) is not None:
                    return commit, attempt.work, attempt.others
                attempt.failures = 0
            except OWN:
                raise
            except (KilterError, OSError, ValueError) as error:
                # The clone may be broken (a kill, a full disk) or the repository out of reach: a new clone tells.
                self.close()
                attempt.failures, attempt.lost = attempt.failures + 1, True
                if attempt.failures >= FAILURES:
                    raise unpublished(error) from error

    def _try(self, draft: Draft, attempt: _Attempt) -> str | None:
        """Make one attempt; returns the commit that holds what is wanted, None when there has to be another."""
        clone = self._current(attempt)
        if attempt.lost and attempt.commit and clone.contains(attempt.commit):
            self.history.see_within(attempt.commit, clone.head)
            return attempt.commit
        if not attempt.fresh:
            # A push alone would tell when the branch went on, but not when it went back to where it once was.
            self._fetch(clone, attempt)
        attempt.work = draft(clone)
        if not attempt.work.edits:
            return clone.head
        attempt.commit = clone.commit(attempt.work.edits, attempt.work.message)
        if not (refusal := clone.push(attempt.commit, attempt.work.edits)):
            self._see(clone.head)
            return attempt.commit
        attempt.fresh = False
        self._pause(attempt, refusal)
        return None

    def _current(self, attempt: _Attempt) -> Clone:
        if self._clone is not None and (not self._clone.head or self._clone.commits >= self._limits.commits):
            self.close()  # an empty repository is asked anew; a used clone has many loose objects
        if self._clone is None:
            self._clone = open_clone(self._runner, self._remote, self._folder, self._known)
            self._see(self._clone.head)
            attempt.fresh = True
        return self._clone

    def _fetch(self, clone: Clone, attempt: _Attempt) -> None:
        if others := clone.fetch():
            attempt.refusals = 0
        attempt.others = (*others, *attempt.others)
        self._see(clone.head)
        attempt.fresh = True

    def _see(self, head: str) -> None:
        self._known = head
        self.history.see(head)

    def _pause(self, attempt: _Attempt, refusal: str) -> None:
        """Wait a moment that differs from writer to writer; raises Unpublished when there were enough attempts."""
        contended = is_contention(refusal)
        attempt.refusals += not contended
        if attempt.refusals > REFUSALS or time.monotonic() > attempt.deadline:
            raise not_taken(refusal)
        if contended or attempt.refusals > 1 or attempt.others:
            time.sleep(attempt.pause * random.random())  # noqa: S311 - spreads writers, keeps no secret
            attempt.pause = min(attempt.pause * 2, self._limits.longest_pause)

    def _draft(self, clone: Clone, batch: Sequence[Laid]) -> Work:
        self._check_leader(clone)
        contents = clone.read(identifier for laid in batch for identifier in needed(laid, clone.tree))
        plans = tuple(_planned(batch, clone.tree, contents))
        done = [
            (laid, found) for laid, found in zip(batch, plans, strict=True) if isinstance(found, Plan) and found.edits
        ]
        edits = tuple(edit for _, found in done for edit in found.edits)
        message = (
            of_deploys([Written(laid.change, found.overwritten) for laid, found in done], self._fence) if done else ""
        )
        return Work(edits, message, plans)

    def _claim(self, clone: Clone, anew: bool) -> Work:
        entry = clone.tree[LEADER]
        if entry is None and not anew and not clone.tree.folders():
            raise foreign(self._remote)
        if entry is not None and entry.id == blob_id(leader_text(self._fence)):
            return Work((), "")
        if entry is not None:
            found = parse_leader(clone.read([entry.id]).get(entry.id, b""))
            if found is None:
                raise Unpublished(f"{LEADER} is not as kilter writes it", hint="restore that file, or delete it")
            if found != self._fence and found.number >= self._fence.number:
                raise deposed(self._fence, found)
        return Work(claim(self._fence, clone.tree.paths(), self.flux), of_claim(self._fence))

    def _check_leader(self, clone: Clone) -> None:
        entry = clone.tree[LEADER]
        if entry is None or entry.id != blob_id(leader_text(self._fence)):
            raise deposed(self._fence, parse_leader(clone.read([entry.id]).get(entry.id, b"")) if entry else None)

    def _reading(self, look: Callable[[Clone], Found]) -> Found:
        for last in (False, True):
            attempt = _Attempt(0, 0)
            try:
                clone = self._current(attempt)
                if not attempt.fresh:
                    self._fetch(clone, attempt)
                return look(clone)
            except OWN:
                raise
            except (KilterError, OSError, ValueError) as error:
                self.close()
                if last:
                    raise unpublished(error) from error
        raise AssertionError


def _planned(batch: Sequence[Laid], tree: Tree, contents: Mapping[str, bytes]) -> Iterator[Plan | Refused]:
    """Yield the plan of each change, or why there is none: one that cannot be written keeps no other from it."""
    holders: dict[str, str] = {}
    for laid in batch:
        label = laid.change.label
        try:
            if (holder := holders.setdefault(laid.pointer, label)) != label:
                raise Refused(f"{label} cannot be written: {holder} has the same namespace {laid.change.namespace}")
            yield plan(laid, tree, contents)
        except Refused as refused:
            yield refused


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused(f"{name} in the repository is no text", hint="somebody edited it: restore it") from None
