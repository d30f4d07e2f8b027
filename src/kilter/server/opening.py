"""Opening the store when the server starts, perhaps before its database: on a new platform both start at once."""

import asyncio
import logging
import signal
import time
from dataclasses import dataclass
from typing import Final

from kilter.server.refusals import Unavailable
from kilter.server.store.postgres import PostgresEngine
from kilter.server.store.sqlite import SqliteEngine

log = logging.getLogger("kilter.server")
ENDING: Final = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Patience:
    """How long a database may be away at the start, and how often it is asked, in seconds."""

    limit: float = 60.0
    pause: float = 0.5


async def open_store(store: PostgresEngine | SqliteEngine, patience: Patience) -> bool:
    """Open the store, asking again while a shared one does not answer; tells whether it is open, not asked to end.

    Raises Unavailable, SchemaTooNew.
    """
    ending, loop = asyncio.Event(), asyncio.get_running_loop()
    for sent in ENDING:
        # The first process of a container is deaf to what it does not handle.
        loop.add_signal_handler(sent, ending.set)
    try:
        return await _opened(store, patience, ending)
    finally:
        for sent in ENDING:
            loop.remove_signal_handler(sent)


async def _opened(store: PostgresEngine | SqliteEngine, patience: Patience, ending: asyncio.Event) -> bool:
    until, told = time.monotonic() + patience.limit, list[dict[str, str]]()
    while not ending.is_set():
        try:
            await store.open()
        except Unavailable as error:
            if not store.shared or time.monotonic() >= until:
                raise
            if error.facts not in told:
                log.warning("waiting for the store", extra={"facts": error.facts | {"seconds": patience.limit}})
                told.append(error.facts)
        else:
            return True
        try:
            async with asyncio.timeout(patience.pause):
                await ending.wait()
        except TimeoutError:
            continue
    return False
