"""The server's work in the background: step by step, for ever, whatever happens to one of them."""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kilter.server.hub import Hub
from kilter.server.refusals import Unavailable

log = logging.getLogger("kilter.server")


class Words(NamedTuple):
    """What the log says when the store or a server does not answer, and when something unforeseen happens."""

    unavailable: str
    failed: str


async def work(hub: Hub, topic: str, every: float, step: Callable[[], Awaitable[bool]], words: Words) -> None:
    """Take steps until there are none, whenever the topic is told of and every so many seconds, until cancelled."""
    with hub.listen(topic) as listener:
        while True:
            try:
                while await step():
                    pass
            except Unavailable as error:
                log.warning(words.unavailable, extra={"facts": error.facts})
            except Exception:
                log.exception(words.failed)
            await listener.wait(every)
