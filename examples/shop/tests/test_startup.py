import logging

import pytest
from shop.ports import Unavailable
from shop.settings import MissingVariable, Settings
from shop.startup import LONGEST_PAUSE, wait_for


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Late:
    """A service that answers from a certain time on."""

    def __init__(self, clock: Clock, ready_at: float) -> None:
        self.clock = clock
        self.ready_at = ready_at

    def prepare(self) -> None:
        if self.clock() < self.ready_at:
            raise Unavailable("postgres", "connection refused")


def test_a_late_service_is_waited_for_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.INFO):
        assert wait_for("postgres", Late(clock, 20).prepare, clock=clock, sleep=clock.sleep)
    assert clock.pauses == sorted(clock.pauses)
    assert max(clock.pauses) <= LONGEST_PAUSE
    assert "waiting for postgres" in caplog.messages[0]
    assert "connection refused" in caplog.messages[0]
    assert caplog.messages[-1] == "postgres is ready"


def test_patience_has_an_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    assert not wait_for("postgres", Late(clock, 1e9).prepare, patience=30, clock=clock, sleep=clock.sleep)
    assert clock.now <= 30
    assert "gave up on postgres" in caplog.messages[-1]


def test_a_stop_ends_the_waiting() -> None:
    clock = Clock()
    late = Late(clock, 1e9)
    assert not wait_for("postgres", late.prepare, stopping=lambda: clock.now > 3, clock=clock, sleep=clock.sleep)
    assert clock.now < 10


def test_settings_come_from_the_environment() -> None:
    settings = Settings.read({"DATABASE_URL": "postgresql://db/shop", "REDIS_URL": "redis://cache:6379"})
    assert settings == Settings(database_url="postgresql://db/shop", redis_url="redis://cache:6379")


@pytest.mark.parametrize("value", [{}, {"REDIS_URL": " "}])
def test_a_missing_variable_is_named_with_the_command_that_prints_it(value: dict[str, str]) -> None:
    with pytest.raises(MissingVariable, match=r"REDIS_URL is not set; `kilter env`"):
        Settings.read({"DATABASE_URL": "postgresql://db/shop", **value})
