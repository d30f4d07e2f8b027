"""The flux repository as a leader writes to it: the writer of `kilter.gitops`, in the words of the operator."""

import logging
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

from kilter.errors import BadInput, Failed, KilterError
from kilter.gitops import model
from kilter.gitops.flux import Flux
from kilter.gitops.model import Fence, Refused, Result
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.operator.effects import Change
from kilter.operator.lease import Deposed
from kilter.operator.publications import Receipt
from kilter.operator.settings import Git
from kilter.proc import Runner

LOG = logging.getLogger("kilter.operator")


@dataclass(frozen=True)
class Repository:
    """The repository of the settings; called with a fence it opens the writer of that leader (a WriterFactory)."""

    runner: Runner
    git: Git
    flux: Flux

    def __call__(self, fence: Fence, *, anew: bool) -> "Publisher":
        """Take the branch over; `anew` as for a `WriterFactory`.

        Raises Busy when a later leader writes, or another process uses the clone's folder; any other KilterError when
        it may be tried again.
        """
        git = self.git
        remote = Remote(git.url, branch=git.branch, username=git.username, token=git.token, ca=git.ca)
        writer = Writer(self.runner, remote, self.git.folder, fence, self.flux)
        commit = writer.open(anew=anew)
        LOG.info("writing to %s from commit %s on", remote.branch, commit[:12])
        return Publisher(writer)


@dataclass
class Publisher:
    """A leader's writer, with the thread that publishes whatever comes."""

    writer: Writer
    fault: Exception | None = None  # what ended that thread
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="git-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change) -> "Future[Receipt]":
        """Ask for a change; see `publications.Writer`. Raises Deposed when another leader has been seen to write."""
        given: Future[Receipt] = Future()
        try:
            found = self.writer.submit(_change(change))
        except BadInput:
            raise
        except model.Deposed as error:
            raise Deposed(error.what, why=error.why) from None
        except Exception as error:  # noqa: BLE001 - whatever ended the writer is said of each change
            given.set_exception(_foreseen(error))
        else:
            found.add_done_callback(lambda done: _answer(change, given, done))
        return given

    def contains(self, revision: str, commit: str) -> bool:
        """Tell whether a commit is part of a revision; raises KilterError when that is unknown."""
        return self.writer.contains(revision, commit)

    def close(self) -> None:
        """Publish what waits, take nothing more, and give the folder back."""
        self.writer.close()
        self._thread.join()

    def _run(self) -> None:
        try:
            self.writer.run()
        except Exception as error:
            LOG.exception("the writer to Git has ended by a fault of its own; a restart begins anew")
            self.fault = error


def _answer(change: Change, given: "Future[Receipt]", done: "Future[model.Receipt]") -> None:
    """Pass on what became of a change. Runs in the writer's thread."""
    error = None if done.cancelled() else done.exception()
    if done.cancelled():
        given.set_exception(Failed("it was called off"))
    elif isinstance(error, Refused):
        given.set_exception(BadInput(error.what, why=error.why, hint=error.hint, details=error.details))
    elif error is not None:
        given.set_exception(_foreseen(error))
    elif (receipt := done.result()).result is Result.SUPERSEDED:
        given.set_exception(Failed("a later change of the environment took its place"))
    else:
        if receipt.overwritten:
            about = {"app": change.namespace, "deploy": change.deploy}
            LOG.warning("replaced in Git what others had edited: %s", ", ".join(receipt.overwritten), extra=about)
        given.set_result(Receipt(receipt.commit, receipt.path))


def _foreseen(error: BaseException) -> BaseException:
    return error if isinstance(error, KilterError) else Failed(f"the writer to Git ended: {type(error).__name__}")


def _change(given: Change) -> model.Change:
    return model.Change(
        org=given.org,
        app=given.app,
        env=given.env,
        namespace=given.namespace,
        files=given.files,
        beside=given.beside,
        deploy=given.deploy,
        actor=given.actor,
        release=given.release,
        image=given.image,
    )
