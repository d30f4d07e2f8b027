"""What the log says of the server's work in the background."""

import asyncio
import logging

import pytest

from kilter.server.hub import Hub
from kilter.server.loops import Words, work
from kilter.server.refusals import Unavailable


def test_a_store_that_is_away_is_logged_with_what_it_said(caplog: pytest.LogCaptureFixture) -> None:
    async def step() -> bool:
        raise Unavailable("the store does not answer: OperationalError") from OSError("no space left on device\nmore")

    async def story() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await work(Hub(), "deploys", 60.0, step, Words("cannot dispatch", "dispatch failed"))

    caplog.set_level(logging.WARNING)
    asyncio.run(story())
    (record,) = caplog.records
    assert record.facts == {  # type: ignore[attr-defined]
        "error": "the store does not answer: OperationalError",
        "reason": "no space left on device",
    }
