"""What was handed to the Git writer and what became of it: the bridge between its futures and steps that only look."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from kilter.errors import BadInput, Busy, Failed, KilterError, in_one_line
from kilter.gitops.model import Fence
from kilter.operator.effects import Change, Revision, Submit
from kilter.operator.steps.publish import NONE, Submission


@dataclass(frozen=True)
class Receipt:
    """The commit at which the branch holds a change, and the folder it lies in."""

    commit: str
    path: str


class Writer(Protocol):
    """The one writer of the flux repository, as a leader has it. It batches what comes while a commit is under way."""

    @property
    def fault(self) -> Exception | None:
        """What ended it that nobody foresaw; it publishes nothing any more, and another one has to be opened."""

    def submit(self, change: Change) -> "Future[Receipt]":
        """Ask for a change; raises BadInput for one that can never be written.

        The future has the receipt; or BadInput or Refused-like errors for this change, Busy when another leader writes,
        any other KilterError when it may be handed in again.
        """

    def contains(self, revision: str, commit: str) -> bool:
        """Tell whether a commit is the revision or one of its ancestors; raises KilterError when that is unknown."""

    def close(self) -> None:
        """Take no more changes, and end what is under way."""


class WriterFactory(Protocol):
    """Makes the writer of a leader."""

    def __call__(self, fence: Fence, *, anew: bool) -> Writer:
        """Open the repository as the leader of that number.

        `anew` says whether it may be one that no leader has written to: what Flux then applies has none of the apps.
        Raises Busy when a later one writes, any other KilterError when it may be tried again.
        """


class ClosedWriter:
    """Stands for the writer until the repository could be opened, and says why it could not."""

    fault: Exception | None = None

    def __init__(self) -> None:
        self.why = "the flux repository is being opened"

    def submit(self, change: Change) -> "Future[Receipt]":
        """Answer that it may be handed in again later."""
        future: Future[Receipt] = Future()
        future.set_exception(Failed(self.why))
        return future

    def contains(self, revision: str, commit: str) -> bool:
        """Raise Failed: nobody knows yet."""
        raise Failed(self.why)

    def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass(frozen=True)
class _Held:
    """What became of the change for a revision; `effect` holds it, with all its files, only until that is known."""

    revision: Revision
    submission: Submission
    effect: Submit | None = field(default=None, repr=False)


@dataclass
class Publications:
    """The last submission of each environment, and what became of it. Thread-safe; forgotten on restart.

    `on_news` is called, from the writer's thread, with the key of whatever has come to an end.
    """

    writer: Writer  # a ClosedWriter at first
    on_news: Callable[[str], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _held: dict[str, _Held] = field(default_factory=dict)

    def state(self, key: str, revision: Revision) -> Submission:
        """Return what became of the submission for that revision of the object."""
        with self._lock:
            held = self._held.get(key)
        return held.submission if held is not None and held.revision == revision else NONE

    def open(self, writer: Writer) -> None:
        """Go on with a writer; what came before it was there is due at once."""
        with self._lock:
            self.writer = writer
            self._held = {key: held for key, held in self._held.items() if held.submission.state != "unpublished"}

    def submit(self, effect: Submit) -> None:
        """Hand a change in; raises Busy when another leader writes."""
        try:
            future = self.writer.submit(effect.change)
        except BadInput as error:
            self._hold(effect.key, _Held(effect.revision, Submission("refused", message=_words(error))))
            return
        self._hold(effect.key, _Held(effect.revision, Submission("pending"), effect))
        future.add_done_callback(lambda done: self._ended(effect, done))

    def forget(self, key: str) -> None:
        """Drop what is known of an environment that is gone."""
        with self._lock:
            self._held.pop(key, None)

    def _ended(self, effect: Submit, future: "Future[Receipt]") -> None:
        error = future.exception() if not future.cancelled() else None
        now = datetime.now(UTC)
        if future.cancelled() or isinstance(error, Busy):
            found = Submission("unpublished", message="this operator does not lead any more", ended=now)
        elif isinstance(error, BadInput):
            found = Submission("refused", message=_words(error))
        elif error is not None:
            found = Submission("unpublished", message=_words(error), ended=now)
        else:
            receipt = future.result()
            found = Submission("published", receipt.commit, receipt.path)
        self._end(effect, found)
        self.on_news(effect.key)

    def _hold(self, key: str, held: _Held) -> None:
        with self._lock:
            self._held[key] = held

    def _end(self, effect: Submit, submission: Submission) -> None:
        """Keep what became of a submission, unless it has been forgotten or followed by another one meanwhile."""
        with self._lock:
            held = self._held.get(effect.key)
            if held is not None and held.effect is effect:
                self._held[effect.key] = _Held(effect.revision, submission)


def _words(error: BaseException) -> str:
    return in_one_line(error, 600) if isinstance(error, KilterError) else type(error).__name__
