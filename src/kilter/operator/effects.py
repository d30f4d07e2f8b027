"""What steps want done in the world, as values. Executors carry them out one by one; each may be repeated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from kilter.operator.kinds import Kind, Object


@dataclass(frozen=True)
class Apply:
    """Apply an object that belongs to kilter alone. It may hold a secret, so it does not print."""

    thing: Object = field(repr=False)


@dataclass(frozen=True)
class Delete:
    """Delete the very object of that uid."""

    kind: Kind
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Annotate:
    """Put an annotation on the very object of that uid; one that is gone, or made anew, is left alone."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    key: str
    value: str


@dataclass(frozen=True)
class Disown:
    """Take off the owners that others gave an object of kilter's: the cluster would delete it with them (O4)."""

    thing: Object = field(repr=False)


@dataclass(frozen=True)
class CreateRole:
    """Make a role of the database server that cannot log in, with the mark of whom it belongs to."""

    name: str
    mark: str


@dataclass(frozen=True)
class AdmitRole:
    """Let a login role act as the owner role."""

    owner: str
    member: str


@dataclass(frozen=True)
class SetPassword:
    """Make a role able to log in with a password; only a verifier of it goes to the server."""

    role: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class CreateDatabase:
    """Make a database that the owner role owns."""

    name: str
    owner: str


@dataclass(frozen=True)
class SealDatabase:
    """Mark a database of the owner role's, and close it to everybody else."""

    name: str
    owner: str
    mark: str


@dataclass(frozen=True)
class CloseRole:
    """Keep a role from logging in, and end its sessions; the server notes after how many days its time is over.

    0 is for good.
    """

    name: str
    mark: str
    days: int = 0


@dataclass(frozen=True)
class RetireDatabase:
    """Give a database the name under which alone it may be dropped; its sessions end."""

    name: str
    owner: str
    retired: str


@dataclass(frozen=True)
class DropDatabase:
    """Drop a database that was retired before."""

    retired: str


@dataclass(frozen=True)
class ExpireDatabase:
    """Drop a database whose login role was closed and whose time is over, and its roles; none that was opened again."""

    name: str
    owner: str
    login: str
    mark: str
    retired: str


@dataclass(frozen=True)
class DropRole:
    """Drop a role that owns nothing any more."""

    name: str
    mark: str


@dataclass(frozen=True)
class Change:
    """What an environment is to be in Git from now on: these files, or nothing at all (`files` is None).

    Flux applies `files`; `beside` is kept next to them for people and for a rebuild. Both map a file name to its text.
    """

    org: str
    app: str
    env: str
    namespace: str
    files: Mapping[str, str] | None = field(repr=False)
    beside: Mapping[str, str] = field(default_factory=dict, repr=False)
    deploy: str = ""
    actor: str = ""
    release: int = 0
    image: str = ""


class Revision(NamedTuple):
    """An object's spec as it was at one time: another object of the same name begins at generation 1 again."""

    uid: str
    generation: int


@dataclass(frozen=True)
class Submit:
    """Hand a change to the Git writer; `key` and `revision` say what it was made for."""

    key: str
    revision: Revision
    change: Change


@dataclass(frozen=True)
class PokeSource:
    """Make Flux fetch its source now, once per commit."""

    commit: str


DatabaseEffect = (
    CreateRole | AdmitRole | SetPassword | CreateDatabase | SealDatabase | CloseRole | RetireDatabase | DropDatabase
    | ExpireDatabase | DropRole
)  # fmt: skip
Effect = Apply | Delete | Annotate | Disown | DatabaseEffect | Submit | PokeSource
