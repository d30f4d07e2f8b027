"""What the server needs of the world outside: a cluster that holds KilterApps, and a registry that trusts its word."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kilter.api.kilterapp import KilterApp, Spec


@dataclass(frozen=True)
class Seen:
    """An object is there, or has changed."""

    app: KilterApp


@dataclass(frozen=True)
class Gone:
    """An object no longer exists."""

    name: str


@dataclass(frozen=True)
class Listed:
    """Objects of these names exist and no others; sent first, and again after every gap of the watch.

    An object that cannot be read has a name and stands not among the apps.
    """

    apps: tuple[KilterApp, ...]
    names: frozenset[str]


@dataclass(frozen=True)
class Alive:
    """Nothing has changed, and the watch lives."""


Change = Seen | Gone | Listed | Alive


class Conflict(Exception):
    """The cluster refuses a write for good: somebody else owns a field, a rule forbids it, or it is too large."""


@dataclass(frozen=True)
class LogQuery:
    """Which lines of an environment's pods are wanted."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    lines: int
    since: int | None  # seconds
    follow: bool


class Cluster(Protocol):
    """KilterApps of one cluster, and the logs of their pods. Every method raises Unavailable."""

    async def apply(self, name: str, spec: Spec) -> None:
        """Write a spec by server-side apply as `kilter-server`, making the object if need be. Raises Conflict."""
        ...

    async def exists(self, name: str) -> bool:
        """Tell whether there is an object of that name now, also one that cannot be read."""
        ...

    async def delete(self, name: str, spec: Spec) -> None:
        """Ask for an object to be deleted, with what becomes of its database; one that does not exist is fine.

        `spec` is the delete's. Raises Conflict, also where the object is a later deploy's, or another environment's.
        """
        ...

    def watch(self) -> AsyncIterator[Change]:
        """Yield what exists and what changes, for ever; ends by raising Unavailable."""
        ...

    def logs(self, query: LogQuery) -> AsyncIterator[str]:
        """Yield lines, each with its pod in front."""
        ...


@dataclass(frozen=True)
class Access:
    """What a bearer of a registry token may do with one repository."""

    name: str
    actions: tuple[str, ...]


@dataclass(frozen=True)
class Pushing:
    """What a push credential says: which one it is, for whom, by which API token, for which repository."""

    id: str
    actor: str
    token_id: str
    repository: str


class Registry(Protocol):
    """The platform's image registry, whose token server this is."""

    service: str  # as the registry names itself
    prefix: str  # of every repository: empty, or a scope with a final slash; `<org>/<app>` follows

    def push_credential(self, pushing: Pushing, until: datetime) -> str:
        """Make the password that lets one client push to one repository."""
        ...

    def read_push_credential(self, password: str, now: datetime) -> Pushing | None:
        """Return what a password says; None when it is none of ours, or over."""
        ...

    def read_pull_credential(self, password: str) -> str | None:
        """Return the repository that an environment's password is for; None when it is none of ours."""
        ...

    def token(self, subject: str, access: tuple[Access, ...], now: datetime) -> tuple[str, int]:
        """Make the token that the registry asks for; returns it with its life in seconds."""
        ...


# Tells the digests of a repository that are needed now; None where the one that is to go is needed itself.
Kept = Callable[[], Awaitable[frozenset[str] | None]]


class Images(Protocol):
    """What lies in the platform's registry. Every method raises Unavailable."""

    async def remove(self, repository: str, digest: str, kept: Kept) -> tuple[str, ...]:
        """Remove a manifest, and of those that it lists the ones that nothing else does; returns what went.

        What is `kept` stays, with what it lists. It is asked again right before the first one goes.
        """
        ...
