"""Hears of what other replicas record: one look a second into the store, however many follow deploys here."""

from kilter.server.call import Services
from kilter.server.loops import Words, work
from kilter.server.store import events

TOPIC = "elsewhere"  # nobody tells of it: the second alone does
EVERY = 1.0  # seconds


async def hear(services: Services) -> None:
    """Wake who follows a deploy of which there is news, once a second until cancelled."""
    known = dict[str, int]()

    async def step() -> bool:
        nonlocal known
        followed = [topic for topic in services.hub.topics() if topic.startswith("dep-")]
        found = await services.store.look(events.last_numbers, followed) if followed else {}
        services.hub.tell([deploy_id for deploy_id, number in found.items() if known.get(deploy_id) != number])
        known = found
        return False

    words = Words("cannot hear of other servers", "hearing of other servers failed", "hearing of other servers again")
    await work(services.hub, TOPIC, EVERY, step, words)
