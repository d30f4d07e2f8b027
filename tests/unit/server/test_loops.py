"""What the log says of the server's work in the background: of what lasts, that it began, and that it is over."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest

from kilter.server import follow, loops
from kilter.server.call import Services
from kilter.server.follow import Follower
from kilter.server.hub import Hub
from kilter.server.loops import CALM, LONGEST, TOLD_AGAIN, Trouble, Words, work
from kilter.server.pulse import Pulse
from kilter.server.refusals import Unavailable
from kilter.server.seams import Alive, Change, Listed

WORDS = Words("cannot dispatch", "dispatch failed", "dispatching again")


class Clock:
    """Stands still until it is set on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Log:
    """What was said, in order: level, message and seconds."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self._caplog = caplog

    def said(self) -> list[tuple[str, str, int | None]]:
        facts = [(each, getattr(each, "facts", {})) for each in self._caplog.records]
        return [(each.levelname, each.message, more.get("seconds")) for each, more in facts]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def trouble(clock: Clock) -> Trouble:
    return Trouble(WORDS, clock)


def away(reason: str = "connection refused") -> Unavailable:
    error = Unavailable("the store does not answer: OperationalError")
    error.__cause__ = OSError(reason)
    return error


def test_a_store_that_is_away_is_logged_with_what_it_said(caplog: pytest.LogCaptureFixture) -> None:
    async def step() -> bool:
        raise Unavailable("the store does not answer: OperationalError") from OSError("no space left on device\nmore")

    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await work(Hub(), "deploys", 60.0, step, WORDS)

    caplog.set_level(logging.WARNING)
    asyncio.run(story())
    (record,) = caplog.records
    assert record.facts == {  # type: ignore[attr-defined]
        "error": "the store does not answer: OperationalError",
        "reason": "no space left on device",
    }


def test_what_lasts_is_told_when_it_begins_now_and_then_and_when_it_is_over(
    trouble: Trouble, clock: Clock, log: Log
) -> None:
    for _ in range(20):
        trouble.met(away())
        clock.now += 60.0
    trouble.passed()
    trouble.passed()
    assert log.said() == [
        ("WARNING", "cannot dispatch", None),
        ("WARNING", "cannot dispatch", TOLD_AGAIN),
        ("INFO", "dispatching again", 20 * 60),
    ]


def test_what_goes_well_in_between_ends_no_trouble_yet(trouble: Trouble, clock: Clock, log: Log) -> None:
    """Of a cluster that is away, the loop that has nothing to hand over for some seconds knows nothing."""
    for _ in range(10):
        trouble.met(away())
        clock.now += CALM - 1
        trouble.passed()
    clock.now += 1
    trouble.passed()
    assert log.said() == [
        ("WARNING", "cannot dispatch", None),
        ("INFO", "dispatching again", 10 * (CALM - 1)),
    ], "and lasted until it went well, not until that was sure"


def test_another_reason_is_told_too_and_a_server_that_never_says_the_same_does_not_flood(
    trouble: Trouble, clock: Clock, log: Log
) -> None:
    trouble.met(away())
    trouble.met(away("the database system is starting up"))
    assert len(log.said()) == 2
    for port in range(100):
        clock.now += 1.0
        trouble.met(away(f"reset by 10.0.0.1:{port}"))
    assert len(log.said()) == loops.DIFFERENT
    clock.now += TOLD_AGAIN
    trouble.met(away("reset by 10.0.0.1:7"))
    assert len(log.said()) == loops.DIFFERENT + 1


def test_a_fault_of_ours_is_told_once_with_its_trace(
    trouble: Trouble, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        trouble.met(ValueError("unforeseen"))
    assert log.said() == [("ERROR", "dispatch failed", None)]
    assert caplog.records[0].exc_info is not None


def test_trouble_that_comes_back_after_it_was_over_is_told_anew(trouble: Trouble, clock: Clock, log: Log) -> None:
    for _ in range(2):
        trouble.met(away())
        clock.now += CALM
        trouble.passed()
    told = [("WARNING", "cannot dispatch", None), ("INFO", "dispatching again", CALM)]
    assert log.said() == told * 2


def test_what_went_well_for_long_before_it_fails_anew_did_not_last(trouble: Trouble, clock: Clock, log: Log) -> None:
    """Nobody had anything to do meanwhile, who could have said that it was over."""
    trouble.met(away())
    clock.now += 2.0
    trouble.passed()
    clock.now += TOLD_AGAIN / 2
    trouble.met(away())
    assert log.said() == [
        ("WARNING", "cannot dispatch", None),
        ("INFO", "dispatching again", 2),
        ("WARNING", "cannot dispatch", None),
    ]


@pytest.mark.parametrize(("every", "pauses"), [(1.0, [1, 2, 4, 5, 5]), (3600.0, [LONGEST] * 5), (0.0, [0] * 5)])
def test_who_fails_tries_again_ever_later_but_soon_enough(trouble: Trouble, every: float, pauses: list[float]) -> None:
    found = list[float]()
    for _ in range(5):
        trouble.met(away())
        found.append(trouble.pause(every))
    assert found == pauses


def test_who_does_not_fail_waits_as_ever_and_until_a_trouble_is_over_no_longer_than_it_takes_to_see_that(
    trouble: Trouble, clock: Clock
) -> None:
    assert trouble.pause(3600.0) == 3600.0
    trouble.met(away())
    trouble.passed()
    assert trouble.pause(3600.0) == LONGEST
    clock.now += CALM
    trouble.passed()
    assert trouble.pause(3600.0) == 3600.0


class Watched:
    """A cluster that is watched so many times, and whose watch breaks each time; then nothing comes any more."""

    def __init__(self, changes: list[Change], breaks: int) -> None:
        self.changes, self.breaks, self.over = changes, breaks, asyncio.Event()

    async def watch(self) -> AsyncIterator[Change]:
        for change in self.changes:
            yield change
        if self.breaks:
            self.breaks -= 1
            raise Unavailable("the cluster answers 403: no watch for you")
        self.over.set()
        await asyncio.Event().wait()


class Store:
    async def run(self, work: Callable[..., Any], *args: object, **more: object) -> list[str]:
        return []


def test_who_stops_to_listen_leaves_nothing_behind_and_keeps_nobody_else_from_it() -> None:
    hub = Hub()
    with hub.listen("dep-1") as first:
        with hub.listen("dep-1"), hub.listen("dep-2"):
            assert (set(hub.topics()), hub.waiting()) == ({"dep-1", "dep-2"}, 3)
        hub.tell(["dep-1", "dep-2"])
        assert asyncio.run(first.wait(1.0))
        assert (hub.topics(), hub.waiting()) == (("dep-1",), 1)
    assert (hub.topics(), hub.waiting()) == ((), 0)


@pytest.mark.requirement("F30")
def test_a_watch_that_breaks_again_and_again_is_told_of_once(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """Though the list that each begins with succeeds."""
    monkeypatch.setattr(follow, "AGAIN", 0.0)

    async def story() -> None:
        cluster = Watched([Listed((), frozenset()), Alive()], 50)
        facts: dict[str, Any] = {"store": Store(), "hub": Hub(), "cluster": cluster, "pulse": Pulse()}
        settings = type("Settings", (), {"cluster_domain": "apps.example.com"})()
        services: Any = type("Some", (), {**facts, "settings": settings, "clock": staticmethod(lambda: 7)})()
        following = asyncio.create_task(Follower(cast("Services", services)).run())
        await asyncio.wait_for(cluster.over.wait(), 10)
        following.cancel()

    asyncio.run(story())
    assert log.said() == [("WARNING", "the watch broke", None)]
