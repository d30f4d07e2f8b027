"""Carries accepted deploys to the cluster, one after the other within an environment."""

from kilter.api.kilterapp_status import Failure
from kilter.server import clock
from kilter.server.call import Services
from kilter.server.hub import DISPATCH, IMAGES
from kilter.server.loops import Words, work
from kilter.server.refusals import Unavailable
from kilter.server.seams import Conflict
from kilter.server.store import absence, progress
from kilter.server.store.deploys import Record

IDLE = 1.0  # seconds between looks into the store where nobody tells: other replicas, expired leases
AGAIN = 5 * clock.SECOND  # until a deploy that the cluster did not take is tried again


class Dispatcher:
    """The loop; every replica has one, and the store lets each deploy be claimed by one of them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def run(self) -> None:
        """Work until cancelled; whatever happens to one deploy or to the store, go on."""
        words = Words("cannot dispatch", "dispatch failed", "dispatching again")
        await work(self._services.hub, DISPATCH, IDLE, self.step, words)

    async def step(self) -> bool:
        """Carry one deploy over; tells whether there was one."""
        services = self._services
        await services.rush.over()
        record = await services.store.run(progress.claim, services.clock())
        if record is None:
            return False
        services.hub.tell([record.id])
        try:
            await self._carry(record)
        except Conflict as conflict:
            failure = Failure(phase=record.phase, reason="Conflict", message=str(conflict))
            services.hub.tell(await services.store.run(progress.refused, record.id, failure, services.clock()))
        except Unavailable:
            await services.store.run(progress.postpone, record.id, services.clock() + AGAIN)
            raise
        services.hub.tell([record.id])
        return True

    async def _carry(self, record: Record) -> None:
        """Hand a deploy to the cluster. The order matters: what is recorded as applied has been applied."""
        services = self._services
        found = await services.store.run(progress.held, record, services.clock())
        if found is None:
            return
        if record.operation == "deploy":
            await services.cluster.apply(found.object_name, record.spec)
            await services.store.run(progress.applied, record.id, services.clock())
            return
        await services.cluster.delete(found.object_name, record.spec)
        await services.store.run(progress.applied, record.id, services.clock())
        looked_at = services.clock()
        if not await services.cluster.exists(found.object_name):
            # Gone before it was recorded that this was wanted: the watch has told nobody.
            ended = await services.store.run(absence.gone, found.object_name, looked_at, services.clock())
            services.hub.tell([*ended, DISPATCH, IMAGES])
