"""A leader opens the repository again and again until it may write, and takes no other one for its own."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from kilter.api.kilterapp import NAMESPACE, KilterApp, Metadata, Spec
from kilter.api.kilterapp_status import Git, Status
from kilter.gitops.model import Fence, Unpublished
from kilter.operator import expiry, kinds, program
from kilter.operator.kube import KubeError
from kilter.operator.lease import Deposed, Elector, Lapsed, Leadership
from kilter.operator.loop import Loop
from kilter.operator.metrics import Metrics
from kilter.operator.program import Election, Operator, Seams
from kilter.operator.publications import ClosedWriter, Publications, Writer
from kilter.operator.reconcile import Again
from kilter.operator.settings import Settings
from kilter.operator.store import Entry
from kilter.operator.views import Unreadable
from kilter.operator.watch import Source
from kilter.operator.world import World

SPEC = {
    "org": "acme", "app": "shop", "env": "dev", "deployId": "d-1", "sequence": 1, "actor": "mia", "port": 80,
    "image": "registry.example.com/acme/shop@sha256:" + "1" * 64,
}  # fmt: skip
PUBLISHED = Status(git=Git(path="apps/acme/shop/dev", commit="c" * 40))
LEAVING = Metadata(name="acme-shop-dev", deletion_timestamp="2026-01-01T00:00:00Z")


def app(status: Status | None = None, metadata: Metadata | None = None) -> KilterApp:
    named = metadata or Metadata(name="acme-shop-dev")
    return KilterApp(metadata=named, spec=msgspec.convert(SPEC, Spec), status=status or Status())


@dataclass
class Opener:
    """A repository that is refused as often as told, and what waiting apps were told meanwhile."""

    refusals: int = 0
    asked: list[bool] = field(default_factory=list)
    why: str = ""
    said: list[str] = field(default_factory=list)  # at the Lease
    operator: Operator | None = None
    world: World | None = None

    def __call__(self, fence: Fence, *, anew: bool) -> Writer:
        self.asked.append(anew)
        self.said += [self.operator.repository] if self.operator else []
        if self.world is not None and isinstance(self.world.publications.writer, ClosedWriter):
            self.why = self.world.publications.writer.why
        if len(self.asked) <= self.refusals:
            raise Unpublished("it is another one", why="no leader there", hint="bring the old one")
        return ClosedWriter()


def open_with(opener: Opener, *apps: KilterApp | Unreadable) -> None:
    async def main() -> None:
        operator = opener.operator = Operator(Settings(), Seams(cast("Any", None), opener))
        for number, each in enumerate(apps):
            operator.stores.apps.put_own((NAMESPACE, f"app-{number}"), Entry(1, each))
        leadership = Leadership()
        leadership.hold(Fence(1, "me"), float("inf"))
        publications = Publications(ClosedWriter(), lambda _: None)
        nothing: Any = None
        opener.world = World(Settings(), nothing, operator.stores, leadership, publications, nothing, nothing)
        await operator._open(opener.world, Loop(1, Metrics()))

    asyncio.run(main())


@pytest.mark.requirement("F32", "F40")
@pytest.mark.parametrize(
    ("found", "anew"),
    [
        (None, True),
        (app(), True),
        (app(PUBLISHED), False),
        (app(PUBLISHED, LEAVING), True),
        (Unreadable(Metadata(name="acme-shop-dev"), "a newer release wrote it"), False),
    ],
)
def test_a_repository_without_a_leader_is_begun_only_while_no_app_that_stays_is_published(
    found: KilterApp | Unreadable | None, anew: bool
) -> None:
    opener = Opener()
    open_with(opener, *([app()] if found is None else [app(), found]))
    assert opener.asked == [anew]


@pytest.mark.requirement("F32", "F40")
def test_why_the_repository_is_not_opened_and_what_to_do_stands_in_the_log_and_at_what_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(program, "REOPEN", 0)
    opener = Opener(refusals=3)
    open_with(opener, app(PUBLISHED))
    told = "the flux repository could not be opened: it is another one: no leader there; bring the old one"
    assert opener.why == told
    assert caplog.messages == [told], "once, however often it is tried"
    assert opener.asked == [False] * 4
    assert opener.operator is not None
    why = "it is another one: no leader there; bring the old one"
    assert [*opener.said, opener.operator.repository] == ["", why, why, why, "open"]


class Watched:
    """A watch of which nothing comes, and which may end in a way that nobody foresaw."""

    def __init__(self, kind: kinds.Kind, *, ends: bool) -> None:
        self.source, self.synced, self.absent = Source(kind, msgspec.json.decode), asyncio.Event(), False
        self.ends = ends

    async def run(self) -> None:
        if self.ends:
            raise RuntimeError("nobody foresaw this")
        await asyncio.Event().wait()


@dataclass
class Stood:
    """An election that nobody wins."""

    led: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    released: bool = False

    @property
    def elector(self) -> "Stood":
        return self

    def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""

    def release(self) -> None:
        self.released = True


class Broken(ClosedWriter):
    """A writer that was ended in a way that nobody foresaw."""

    fault = RuntimeError("nobody foresaw this")


@pytest.mark.requirement("F30", "F32")
@pytest.mark.parametrize("ended", ["watch", "writer"])
def test_an_operator_of_which_a_part_has_ended_ends_and_does_not_lead_on_without_it(ended: str) -> None:
    async def main() -> None:
        operator, election, nothing = (
            Operator(Settings(), Seams(cast("Any", None), Opener())),
            Stood(),
            cast("Any", None),
        )
        publications = Publications(Broken() if ended == "writer" else ClosedWriter(), lambda _: None)
        world = World(Settings(), nothing, operator.stores, Leadership(), publications, nothing, nothing)
        watches = cast("Any", [Watched(kinds.KUSTOMIZATION, ends=ended == "watch")])
        async with asyncio.timeout(5):
            with pytest.raises(RuntimeError, match="nobody foresaw this"):
                await operator._live(watches, world, Loop(1, Metrics()), cast("Any", election), asyncio.Event())
        assert election.released

    asyncio.run(main())


@pytest.mark.requirement("F33")
def test_whether_flux_is_there_is_known_by_its_watch_as_it_comes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        operator, nothing = Operator(Settings(), Seams(cast("Any", None), Opener())), cast("Any", None)
        publications = Publications(ClosedWriter(), lambda _: None)
        world = World(Settings(), nothing, operator.stores, Leadership(), publications, nothing, nothing)
        flux, other = Watched(kinds.KUSTOMIZATION, ends=False), Watched(kinds.NAMESPACE, ends=False)
        known, beats = list[bool](), [True, False, True]

        async def beaten(_: float) -> None:
            known.append(world.flux_known.is_set())
            if not beats:
                raise asyncio.CancelledError
            flux.absent, other.absent = beats.pop(0), True

        monkeypatch.setattr(asyncio, "sleep", beaten)
        operator.health._beat = 0.0
        with pytest.raises(asyncio.CancelledError):
            await operator._beat(cast("Any", [other, flux]), world)
        assert known == [True, False, True, False]
        assert operator.health.alive
        other.synced.set()
        assert not operator.health.is_ready()
        flux.synced.set()
        assert operator.health.is_ready()

    asyncio.run(main())


@dataclass
class Refused(Opener):
    """A repository that others hold, or that could not be asked in time."""

    error: Exception = field(default_factory=lambda: Deposed("a later leader writes"))

    def __call__(self, fence: Fence, *, anew: bool) -> Writer:
        if len(self.asked) < self.refusals:
            self.asked.append(anew)
            raise self.error
        return super().__call__(fence, anew=anew)


@pytest.mark.requirement("F26")
def test_who_finds_a_later_leader_in_the_repository_leads_no_more() -> None:
    opener = Refused(refusals=1)
    with pytest.raises(Deposed, match="a later leader writes"):
        open_with(opener)
    assert len(opener.asked) == 1


@pytest.mark.requirement("F26", "F32")
def test_who_did_not_renew_its_lease_in_time_tries_again_after_a_while_and_says_when_it_is_open(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    waits = list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)
    open_with(Refused(refusals=2, error=Lapsed("not renewed in time")))
    assert waits == [program.REOPEN] * 2
    told = ["the flux repository could not be opened: not renewed in time", "the flux repository is open now"]
    assert caplog.messages == told
    caplog.clear()
    open_with(Opener())
    assert caplog.messages == [], "who was not told that it is closed need not hear that it is open"


@pytest.mark.requirement("F32")
def test_what_may_have_waited_for_the_repository_is_looked_at_once_it_is_open() -> None:
    broken = Unreadable(Metadata(name="acme-odd-dev"), "a newer release wrote it")
    ready = app(Status(phase="Ready"), Metadata(name="acme-calm-dev"))

    async def main() -> None:
        operator, nothing = Operator(Settings(), Seams(cast("Any", None), Opener())), cast("Any", None)
        for each in (app(), ready, broken):
            operator.stores.apps.put_own((NAMESPACE, each.metadata.name), Entry(1, each))
        leadership, loop = Leadership(), Loop(1, Metrics())
        leadership.hold(Fence(1, "me"), float("inf"))
        publications = Publications(ClosedWriter(), lambda _: None)
        world = World(Settings(), nothing, operator.stores, leadership, publications, nothing, nothing)
        await operator._open(world, loop)
        assert [loop.queue.take(0.0) for _ in range(3)] == ["acme-shop-dev", "acme-odd-dev", None]

    asyncio.run(main())


@dataclass
class Noted(Stood):
    """An election of which each step is noted, and an API server that is away when the lease is given back."""

    steps: list[str] = field(default_factory=list)

    def start(self) -> None:
        self.steps.append("started")

    async def stop(self) -> None:
        self.steps.append("stopped")

    def release(self) -> None:
        self.steps.append("released")
        raise KubeError(0, "ConnectError", "connection refused")


@pytest.mark.requirement("F26", "F30")
@pytest.mark.parametrize("asked", [True, False])
def test_the_lease_is_given_back_when_nothing_is_on_its_way_to_git_any_more(asked: bool) -> None:
    async def main() -> None:
        election, stop = Noted(), asyncio.Event()
        operator, nothing = Operator(Settings(), Seams(cast("Any", None), Opener())), cast("Any", None)

        class Closing(ClosedWriter):
            def close(self) -> None:
                election.steps.append(f"closed, leading: {world.leadership.leads}")

        publications = Publications(Closing(), lambda _: None)
        world = World(Settings(), nothing, operator.stores, Leadership(), publications, nothing, nothing)
        world.leadership.hold(Fence(1, "me"), float("inf"))
        watches = cast("Any", [Watched(kinds.KUSTOMIZATION, ends=False)])
        (stop if asked else election.over).set()
        async with asyncio.timeout(5):
            with nullcontext() if asked else pytest.raises(Deposed, match="another operator leads now"):
                await operator._live(watches, world, Loop(1, Metrics()), cast("Any", election), stop)
        assert election.steps == ["started", "closed, leading: False", "stopped", "released"]

    asyncio.run(main())


@pytest.mark.requirement("F30")
def test_of_several_errors_that_end_an_operator_the_first_is_told() -> None:
    inner = ExceptionGroup("at work", [Deposed("a later leader writes"), ValueError("its consequence")])
    assert isinstance(program._first(ExceptionGroup("around it", [inner])), Deposed)


@pytest.mark.requirement("F26", "F30")
@pytest.mark.parametrize("order", [["leads", "has seen everything"], ["has seen everything", "leads"]])
def test_nothing_is_done_before_this_operator_leads_and_has_seen_everything(
    order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has not seen would count as lost."""

    async def main() -> None:
        turning, steps, looked = asyncio.get_running_loop(), list[str](), asyncio.Event()

        class Opening(Opener):
            def __call__(self, fence: Fence, *, anew: bool) -> Writer:
                steps.append("opened")
                return super().__call__(fence, anew=anew)

        def look(key: str) -> Again:
            steps.append(f"looked at {key}")
            if len(steps) == len([*order, "opened", "gone", "shop"]):
                turning.call_soon_threadsafe(looked.set)
            return Again()

        async def inline(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
            return work(*args, **options)

        monkeypatch.setattr(asyncio, "to_thread", inline)
        monkeypatch.setattr(expiry, "due", lambda _: ["acme-gone-dev"])
        operator, nothing = Operator(Settings(), Seams(cast("Any", None), Opening())), cast("Any", None)
        operator.stores.apps.put_own((NAMESPACE, "acme-shop-dev"), Entry(1, app(Status(phase="Ready"))))
        publications = Publications(ClosedWriter(), lambda _: None)
        world = World(Settings(), nothing, operator.stores, Leadership(), publications, nothing, nothing)
        watch, led = Watched(kinds.KUSTOMIZATION, ends=False), asyncio.Event()
        leading = turning.create_task(operator._lead(cast("Any", [watch]), world, Loop(1, Metrics(), look), led))
        for each in order:
            await _turns()
            steps.append(each)
            if each == "leads":
                world.leadership.hold(Fence(1, "me"), float("inf"))
                led.set()
            else:
                watch.synced.set()
        async with asyncio.timeout(5):
            await looked.wait()
        leading.cancel()
        await asyncio.wait({leading})
        assert steps[:3] == [*order, "opened"]
        assert sorted(steps[3:]) == ["looked at acme-gone-dev", "looked at acme-shop-dev"]

    asyncio.run(main())


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.requirement("F26")
def test_who_is_elected_is_told_and_the_end_of_the_election_too() -> None:
    async def main() -> None:
        election = Election(Elector(cast("Any", None), "system", "operator", "me"))

        def run(on_lead: Callable[[Fence], None]) -> None:
            on_lead(Fence(1, "me"))
            election.elector.stopping.wait(5)

        election.elector.run = run  # type: ignore[method-assign]
        election.start()
        async with asyncio.timeout(5):
            await election.led.wait()
            assert not election.over.is_set()
            await election.stop()
            await election.over.wait()
        assert election._thread is not None
        assert not election._thread.is_alive()

    asyncio.run(main())
