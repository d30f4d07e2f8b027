"""Follows KilterApps: what the operator says of them becomes phases and events of their deploys."""

import asyncio
from collections.abc import Callable

from kilter.server.call import Services
from kilter.server.hub import DISPATCH, IMAGES
from kilter.server.loops import Trouble, Words
from kilter.server.seams import Change, Gone, Listed, Seen
from kilter.server.store import absence, progress
from kilter.server.store.engine import Tx

AGAIN = 2.0  # seconds until a broken watch is begun anew
WORDS = Words("the watch broke", "following failed", "following again")


class Follower:
    """The loop; every replica has one, and recording the same word twice changes nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Watch until cancelled; after every break begin with a fresh list, so that nothing is missed (F30)."""
        self._services.pulse.begin(self._services.clock())
        trouble = Trouble(WORDS)
        while True:
            try:
                async for change in self._services.cluster.watch():
                    await self.record(change)
                    trouble.passed()
            except Exception as error:  # noqa: BLE001 - whatever it is, the log has it
                trouble.met(error)
            await asyncio.sleep(trouble.pause(AGAIN))

    async def record(self, change: Change) -> None:
        """Record a change, and wake who waits for it."""
        services, now = self._services, self._services.clock()
        domain = services.settings.cluster_domain
        news = list[str]()
        match change:
            case Seen(app):
                news = await services.store.run(progress.observe, app, domain, now)
            case Gone(name):
                news = await self._absent(name, absence.gone)
                services.hub.tell([IMAGES])
            case Listed(apps, names):
                for app in apps:
                    news += await services.store.run(progress.observe, app, domain, now, listed=True)
                for name in await services.store.run(absence.unlisted, names):
                    news += await self._absent(name, absence.missing)
        is_first = services.pulse.heard is None
        services.pulse.beat(now)
        if news or is_first:  # images of deleted environments wait for a first word
            services.hub.tell([*news, DISPATCH, IMAGES])

    async def _absent(self, name: str, record: Callable[[Tx, str, int, int], list[str]]) -> list[str]:
        """Record that an object is absent, if it is: word of that comes late, and it may have been made anew."""
        services = self._services
        looked_at = services.clock()
        if await services.cluster.exists(name):
            return []
        return await services.store.run(record, name, looked_at, services.clock())
