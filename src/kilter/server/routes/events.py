"""The events of a deploy as a stream that can be taken up again."""

from collections.abc import AsyncIterator

import msgspec
from starlette.responses import StreamingResponse

from kilter.api.deploys import Event
from kilter.api.words import ENDED
from kilter.server.call import Call
from kilter.server.refusals import Refused, Unavailable
from kilter.server.routes.deploys import recorded
from kilter.server.store import deploys, events
from kilter.server.store.engine import Tx

MEDIA_TYPE = "text/event-stream"
# Seconds until the end of a token or session ends a stream at the latest (S2), and between signs of life.
ASK_ALIVE = 5.0


async def stream(call: Call) -> StreamingResponse:
    """Stream what was recorded after `Last-Event-ID`, then what comes, until the deploy has ended."""
    text = call.headers.get("last-event-id", "0")
    if not text.isdecimal() or len(text) > 15:
        raise Refused("invalid", "Last-Event-ID is the number of an event", field="Last-Event-ID")
    return StreamingResponse(told(call, int(text)), headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)


async def told(call: Call, last: int) -> AsyncIterator[str]:
    """Yield the stream's text."""
    services, deploy_id = call.services, recorded(call).id
    with services.hub.listen(deploy_id) as listener:
        while not services.stopping.is_set():
            try:
                batch, is_over = await services.store.look(news, call, deploy_id, last, services.clock())
            except Unavailable:  # who follows asks again, for what came after the last event
                return
            for number, event in batch:
                last = number
                yield written(number, event)
            if is_over:
                return
            if not batch and not await listener.wait(ASK_ALIVE):
                yield ": still here\n\n"


def news(tx: Tx, call: Call, deploy_id: str, last: int, now: int) -> tuple[list[tuple[int, Event]], bool]:
    """Return what is new, and whether nothing more will come: the deploy has ended, or the token or session has.

    The state is looked at first: what comes between the looks is then among the events.
    """
    if not call.is_good(tx, now):
        return [], True
    record = deploys.found(tx, deploy_id)
    batch = events.after(tx, deploy_id, last)
    return batch, record.state in ENDED and len(batch) < events.BATCH


def written(number: int, event: Event) -> str:
    """Write an event for the wire; JSON has no line breaks of its own."""
    return f"id: {number}\nevent: {event.__struct_config__.tag}\ndata: {msgspec.json.encode(event).decode()}\n\n"
