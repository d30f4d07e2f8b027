"""What is kept for a time goes after it, whatever happened the last time."""

import asyncio
import logging
from typing import Any, cast

import pytest

from kilter.server import housekeeping
from kilter.server.call import Services
from kilter.server.hub import Hub
from kilter.server.refusals import Unavailable
from kilter.server.store import audit, idempotency, sessions, tokens


class House:
    """A store that fails as told, and then is cleaned up until `enough` is reached."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.done, self.enough = list(failures), list[Any](), asyncio.Event()

    async def run(self, work: Any, now: int) -> None:
        assert now == 7
        if self.failures:
            raise self.failures.pop(0)
        self.done.append(work)
        if len(self.done) == 4:
            self.enough.set()


@pytest.mark.parametrize(
    ("failure", "message", "level"),
    [
        (Unavailable("away"), "cannot clean up", logging.WARNING),
        (ValueError("unforeseen"), "cleaning up failed", logging.ERROR),
    ],
)
def test_cleaning_up_goes_on_after_whatever_kept_it_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception, message: str, level: int
) -> None:
    monkeypatch.setattr(housekeeping, "EVERY", 0)

    async def story() -> House:
        house = House(failure)
        services: Any = type("Some", (), {"store": house, "hub": Hub(), "clock": staticmethod(lambda: 7)})()
        cleaning = asyncio.create_task(housekeeping.keep_house(cast("Services", services)))
        first, _ = await asyncio.wait(
            {cleaning, asyncio.create_task(house.enough.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        assert cleaning not in first
        cleaning.cancel()
        return house

    assert asyncio.run(story()).done[:4] == [audit.prune, idempotency.prune, sessions.prune, tokens.prune]
    assert [(record.message, record.levelno) for record in caplog.records] == [(message, level)]
