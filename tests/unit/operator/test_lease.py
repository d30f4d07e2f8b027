"""Leadership: who may take the Lease, and that nobody writes who is not sure to lead."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from kilter.gitops.model import Fence
from kilter.operator.kinds import Object
from kilter.operator.kube import Conflict, Kube, KubeError
from kilter.operator.lease import Deposed, Elector, Lapsed, Leadership, Move, Record, Times, decide, parse

MADE = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def record(holder: str, transitions: int = 3, made: datetime = MADE) -> Record:
    return Record(holder, transitions, made, "17")


@pytest.mark.parametrize(
    ("found", "unchanged", "move"),
    [
        (None, 0.0, Move.CREATE),
        (record("me"), 0.0, Move.RENEW),
        (record("me"), 900.0, Move.RENEW),
        (record("other"), 19.9, Move.STAND_BY),
        (record("other"), 20.0, Move.TAKE),
        (record(""), 0.0, Move.TAKE),
    ],
)
def test_a_lease_is_taken_only_when_it_is_free_or_has_not_changed_for_its_whole_time(
    found: Record | None, unchanged: float, move: Move
) -> None:
    """F41: the clocks of other machines play no part in it."""
    assert decide(found, "me", unchanged, 20.0) is move


def test_every_leader_has_a_higher_number_even_when_the_lease_was_deleted() -> None:
    """F26, F40."""
    later = datetime(2026, 5, 1, 12, 0, 1, tzinfo=UTC)
    numbers = [record("a", 0), record("b", 1), record("c", 900_000), record("d", 0, later)]
    assert sorted(numbers, key=lambda each: each.fence.number) == numbers
    assert len({each.fence.number for each in numbers}) == 4


def test_a_lease_without_a_holder_is_read_as_free() -> None:
    metadata = {"creationTimestamp": "2026-05-01T12:00:00Z", "resourceVersion": "17"}
    assert parse({"metadata": metadata, "spec": {"leaseTransitions": 3}}) == record("")


def test_a_leader_stops_writing_at_its_deadline_and_may_go_on_once_it_has_renewed() -> None:
    now = [100.0]
    leadership = Leadership(clock=lambda: now[0])
    with pytest.raises(Deposed, match="does not lead"):
        leadership.fence()
    leadership.hold(Fence(5, "me"), until=110.0)
    assert leadership.fence() == Fence(5, "me")
    now[0] = 110.0
    with pytest.raises(Lapsed, match="in time"):
        leadership.fence()
    assert not leadership.leads
    leadership.hold(Fence(5, "me"), until=120.0)
    assert leadership.leads
    leadership.end()
    with pytest.raises(Deposed):
        leadership.fence()
    assert not leadership.leads


class Leases:
    """An API server with at most one Lease. Before each look of an elector it does what comes next of `then`."""

    def __init__(self, elector_stops: Callable[[], None], *then: Callable[["Leases"], None]) -> None:
        self.lease: Object | None = None
        self.version = 0
        self.then, self.stop = list(then), elector_stops

    def get(self, *_: object) -> Object | None:
        if not self.then:
            self.stop()
        else:
            self.then.pop(0)(self)
        return self.lease

    def create(self, thing: Object) -> Object:
        if self.lease is not None:
            raise Conflict(409, "AlreadyExists", "there is one")
        return self.put(thing["spec"], thing["metadata"].get("annotations"))

    def replace(self, thing: Object) -> Object:
        if thing["metadata"]["resourceVersion"] != str(self.version):
            raise Conflict(409, "Conflict", "it has changed")
        return self.put(thing["spec"], thing["metadata"].get("annotations"))

    def put(self, spec: dict[str, Any], annotations: dict[str, str] | None = None) -> Object:
        self.version += 1
        metadata: Object = {"creationTimestamp": "2026-05-01T12:00:00Z", "resourceVersion": str(self.version)}
        metadata |= {"annotations": annotations} if annotations else {}
        self.lease = {"metadata": metadata, "spec": spec}
        return self.lease

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"]) if self.lease else ""


def as_before(_: Leases) -> None:
    """Nothing has happened."""


def away(_: Leases) -> None:
    raise KubeError(0, "", "connection refused")


def others(leases: Leases) -> None:
    """Another operator renews its lease, or takes it."""
    leases.put({"holderIdentity": "other", "leaseTransitions": 7})


def elected(*then: Callable[[Leases], None], clock: Callable[[], float] = lambda: 100.0) -> tuple[Elector, list[Fence]]:
    """Run an elector through what happens, until it ends or is stopped; returns it, and when it was told to lead."""
    led = list[Fence]()
    elector = Elector(cast("Kube", None), "system", "operator", "me", Times(retry=0.0), Leadership(clock=clock))
    elector.kube = cast("Kube", Leases(elector.stopping.set, *then))
    elector.run(lambda _: led.append(elector.leadership.fence()))
    with pytest.raises(Deposed):
        elector.leadership.fence()
    return elector, led


@pytest.mark.requirement("F26")
def test_who_leads_is_told_so_once_however_often_the_lease_is_renewed() -> None:
    elector, led = elected(as_before, as_before, as_before)
    assert len(led) == 1
    assert cast("Leases", elector.kube).version == 4, "it was renewed at every look"


@pytest.mark.requirement("F26")
def test_a_leader_ends_when_another_one_holds_the_lease() -> None:
    elector, led = elected(as_before, others, as_before, as_before)
    leases = cast("Leases", elector.kube)
    assert (len(led), leases.holder, len(leases.then)) == (1, "other", 2), "and looks no more"


@pytest.mark.requirement("F26", "F30")
def test_an_api_server_that_is_away_ends_no_election() -> None:
    assert len(elected(away, away, as_before, away, as_before)[1]) == 1


@pytest.mark.requirement("F41")
def test_who_stands_by_takes_a_lease_that_has_not_changed_for_its_whole_time() -> None:
    now = [100.0]

    def late(_: Leases) -> None:
        now[0] += 19.0

    def others_late(leases: Leases) -> None:
        late(leases)
        others(leases)

    assert elected(others, late, others_late, clock=lambda: now[0])[1] == []
    elector, led = elected(others, late, late, clock=lambda: now[0])
    assert (cast("Leases", elector.kube).holder, len(led)) == ("me", 1)


@pytest.mark.requirement("F26")
def test_a_taken_lease_counts_one_leader_more_and_a_renewed_one_none() -> None:
    def free(leases: Leases) -> None:
        leases.put({"holderIdentity": "", "leaseTransitions": 7})

    elector, [fence] = elected(free, as_before, as_before)
    lease = cast("Leases", elector.kube).lease
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 8
    assert fence == Fence.of_lease(MADE, 8, "me")


@pytest.mark.requirement("F26", "F40")
def test_a_leader_whose_lease_has_another_number_ends_even_where_it_bears_its_name() -> None:
    def others_number(leases: Leases) -> None:
        leases.put({"holderIdentity": "me", "leaseTransitions": 7})

    elector, led = elected(as_before, others_number, as_before, as_before)
    leases = cast("Leases", elector.kube)
    assert (len(led), leases.version, len(leases.then)) == (1, 2, 2), "it is not renewed"


@pytest.mark.requirement("F26")
def test_who_finds_that_another_one_was_quicker_stands_by() -> None:
    """Between the look at the Lease and the write."""

    class Late(Leases):
        def create(self, thing: Object) -> Object:
            others(self)
            return super().create(thing)

    led = list[Fence]()
    elector = Elector(cast("Kube", None), "system", "operator", "me", Times(retry=0.0))
    leases = Late(elector.stopping.set, as_before, as_before, as_before)
    elector.kube = cast("Kube", leases)
    elector.run(led.append)
    assert (led, leases.holder, leases.then) == ([], "other", []), "it goes on to look"


def test_between_looks_at_the_lease_lies_the_time_to_retry() -> None:
    waits = list[float | None]()

    class Stopping(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return self.is_set()

    stopping = Stopping()
    leases = cast("Kube", Leases(stopping.set, as_before, away))
    Elector(leases, "system", "operator", "me", Times(retry=2.0), stopping=stopping).run(lambda _: None)
    assert waits == [2.0, 2.0, 2.0]


def test_who_gives_the_lease_back_writes_nothing_any_more() -> None:
    elector = Elector(cast("Kube", Leases(lambda: None)), "system", "operator", "me")
    elector.leadership.hold(Fence(5, "me"), float("inf"))
    elector.release()
    with pytest.raises(Deposed):
        elector.leadership.fence()


def test_what_the_leader_says_of_the_repository_stands_at_its_lease_and_goes_with_it() -> None:
    said = iter(["", "it is locked", "open", "open"])
    elector = Elector(cast("Kube", None), "system", "operator", "me", Times(retry=0.0), repository=lambda: next(said))
    seen = list[dict[str, str]]()

    def look(leases: Leases) -> None:
        seen.append((leases.lease or {}).get("metadata", {}).get("annotations", {}))

    elector.kube = cast("Kube", Leases(elector.stopping.set, as_before, look, look))
    elector.run(lambda _: None)
    elector.release()
    look(cast("Leases", elector.kube))
    assert seen == [{}, {"kilter.dev/repository": "it is locked"}, {}]


def test_a_leader_that_gives_the_lease_back_takes_nobody_elses() -> None:
    elector, _ = elected(as_before)
    elector.release()
    assert cast("Leases", elector.kube).holder == ""
    elector, _ = elected(as_before, others)
    elector.release()
    assert cast("Leases", elector.kube).holder == "other"
    cast("Leases", elector.kube).lease = None
    elector.release()
    assert cast("Leases", elector.kube).lease is None
