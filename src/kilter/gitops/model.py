"""What the writer is given and what it answers. Plain values, without anything of the cluster or of HTTP in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from kilter.errors import Busy, Failed, KilterError
from kilter.tools.git import Log

LEASE: Final = "kilter-operator"  # whose holder writes
# Annotation of the Lease: whether its holder has opened the repository. OPENED, or why it could not; none: not yet.
REPOSITORY: Final = "kilter.dev/repository"
OPENED: Final = "open"
SERIAL_BITS: Final = 20  # below them lies the count of leaders, above them the second in which the Lease was made


@dataclass(frozen=True)
class Change:
    """What an env is to be from now on: these files, or nothing at all (`files` is None).

    Flux applies `files`; `beside` is kept next to them for people and for a rebuild, and never applied. Both map a file
    name to its text. `deploy`, `actor`, `release` and `image` go into the commit message.
    """

    org: str
    app: str
    env: str
    namespace: str
    files: Mapping[str, str] | None
    beside: Mapping[str, str] = field(default_factory=dict)
    deploy: str = ""
    actor: str = ""
    release: int = 0
    image: str = ""

    @property
    def label(self) -> str:
        """The env as people write it: `acme/shop/prod`."""
        return f"{self.org}/{self.app}/{self.env}"


@dataclass(frozen=True)
class Fence:
    """Who leads: a number that grows with every leader, and the leader's name. Only the highest may write."""

    number: int
    holder: str

    @classmethod
    def of_lease(cls, created: datetime, transitions: int, holder: str) -> "Fence":
        """Return the fence of a Lease's holder; it goes on growing when the Lease is deleted and made again (F40).

        `created` is when the Lease was made, `transitions` how many have taken it over since.
        """
        return cls((int(created.timestamp()) << SERIAL_BITS) + transitions, holder)


class Result(StrEnum):
    """What became of a change."""

    PUBLISHED = "published"  # the commit is on the branch
    UNCHANGED = "unchanged"  # the branch said so already
    SUPERSEDED = "superseded"  # a later change of the same env took its place before it was written


@dataclass(frozen=True)
class Receipt:
    """The answer to a change: the commit at which the branch holds it, and what others had done there.

    `overwritten` are files of kilter's that somebody had edited, added or deleted, and that are as wanted again; the
    edit stays in the history. `foreign` are files of others in the env's folder: not applied, and left alone. `others`
    are commits by others that came in while this one was made, newest first.
    """

    result: Result
    commit: str = ""
    path: str = ""
    overwritten: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    others: tuple[Log, ...] = ()


class Unpublished(Failed):
    """The repository did not take the change; the running version stays, and the change may be submitted again."""


class Refused(Failed):
    """This one change cannot be written as it is, whatever the state of the repository's server."""


class Deposed(Busy):
    """Another leader has taken over; this writer writes nothing any more."""


class Rewritten(KilterError):
    """The branch lost commits that were on it; a person must look before anything is written."""
