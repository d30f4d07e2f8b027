"""A server that starts before its database."""

import asyncio
import logging
import os
import signal
from typing import Any

import pytest

from kilter.server.opening import Patience, open_store
from kilter.server.refusals import Unavailable
from kilter.server.store.migrate import SchemaTooNew

HASTE = Patience(limit=5.0, pause=0.01)


class Late:
    """A store that fails so often, each time for the next reason, before it opens."""

    def __init__(self, *failures: Exception, shared: bool = True) -> None:
        self.failures, self.shared, self.asked = list(failures), shared, 0

    async def open(self) -> None:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)


def opened(store: Any, patience: Patience = HASTE) -> bool:
    return asyncio.run(open_store(store, patience))


def test_a_database_that_comes_later_is_waited_for_and_each_reason_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    away, starting = Unavailable("away"), Unavailable("starting up")
    store = Late(away, away, starting, away)
    assert opened(store)
    assert store.asked == 5
    assert [record.facts["error"] for record in caplog.records] == ["away", "starting up"]  # type: ignore[attr-defined]


def test_what_the_database_said_is_in_the_log_each_time_that_it_says_something_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    refused, wrong = because("connection refused"), because('password authentication failed for user "kilter"\nmore')
    assert opened(Late(refused, refused, wrong))
    reasons = [record.facts["reason"] for record in caplog.records]  # type: ignore[attr-defined]
    assert reasons == ["connection refused", 'password authentication failed for user "kilter"']


def because(said: str) -> Unavailable:
    error = Unavailable("the store does not answer: OperationalError")
    error.__cause__ = OSError(said)
    return error


def test_one_that_does_not_come_is_not_waited_for_for_ever() -> None:
    store = Late(*[Unavailable("away")] * 1000)
    with pytest.raises(Unavailable, match="away"):
        opened(store, Patience(limit=0.1, pause=0.01))
    assert 1 < store.asked < 1000


def test_waiting_does_not_help_a_file_nor_an_older_server() -> None:
    for store in (Late(Unavailable("no folder"), shared=False), Late(SchemaTooNew("9"))):
        with pytest.raises((Unavailable, SchemaTooNew)):
            opened(store)
        assert store.asked == 1


def test_a_server_that_waits_ends_when_it_is_asked_to() -> None:
    async def story() -> bool:
        waiting = asyncio.create_task(open_store(Late(*[Unavailable("away")] * 9), Patience(pause=60)))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(waiting, 5)

    before = signal.getsignal(signal.SIGTERM)
    assert asyncio.run(story()) is False
    assert signal.getsignal(signal.SIGTERM) is before
