"""The platform's one writer, for many threads: changes that come while a commit is under way make up the next one."""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from kilter.errors import Busy, KilterError, MachineLacks
from kilter.gitops.flux import Flux
from kilter.gitops.layout import APPS, Laid, lay_out
from kilter.gitops.model import Change, Fence, Receipt, Result, Unpublished
from kilter.gitops.pending import Pending
from kilter.gitops.publisher import Limits, Publisher
from kilter.gitops.remote import Remote
from kilter.proc import Runner

BATCH = 500  # changes in one commit, at most


@dataclass(frozen=True)
class _Ticket:
    laid: Laid
    future: "Future[Receipt]" = field(default_factory=Future)

    @property
    def key(self) -> str:
        return self.laid.change.label


class Writer:
    """Writes to one branch of one repository as the leader that `fence` names.

    `folder` holds the clone and belongs to this writer alone; nothing in it needs to outlive the process. The caller
    either runs `run` in a thread, or calls `flush` itself.
    """

    def __init__(self, runner: Runner, remote: Remote, folder: Path, fence: Fence, flux: Flux | None = None) -> None:
        self._flux = flux or Flux()
        self._publisher = Publisher(runner, remote, folder, fence, self._flux, Limits())
        self._folder = folder
        self._pending: Pending[_Ticket] = Pending()
        self._changed = threading.Condition()  # guards the queue and what follows
        self._closing = False
        self._ended: BaseException | None = None
        self._git = threading.Lock()  # held by whoever uses the clone
        self._held = ExitStack()

    def open(self, *, anew: bool = True) -> str:
        """Take the folder and the leadership; returns the commit that says so.

        `anew` says whether a branch on which no leader ever wrote may be taken too: Flux removes what it does not have.
        Raises Busy when another process uses the folder, MachineLacks when nobody can, Deposed when a later leader is
        at work, Unpublished and Rewritten as receipts do.
        """
        self._take_folder()
        try:
            with self._git:
                return self._publisher.claim(anew=anew)
        except BaseException:
            self.close()
            raise

    def submit(self, change: Change) -> "Future[Receipt]":
        """Ask for a change; the future has the receipt, or Unpublished, Refused, Deposed or Rewritten.

        A change that was not published can be submitted again at any time. A change takes the place of an earlier one
        of the same env that still waits, whose receipt then says so. Raises BadInput for a change that can never be
        written, and the error that ended the writer if one has: Deposed, Rewritten.
        """
        ticket = _Ticket(lay_out(change, self._flux))
        with self._changed:
            if self._ended is not None:
                raise self._ended
            if self._closing:
                raise _closed()
            replaced = self._pending.put(ticket)
            self._changed.notify()
        if replaced is not None and replaced.future.set_running_or_notify_cancel():
            replaced.future.set_result(Receipt(Result.SUPERSEDED, path=replaced.laid.folder))
        return ticket.future

    def flush(self) -> int:
        """Publish what waits, in one commit, and answer; returns how many changes that were."""
        with self._git:
            with self._changed:
                taken = self._pending.take(BATCH)
            # From here on a caller cannot cancel any more: the change may be on its way.
            tickets = [ticket for ticket in taken if ticket.future.set_running_or_notify_cancel()]
            if tickets:
                self._publish(tickets)
            return len(tickets)

    def run(self) -> None:
        """Publish whatever comes until `close` is called; returns early when the writer may not write any more."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._pending) or self._closing or self._ended)
                if self._ended is not None or not len(self._pending):
                    return
            self.flush()

    def files(self, org: str, app: str, env: str, commit: str = "") -> dict[str, str]:
        """Return what kilter wrote for an env, file name → text: now, or as an earlier commit had it (to roll back).

        Raises Unpublished when the repository cannot be read, Refused when a file is no text any more.
        """
        with self._git:
            return self._publisher.files(f"{APPS}/{org}/{app}/{env}", commit)

    def contains(self, revision: str, commit: str) -> bool:
        """Tell whether a commit is part of a revision of the branch, as others have fetched it.

        Raises Unpublished when that cannot be told: the branch has no such revision, or cannot be reached.
        """
        known = self._publisher.history.contained(revision, commit)
        if known is not None:
            return known
        with self._git:
            return self._publisher.look_up(revision, commit)

    def survey(self) -> dict[str, tuple[str, ...]]:
        """Return every env of the branch (`acme/shop/prod`) with the paths that others changed in it."""
        with self._git:
            return self._publisher.survey()

    def close(self) -> None:
        """Take no more changes, publish those that wait, and give the folder back."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        while self.flush():
            pass
        with self._git:
            self._publisher.close()
            self._held.close()

    def _publish(self, tickets: Sequence[_Ticket]) -> None:
        try:
            answers = self._publisher.publish([ticket.laid for ticket in tickets])
        except BaseException as error:
            if not isinstance(error, Unpublished):
                tickets = [*tickets, *self._end(error)]
            _fail(tickets, error)
            if not isinstance(error, KilterError):
                raise
            return
        for ticket, answer in zip(tickets, answers, strict=True):
            if isinstance(answer, Receipt):
                ticket.future.set_result(answer)
            else:
                ticket.future.set_exception(answer)

    def _end(self, error: BaseException) -> list[_Ticket]:
        with self._changed:
            self._ended = error
            self._changed.notify_all()
            waiting = self._pending.take(len(self._pending))
        return [ticket for ticket in waiting if ticket.future.set_running_or_notify_cancel()]

    def _take_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise MachineLacks(f"cannot write below {self._folder}", why=error.strerror or "") from None
        self._held.callback(os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._held.close()
            raise Busy(f"another process writes to Git from {self._folder}") from None
        for left in self._folder.glob("clone-*"):
            shutil.rmtree(left, ignore_errors=True)


def _fail(tickets: Iterable[_Ticket], error: BaseException) -> None:
    for ticket in tickets:
        ticket.future.set_exception(error)


def _closed() -> Unpublished:
    return Unpublished("the writer is being closed", hint="submit the change to the next one")
