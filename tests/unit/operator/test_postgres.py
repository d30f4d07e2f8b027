"""What the operator takes from what a database server says, and how it asks; the rest is asked of a real one."""

from typing import Any

import psycopg
import pytest

from kilter.operator.postgres import DatabaseUnavailable, Postgres

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
