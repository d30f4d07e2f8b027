"""What the steps look at and act on, behind one object: the API server, its watches, Git, the database, the Gateway."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from kilter.api.kilterapp import Spec
from kilter.gitops.model import Fence
from kilter.operator.effects import DatabaseEffect
from kilter.operator.kube import Kube
from kilter.operator.lease import Leadership
from kilter.operator.postgres import Snapshot
from kilter.operator.publications import Publications
from kilter.operator.settings import Settings
from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.route import Answer
from kilter.operator.stores import Stores
from kilter.render.names import Slot

LOG = logging.getLogger("kilter.operator")


@dataclass(frozen=True)
class Observed:
    """What a release is rendered from beside its spec: its namespace, and the password of each service that has one."""

    namespace: str
    settings: Settings
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)


class RenderRelease(Protocol):
    """Turns a spec into manifests: the chart `kilter-app`, and those of the services beside the app."""

    def __call__(self, spec: Spec, observed: Observed) -> Rendered:
        """Return the release; the same arguments give the same bytes. Raises BadInput for what cannot be rendered."""


class Databases(Protocol):
    """The platform's database server."""

    def snapshot(self, roles: tuple[str, ...], databases: tuple[str, ...], member_of: tuple[str, str]) -> Snapshot:
        """Return what there is of these names; raises DatabaseUnavailable."""

    def expired(self, mark: str) -> Mapping[str, str]:
        """Return the closed roles whose time is over and whose comments begin so; raises DatabaseUnavailable."""

    def can_log_in(self, role: str, password: str, database: str) -> bool:
        """Tell whether a role gets in; raises DatabaseUnavailable."""

    def perform(self, effect: DatabaseEffect, fence: Fence) -> None:
        """Carry out one effect; raises Deposed, DatabaseUnavailable."""


class Asks(Protocol):
    """Asks the Gateway."""

    @property
    def reachable(self) -> bool:
        """Whether it is known where the Gateway is."""

    def ask(self, host: str) -> Answer:
        """Send one request and return what came back."""


@dataclass
class Memo:
    """What was seen to be in order, by key: under which circumstances, and until when that is believed. Thread-safe."""

    lifetime: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: dict[str, tuple[object, float]] = field(default_factory=dict)

    def holds(self, key: str, circumstances: object) -> bool:
        """Tell whether it was in order under just these circumstances, not too long ago."""
        with self._lock:
            seen = self._seen.get(key)
        return seen is not None and seen[0] == circumstances and time.monotonic() < seen[1]

    def note(self, key: str, circumstances: object) -> None:
        """Remember that it is in order."""
        with self._lock:
            self._seen[key] = (circumstances, time.monotonic() + self.lifetime)

    def forget(self, key: str) -> None:
        """Believe nothing of it any more."""
        with self._lock:
            self._seen.pop(key, None)


@dataclass
class World:
    """The outside, as one leader has it."""

    settings: Settings
    kube: Kube
    stores: Stores
    leadership: Leadership
    publications: Publications
    render_release: RenderRelease
    gateway: Asks
    databases: Databases | None = None
    flux_known: "threading.Event" = field(default_factory=threading.Event)
    untold: dict[str, list[str]] = field(default_factory=dict)  # warnings that no status has yet, by name
    poked: str = ""  # the last commit that Flux was asked to fetch
    expired: dict[str, set[Slot]] = field(default_factory=dict)  # by the name that the KilterApp would have
    # Shorter than from one look as a matter of routine to the next: the server tells nobody of what changes there.
    verified: Memo = field(default_factory=lambda: Memo(300.0))

    def forget(self, name: str) -> None:
        """Let go of what is known of a KilterApp that is gone."""
        self.publications.forget(name)
        self.verified.forget(name)
        self.untold.pop(name, None)
