"""The operator as a program: stand by, lead, work, and stop cleanly."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from kilter.api import kilterapp
from kilter.api.kilterapp import KilterApp
from kilter.errors import Busy, KilterError, in_one_line
from kilter.gitops.model import LEASE, OPENED, Fence
from kilter.operator import expiry, kinds, lease
from kilter.operator.gateway import Prober
from kilter.operator.kube import Kube, KubeError, async_session, configuration, session
from kilter.operator.lease import Deposed, Elector, Lapsed
from kilter.operator.loop import Loop, by_phase
from kilter.operator.metrics import Endpoint, Health, Metrics, Sample
from kilter.operator.postgres import Postgres
from kilter.operator.publications import ClosedWriter, Publications, WriterFactory
from kilter.operator.reconcile import STEPS, Step, reconcile
from kilter.operator.settings import Settings
from kilter.operator.store import Place
from kilter.operator.stores import Stores, Watched, watched
from kilter.operator.views import Unreadable
from kilter.operator.watch import Limits, Watch
from kilter.operator.world import Asks, RenderRelease, World

LOG = logging.getLogger("kilter.operator")
REOPEN: Final = 5.0  # seconds between two tries to open the repository

Watches = Sequence[Watch[Any]]


@dataclass(frozen=True)
class Seams:
    """What an operator is put together from, beside its settings: who renders, who writes to Git; times for tests."""

    render_release: RenderRelease
    open_writer: WriterFactory
    gateway: Asks | None = None  # none: the one of the settings
    steps: Sequence[Step] = STEPS
    times: lease.Times = field(default_factory=lease.Times)
    limits: Limits = field(default_factory=Limits)


@dataclass
class Election:
    """The elector in its thread, as the event loop sees it: `led` once this process leads, `over` when it may not."""

    elector: Elector
    led: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Stand by from now on."""
        turning = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(turning,), name="elector", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the thread."""
        self.elector.stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self, turning: asyncio.AbstractEventLoop) -> None:
        def lead(fence: Fence) -> None:
            LOG.info("leading as number %d", fence.number)
            turning.call_soon_threadsafe(self.led.set)

        try:
            self.elector.run(lead)
        finally:
            turning.call_soon_threadsafe(self.over.set)


@dataclass
class Operator:
    """One process. It watches from the start, so that it knows everything at the moment when it comes to lead."""

    settings: Settings
    seams: Seams
    stores: Stores = field(default_factory=Stores)
    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)
    repository: str = ""  # OPENED, or why it could not be opened; empty before the first try

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; raises Deposed when another one leads."""
        async with AsyncExitStack() as stack:
            config = configuration(self.settings.kubeconfig)
            client = await stack.enter_async_context(async_session(config))
            kube = Kube(stack.enter_context(session(config)))
            # A client of its own: no amount of work may keep the lease from being renewed.
            election = Election(self._elector(Kube(stack.enter_context(session(config)))))
            for port in self.settings.ports:
                endpoint = Endpoint((self.settings.address, port), self.metrics, self.health)
                endpoint.start()
                stack.callback(endpoint.close)
            databases = Postgres(self.settings.database.url) if self.settings.database.url else None
            if databases is not None:
                stack.callback(databases.close)
            loop = Loop(self.settings.workers, self.metrics)
            world = self._world(kube, election.elector, databases, loop)
            loop.look = lambda key: reconcile(world, key, self.seams.steps)
            watches = self._watches(client, loop)
            await self._live(watches, world, loop, election, stop)

    async def _live(self, watches: Watches, world: World, loop: Loop, election: Election, stop: asyncio.Event) -> None:
        turning = asyncio.get_running_loop()
        election.start()
        around = [turning.create_task(watch.run()) for watch in watches]
        around.append(turning.create_task(self._beat(watches, world)))
        work = turning.create_task(self._lead(watches, world, loop, election.led))
        asked, over = turning.create_task(stop.wait()), turning.create_task(election.over.wait())
        try:
            await asyncio.wait({work, asked, over, *around}, return_when=asyncio.FIRST_COMPLETED)
            ended = _fault((work, *around))
        finally:
            world.leadership.end()  # whoever is in the middle of a look stops before its next write
            everything = [*around, work, asked, over]
            for task in everything:
                task.cancel()
            await asyncio.gather(*everything, return_exceptions=True)
            # The lease is held until nothing is on its way to Git any more.
            await asyncio.to_thread(world.publications.writer.close)
            await election.stop()
        if ended is None and not stop.is_set():
            ended = Deposed("another operator leads now")
        with suppress(KubeError):
            await asyncio.to_thread(election.elector.release)
        if ended is not None:
            raise _first(ended)

    async def _lead(self, watches: Watches, world: World, loop: Loop, led: asyncio.Event) -> None:
        """Work as the leader, once there is nothing that this process does not know."""
        await led.wait()
        for watch in watches:
            await watch.synced.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._open(world, loop))
            group.create_task(self._resync(loop))
            group.create_task(self._expire(world, loop))
            group.create_task(loop.run())

    async def _open(self, world: World, loop: Loop) -> None:
        """Open the repository; until that is done everything but a commit goes on. Why it is not is told once."""
        closed, known = world.publications.writer, ""
        while True:
            try:
                fence = world.leadership.fence()
                anew = not any(_is_published(app) for app in self.stores.apps.within(kilterapp.NAMESPACE))
                world.publications.open(await asyncio.to_thread(self.seams.open_writer, fence, anew=anew))
            except KilterError as error:
                if isinstance(error, Busy) and not isinstance(error, Lapsed):
                    raise Deposed(error.what, why=error.why) from None
                reasons = in_one_line(error)
                self.repository = reasons
                told = f"the flux repository could not be opened: {reasons}"
                if told != known:
                    LOG.warning(told)
                known = told
                if isinstance(closed, ClosedWriter):
                    closed.why = told
                await asyncio.sleep(REOPEN)
            else:
                self.repository = OPENED
                if known:
                    LOG.info("the flux repository is open now")
                loop.add_all(self._unsettled())
                return

    def _unsettled(self) -> Iterable[str]:
        """Yield what may have waited for the repository."""
        for app in self.stores.apps.within(kilterapp.NAMESPACE):
            if not (isinstance(app, KilterApp) and app.status.phase == "Ready"):
                yield app.metadata.name

    async def _resync(self, loop: Loop) -> None:
        """Look at everything, at the start and from time to time: what no event told of is found all the same."""
        while True:
            loop.add_all(name for _, name in self.stores.apps.places())
            await asyncio.sleep(self.settings.resync)

    async def _expire(self, world: World, loop: Loop) -> None:
        """Ask as often for databases whose time is over; a server that hangs holds nothing else up."""
        while True:
            loop.add_all(await asyncio.to_thread(expiry.due, world))
            await asyncio.sleep(self.settings.resync)

    async def _beat(self, watches: Watches, world: World) -> None:
        flux = next(watch for watch in watches if watch.source.kind is kinds.KUSTOMIZATION)
        self.health.is_ready = lambda: all(watch.synced.is_set() for watch in watches)
        while (fault := world.publications.writer.fault) is None:
            self.health.beat()
            if flux.absent:
                world.flux_known.clear()
            else:
                world.flux_known.set()
            await asyncio.sleep(1.0)
        raise fault  # nobody would publish anything any more, for good

    def _elector(self, kube: Kube) -> Elector:
        own = (self.settings.namespace, LEASE, self.settings.identity)
        return Elector(kube, *own, self.seams.times, repository=lambda: self.repository)

    def _world(self, kube: Kube, elector: Elector, databases: Postgres | None, loop: Loop) -> World:
        turning = asyncio.get_running_loop()

        def on_news(key: str) -> None:
            with suppress(RuntimeError):  # the loop has ended
                turning.call_soon_threadsafe(loop.add, key)

        world = World(
            self.settings,
            kube,
            self.stores,
            elector.leadership,
            Publications(ClosedWriter(), on_news),
            self.seams.render_release,
            self.seams.gateway or Prober(self.settings.gateway),
            databases,
        )
        self.metrics.gauges += [loop.samples, lambda: by_phase(self.stores)]
        self.metrics.gauges.append(lambda: [("kilter_operator_leader", (), float(world.leadership.leads))])
        return world

    def _watches(self, client: httpx2.AsyncClient, loop: Loop) -> Watches:
        found = [
            Watch(client, each.source, each.store, _adder(loop, each), self.seams.limits)
            for each in watched(self.stores, self.settings)
        ]
        self.metrics.gauges.append(lambda: _of_watches(found))
        return found


def _is_published(app: KilterApp | Unreadable) -> bool:
    """Tell whether an app is in a repository already and is to stay; of one that cannot be read, nobody knows."""
    if app.metadata.deletion_timestamp:
        return False
    return isinstance(app, Unreadable) or app.status.git is not None


def _adder(loop: Loop, source: Watched) -> Callable[[Place], None]:
    return lambda place: loop.add(source.key(place))


def _of_watches(watches: Watches) -> Iterable[Sample]:
    for watch in watches:
        kind = (("kind", watch.source.kind.kind),)
        yield "kilter_operator_watch_events_total", kind, float(watch.events)
        yield "kilter_operator_objects", kind, float(len(watch.store))
        for reason, number in sorted(watch.restarts.items()):
            yield "kilter_operator_watch_restarts_total", (*kind, ("reason", reason)), float(number)


def _fault(tasks: Iterable["asyncio.Task[None]"]) -> BaseException | None:
    """Return what ended one of the tasks. Without a watch, a leader would go by what it saw last, for good."""
    return next((error for task in tasks if task.done() and (error := task.exception()) is not None), None)


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
