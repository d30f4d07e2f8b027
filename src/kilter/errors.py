"""Every error kilter raises on purpose, and the exit code each one ends with.

    KilterError
    ├── Failed        1   failed in a way not foreseen below
    ├── BadInput      2   the user's words or files are wrong
    ├── Busy          3   somebody else is at it: a lock, a conflict
    ├── MachineLacks  4   Docker, a tool, disk space or a port is missing
    ├── NotAllowed    5   not logged in, or not permitted
    ├── NotFound      6   the named thing does not exist
    ├── BuildFailed   7   an image build or push failed
    ├── PlanNeeded    8   a reviewed plan is required, or the one given is stale
    ├── NotReady     10   a service or a rollout failed
    ├── TimedOut     11   the wait ended before the thing did
    ├── Unreachable  12   the platform does not answer
    └── Interrupted 130   Ctrl-C

An error says what happened, why, and what to do next. It is built quietly; `kilter.cli.console` alone prints it.
The table of codes is decision 2 of the specification; code 9 belongs to commands that do not exist yet.
"""

from collections.abc import Sequence
from typing import ClassVar


class KilterError(Exception):
    """Base of all errors that kilter foresees.

    `what` is one sentence without a full stop, `why` the cause as far as known, `hint` the next step, and `details`
    further lines (faults of a file, the tail of a log), each printed on a line of its own.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint
        self.details = tuple(details)


def in_one_line(error: KilterError, limit: int = 1000) -> str:
    """Return all that an error says, for a place without lines: of the rest so many characters, the hint whole."""
    said = ": ".join(filter(None, (error.what, error.why)))
    said = "; ".join((said, *error.details))[:limit]
    return f"{said}; {error.hint}" if error.hint else said


class Failed(KilterError):
    """Something failed that no other class describes."""

    exit_code = 1


class BadInput(KilterError):
    """The command line or a file of the user's is wrong; nothing was changed."""

    exit_code = 2


class Busy(KilterError):
    """Another process holds what this one needs."""

    exit_code = 3


class MachineLacks(KilterError):
    """The machine lacks something: a container engine, a tool, disk space, a free port."""

    exit_code = 4


class NotAllowed(KilterError):
    """The user is not logged in, or may not do this."""

    exit_code = 5


class NotFound(KilterError):
    """The thing named by the user does not exist."""

    exit_code = 6


class BuildFailed(KilterError):
    """An image could not be built or pushed."""

    exit_code = 7


class PlanNeeded(KilterError):
    """The platform wants a reviewed plan, or the plan given no longer fits."""

    exit_code = 8


class NotReady(KilterError):
    """A service or an app came to a state from which it will not become ready by waiting."""

    exit_code = 10


class TimedOut(KilterError):
    """The wait ended before what was awaited happened; it may still happen."""

    exit_code = 11


class Unreachable(KilterError):
    """The platform does not answer, or says that it cannot."""

    exit_code = 12


class Interrupted(KilterError):
    """The user pressed Ctrl-C, or the process was asked to end."""

    exit_code = 130
