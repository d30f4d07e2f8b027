"""Forgets what is older than it is kept for: audit rows of a year ago, keys of yesterday, sessions that are over."""

import asyncio
import logging

from kilter.server.call import Services
from kilter.server.refusals import Unavailable
from kilter.server.store import audit, idempotency, sessions

log = logging.getLogger("kilter.server")
EVERY = 3600.0  # seconds


async def keep_house(services: Services) -> None:
    """Clean up once an hour until cancelled."""
    while True:
        try:
            await services.store.run(audit.prune, services.clock())
            await services.store.run(idempotency.prune, services.clock())
            await services.store.run(sessions.prune, services.clock())
        except Unavailable as error:
            log.warning("cannot clean up", extra={"facts": {"error": str(error)}})
        await asyncio.sleep(EVERY)
