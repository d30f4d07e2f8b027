"""A leader opens the repository again and again until it may write, and takes no other one for its own."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pytest

from kilter.api.kilterapp import NAMESPACE, KilterApp, Metadata, Spec
from kilter.api.kilterapp_status import Git, Status
from kilter.gitops.model import Fence, Unpublished
from kilter.operator import kinds, program
from kilter.operator.lease import Leadership
from kilter.operator.loop import Loop
from kilter.operator.metrics import Metrics
from kilter.operator.program import Operator, Seams
from kilter.operator.publications import ClosedWriter, Publications, Writer
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

    asyncio.run(main())
