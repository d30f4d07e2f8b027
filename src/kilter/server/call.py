"""What a handler gets and gives: one request, already authorised and decoded, and its answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.responses import Response

from kilter.render.names import Slot
from kilter.server.bodies import AT_ONCE
from kilter.server.hub import Hub
from kilter.server.policies import Policies
from kilter.server.pulse import Pulse
from kilter.server.readers import Readers
from kilter.server.rush import Rush
from kilter.server.seams import Cluster, Images, Registry
from kilter.server.settings import Settings
from kilter.server.store import sessions, tokens
from kilter.server.store.audit import Attempt
from kilter.server.store.deploys import Record
from kilter.server.store.engine import Engine, Tx
from kilter.server.store.idempotency import Key
from kilter.server.store.tokens import Grant


@dataclass(frozen=True)
class Services:
    """What the server works with; one per process."""

    settings: Settings
    store: Engine
    cluster: Cluster
    registry: Registry | None
    clock: Callable[[], int]
    images: Images | None = None  # none: nothing is removed from the registry
    hub: Hub = field(default_factory=Hub)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    policies: Policies = field(default_factory=Policies)
    pulse: Pulse = field(default_factory=Pulse)
    readers: Readers = field(default_factory=Readers)
    rush: Rush = field(default_factory=Rush)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))  # for large bodies

    def stop(self) -> None:
        """Let open streams end."""
        self.stopping.set()
        self.hub.tell_everybody()


@dataclass
class Notes:
    """What a handler tells the audit trail."""

    deploy_id: str | None = None
    overrides: tuple[str, ...] = ()
    is_closed: bool = False  # the row of the trail says already what became of the call


@dataclass(frozen=True)
class Call:
    """One request. `grant`, `attempt`, `slot`, `record`, `body` and `query` are there where the route says so.

    `session` is the digest of what a browser holds, where that stands for a token.
    """

    services: Services
    request_id: str
    now: int
    path: Mapping[str, str]
    headers: Mapping[str, str]
    notes: Notes = field(default_factory=Notes)
    grant: Grant | None = None
    session: str | None = None
    attempt: Attempt | None = None
    slot: Slot | None = None
    record: Record | None = None
    body: Any = None
    query: Any = None
    key: Key | None = None

    @property
    def settings(self) -> Settings:
        """The server's settings."""
        return self.services.settings

    @property
    def store(self) -> Engine:
        """The store."""
        return self.services.store

    def granted(self) -> Grant:
        """Return the grant of a route that demands a token."""
        assert self.grant is not None
        return self.grant

    def is_good(self, tx: Tx, now: int) -> bool:
        """Tell whether what the call came with still is: its session, or its token."""
        if self.session is not None:
            return sessions.find_stored(tx, self.session, now) is not None
        return tokens.find(tx, self.granted().token_id, now) is not None

    def attempted(self) -> Attempt:
        """Return what is asked for, as the audit trail has it, of a route that changes something."""
        assert self.attempt is not None
        return self.attempt

    def at(self) -> Slot:
        """Return the environment of a route that has one in its path."""
        assert self.slot is not None
        return self.slot


@dataclass(frozen=True)
class Answer:
    """A status, a document (or text, or nothing) and headers."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Write it."""
        if isinstance(self.document, str):
            return Response(self.document, self.status, self.headers, "text/plain; charset=utf-8")
        content = b"" if self.document is None else msgspec.json.encode(self.document)
        return Response(content, self.status, self.headers, "application/json" if content else None)
