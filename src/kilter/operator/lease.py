"""Who leads: one operator at a time, by a Lease, each leader with a number that is higher than all before it.

A Lease alone is a promise between well-behaved clocks: a leader that was paused wakes up believing in itself. So the
number travels with every write that must not happen twice, and whoever takes the write refuses a lower one: the Git
writer, the transaction in the database, and the API server for status (decision 0009).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from kilter.errors import Busy
from kilter.gitops.model import REPOSITORY, Fence
from kilter.operator.kinds import LEASE, Object
from kilter.operator.kube import Conflict, Kube, KubeError


class Deposed(Busy):
    """This process does not lead, or not any more: it must not write."""


class Lapsed(Busy):
    """This process cannot be sure that it still leads: it must not write until it has renewed its lease."""


@dataclass(frozen=True)
class Times:
    """Seconds: others wait `lease` after the last sign of life; the leader itself stops writing after `deadline`.

    What lies between is for a request that was under way when the deadline passed.
    """

    lease: int = 20
    deadline: float = 10.0
    retry: float = 2.0


@dataclass(frozen=True)
class Record:
    """A Lease as it is: who holds it, how many have, since when it exists, and which state of it this is."""

    holder: str
    transitions: int
    created: datetime
    version: str

    @property
    def fence(self) -> Fence:
        """The holder's number."""
        return Fence.of_lease(self.created, self.transitions, self.holder)


class Move(Enum):
    """What an operator may do about the Lease."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    STAND_BY = "stand by"


def decide(record: Record | None, me: str, unchanged: float, lease: float) -> Move:
    """Decide from the Lease and from how many seconds this process has seen it unchanged.

    Only this process's own clock counts: what others write into the Lease about time is never compared (F41).
    """
    if record is None:
        return Move.CREATE
    if record.holder == me:
        return Move.RENEW
    return Move.TAKE if not record.holder or unchanged >= lease else Move.STAND_BY


def parse(thing: Object) -> Record:
    """Read a Lease."""
    spec, metadata = thing.get("spec") or {}, thing["metadata"]
    return Record(
        holder=spec.get("holderIdentity") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        version=metadata["resourceVersion"],
    )


def elapsed() -> float:
    """Return seconds of a clock that goes on while the machine sleeps, where there is one (F15)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass
class Leadership:
    """What the workers ask before every write. Thread-safe."""

    clock: Callable[[], float] = elapsed
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _fence: Fence | None = None
    _until: float = 0.0
    _ended: bool = False

    def fence(self) -> Fence:
        """Return the number to write under; raises Deposed or Lapsed when a write would not be safe."""
        with self._lock:
            if self._fence is None or self._ended:
                raise Deposed("this operator does not lead")
            if self.clock() >= self._until:
                raise Lapsed("this operator has not renewed its lease in time")
            return self._fence

    @property
    def leads(self) -> bool:
        """Whether a write would be safe now."""
        try:
            self.fence()
        except (Deposed, Lapsed):
            return False
        return True

    def hold(self, fence: Fence, until: float) -> None:
        """Lead under a number until a moment of the clock."""
        with self._lock:
            self._fence, self._until = fence, until

    def end(self) -> None:
        """Write nothing any more, for good."""
        with self._lock:
            self._ended = True


@dataclass
class Elector:
    """Takes the Lease and keeps it. `run` belongs to a thread of its own, so that no work can keep it from renewing.

    `repository` is what to say at the Lease of the repository that is to be written to, for who may read no log.
    """

    kube: Kube
    namespace: str
    name: str
    identity: str
    times: Times = field(default_factory=Times)
    leadership: Leadership = field(default_factory=Leadership)
    stopping: threading.Event = field(default_factory=threading.Event)
    repository: Callable[[], str] = str
    _seen: tuple[str, float] = ("", 0.0)  # a version of the Lease, and when this process saw it first
    _fence: Fence | None = None

    def run(self, on_lead: Callable[[Fence], None]) -> None:
        """Stand by, lead, and return when asked to stop, or when another one leads; `on_lead` is called once."""
        while not self.stopping.is_set():
            led_before = self._fence
            try:
                if not self._attempt():
                    break
            except KubeError:
                pass  # the deadline goes on; what is not renewed in time stops writing by itself
            if self._fence is not None and led_before is None:
                on_lead(self._fence)
            self.stopping.wait(self.times.retry)
        self.leadership.end()

    def release(self) -> None:
        """Give the Lease back, so that the next leader need not wait; call it when nothing is written any more."""
        self.leadership.end()
        found = self.kube.get(LEASE, self.namespace, self.name)
        if found is not None and parse(found).holder == self.identity:
            self.kube.replace(self._object(parse(found), holder="", transitions=parse(found).transitions))

    def _attempt(self) -> bool:
        """Do what may be done now; False when this process has led and another one does."""
        began = self.leadership.clock()
        found = self.kube.get(LEASE, self.namespace, self.name)
        record = parse(found) if found else None
        if record is not None and record.version != self._seen[0]:
            self._seen = (record.version, began)
        move = decide(record, self.identity, began - self._seen[1], self.times.lease)
        if self._fence is not None and (move is not Move.RENEW or record is None or record.fence != self._fence):
            return False
        if move is Move.STAND_BY:
            return True
        try:
            written = self._write(move, record)
        except Conflict:
            return True  # somebody was quicker; the next look says who
        self._fence = written.fence
        self.leadership.hold(written.fence, began + self.times.deadline)
        return True

    def _write(self, move: Move, record: Record | None) -> Record:
        if record is None:
            return parse(self.kube.create(self._object(None, self.identity, 0)))
        taken = record.transitions + (move is Move.TAKE)
        return parse(self.kube.replace(self._object(record, self.identity, taken)))

    def _object(self, record: Record | None, holder: str, transitions: int) -> Object:
        metadata: dict[str, Any] = {"name": self.name, "namespace": self.namespace}
        if record is not None:
            metadata["resourceVersion"] = record.version
        if holder and (said := self.repository()):
            metadata["annotations"] = {REPOSITORY: said}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # for people: nobody compares it
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": self.times.lease,
            "leaseTransitions": transitions,
            "renewTime": now,
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
