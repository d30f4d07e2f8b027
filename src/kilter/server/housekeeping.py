"""Forgets what is older than it is kept for: audit rows and tokens, keys, sessions that are over."""

from kilter.server.call import Services
from kilter.server.loops import Words, work
from kilter.server.store import audit, idempotency, sessions, tokens

TOPIC = "housekeeping"  # nobody tells of it: the hour alone does
EVERY = 3600.0  # seconds


async def keep_house(services: Services) -> None:
    """Clean up once an hour until cancelled, whatever happens to one time."""

    async def step() -> bool:
        for prune in (audit.prune, idempotency.prune, sessions.prune, tokens.prune):
            await services.store.run(prune, services.clock())
        return False

    words = Words("cannot clean up", "cleaning up failed", "cleaning up again")
    await work(services.hub, TOPIC, EVERY, step, words)
