"""What the operator takes from what a database server says, and how it asks; the rest is asked of a real one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from kilter.gitops.model import Fence
from kilter.operator.effects import AdmitRole
from kilter.operator.lease import Deposed
from kilter.operator.postgres import FENCE_TABLE, LEAD, SHUT, DatabaseUnavailable, Postgres

FENCE = Fence(7, "me")
ROLE, BASE = "acme__shop__prod_app", "acme__shop__prod"


class Server:
    """Refuses every connection with its words, and keeps what it was asked with."""

    def __init__(self, says: str) -> None:
        self.says, self.asked = says, dict[str, Any]()

    def connect(self, url: str, **given: Any) -> None:
        self.asked = {"url": url, **given}
        raise psycopg.OperationalError(f'connection to server at "10.0.0.7", port 5432 failed: FATAL:  {self.says}')


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server(getattr(request, "param", "the database system is starting up"))
    monkeypatch.setattr(psycopg, "connect", found.connect)
    return found


def can_log_in() -> bool:
    return Postgres("postgresql://op@10.0.0.7/op").can_log_in(ROLE, "fits", BASE)


@pytest.mark.requirement("F35")
@pytest.mark.parametrize(
    "server", [f'too many connections for role "{ROLE}"', f'too many connections for database "{BASE}"'], indirect=True
)
@pytest.mark.usefixtures("server")
def test_a_role_whose_connections_are_all_in_use_has_the_right_password() -> None:
    """The release that would leak none could never be deployed, were that taken for a server that is away."""
    assert can_log_in()


@pytest.mark.parametrize(
    "server", [f'password authentication failed for user "{ROLE}"', f'role "{ROLE}" does not exist'], indirect=True
)
@pytest.mark.usefixtures("server")
def test_a_role_that_is_refused_does_not_get_in() -> None:
    assert not can_log_in()


@pytest.mark.requirement("F35")
@pytest.mark.parametrize("server", ["sorry, too many clients already"], indirect=True)
@pytest.mark.usefixtures("server")
def test_a_server_that_is_full_is_away() -> None:
    with pytest.raises(DatabaseUnavailable):
        can_log_in()


@pytest.mark.requirement("F35")
def test_a_database_that_cannot_be_made_again_and_again_has_one_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try has a number of its own, and counted as another word to tell."""
    reasons = set()
    for number in (16509, 16510):
        there = Server(f'could not write to file "base/{number}/PG_VERSION": No space left on device')
        monkeypatch.setattr(psycopg, "connect", there.connect)
        with pytest.raises(DatabaseUnavailable) as caught:
            can_log_in()
        reasons.add(caught.value.why)
    [reason] = reasons
    assert 'could not write to file "base/…/PG_VERSION": No space left on device' in reason


@pytest.mark.requirement("F35")
def test_a_server_that_falls_silent_is_given_up_within_half_a_minute(server: Server) -> None:
    with pytest.raises(DatabaseUnavailable):
        can_log_in()
    assert silence(server.asked) <= 30
    with pytest.raises(DatabaseUnavailable):
        Postgres("postgresql://op@10.0.0.7/op").expired("kilter:default:")
    assert silence(server.asked) <= 30


def silence(asked: dict[str, Any]) -> float:
    """How long it takes at most, in seconds, until a connection that nothing answers on is ended."""
    unsent = asked["tcp_user_timeout"] / 1000
    idle = asked["keepalives_idle"] + asked["keepalives_interval"] * asked["keepalives_count"]
    return max(float(unsent), float(idle))


@dataclass
class Fenced:
    """A server as far as its fence goes: `number` is the row, None where the table is gone with the server before."""

    number: int | None = None
    done: list[str] = field(default_factory=list)
    numbers: list[int | None] = field(default_factory=list)
    shut: list[list[str]] = field(default_factory=list)  # what had been done each time when it was closed to others

    def connect(self, *_: Any, **__: Any) -> "Fenced":
        return self

    def execute(self, query: Any, values: Any = None) -> "Fenced":
        text = query if isinstance(query, str) else query.as_string(None)
        if text == FENCE_TABLE:
            self.number = 0 if self.number is None else self.number
        elif text == SHUT:
            self.shut.append(list(self.done))
        elif "kilter.fence" in text and self.number is None:
            raise psycopg.errors.UndefinedTable('relation "kilter.fence" does not exist')
        elif text == LEAD:
            self.number = values[0] if self.number is not None and self.number <= values[0] else self.number
            self.numbers.append(self.number)
        elif "kilter.fence" not in text and text != "SELECT 1":
            self.done.append(text.split()[0])
        return self

    def fetchone(self) -> tuple[int | None]:
        return (self.number,)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield

    def close(self) -> None:
        """It is opened anew each time."""


@pytest.fixture
def fenced(monkeypatch: pytest.MonkeyPatch) -> Fenced:
    found = Fenced()
    monkeypatch.setattr(psycopg, "connect", found.connect)
    return found


@pytest.mark.requirement("F26", "F35")
@pytest.mark.parametrize("left", [None, 0, 3])
def test_a_server_that_takes_the_place_of_the_one_that_was_led_is_led_anew(fenced: Fenced, left: int | None) -> None:
    """An empty one, or one from a backup: each change was refused until the operator was started again."""
    postgres = Postgres("postgresql://op@10.0.0.7/op")
    postgres.perform(AdmitRole("owner", ROLE), FENCE)
    fenced.number = left
    for _ in range(3):
        postgres.perform(AdmitRole("owner", ROLE), FENCE)
    assert fenced.done == ["GRANT"] * 4
    assert fenced.numbers == [FENCE.number] * 2


@pytest.mark.requirement("DP-25", "DP-Q25", "B8")
def test_no_app_is_given_a_login_to_a_server_whose_other_databases_are_open_to_it(fenced: Fenced) -> None:
    """A role that left anything in one of them could never be dropped, and its environment never end."""
    postgres = Postgres("postgresql://op@10.0.0.7/op")
    postgres.perform(AdmitRole("owner", ROLE), FENCE)
    fenced.number = None
    postgres.perform(AdmitRole("owner", ROLE), FENCE)
    assert fenced.shut == [[], ["GRANT"]], "before anything else, also of a server that takes the place of another"


@pytest.mark.requirement("F26")
def test_a_higher_number_on_a_server_that_took_the_place_of_another_is_a_later_leaders(fenced: Fenced) -> None:
    postgres = Postgres("postgresql://op@10.0.0.7/op")
    postgres.perform(AdmitRole("owner", ROLE), FENCE)
    fenced.number = FENCE.number + 1
    with pytest.raises(Deposed):
        postgres.perform(AdmitRole("owner", ROLE), FENCE)
    assert fenced.done == ["GRANT"]
