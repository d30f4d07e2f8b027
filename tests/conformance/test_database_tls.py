"""A PostgreSQL that nobody gets into without TLS, and whose authority nobody knows by himself: what the platform does
there, and what an app can do with what it is given."""

import base64
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from harness.certificates import certified
from harness.server import RunningServer
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kilter.operator import effects
from kilter.operator.postgres import DatabaseUnavailable, Postgres
from kilter.operator.settings import Settings, from_environment

from .postgres import Server, server
from .test_operator_database import World

pytestmark = pytest.mark.requirement("DP-25")
REFUSED = "SSL error"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    with server(sign=lambda name: certified(folder, name, "localhost").authority) as found:
        yield found


@pytest.fixture
def trusting(there: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the chart says to kilter's own programs, once it is told of the authority."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(there.authority))


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, with an authority that signed for something else."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(certified(tmp_path, "localhost").authority))


def login(there: Server) -> str:
    """The operator's login, by the name that is in the certificate."""
    return make_conninfo(there.operator, host="localhost")


def secured(there: Server, database: str) -> set[object]:
    """Whether the connections to a database are by TLS."""
    asked = "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.datname = %s"
    with there.connect(sslmode="verify-ca", sslrootcert=str(there.authority)) as connection:
        return {ssl for (ssl,) in connection.execute(asked, (database,)).fetchall()}


def test_nobody_gets_in_without_tls(there: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(make_conninfo(there.operator, sslmode="disable"))


@pytest.mark.usefixtures("trusting")
def test_the_server_keeps_its_store_behind_an_authority_of_ones_own(there: Server, tmp_path: Path) -> None:
    with RunningServer(tmp_path, dsn=login(there)).running() as running, running.client() as client:
        assert client.get("/v1/whoami").json()["role"] == "admin"
        assert secured(there, str(conninfo_to_dict(there.operator)["dbname"])) == {True}


@pytest.mark.usefixtures("strangers")
def test_a_server_that_cannot_trust_its_database_says_why_it_waits(there: Server, tmp_path: Path) -> None:
    running = RunningServer(tmp_path, dsn=login(there))
    running.prepare()
    running.launch()
    until = time.monotonic() + 30
    try:
        while "waiting for the store" not in running.log:
            assert time.monotonic() < until, running.log
            time.sleep(0.05)
    finally:
        running.end(signal.SIGKILL)
    assert REFUSED in running.log
    assert str(conninfo_to_dict(there.operator)["password"]) not in running.log


def told(there: Server, folder: Path, authority: Path | None) -> Settings:
    """The settings of an operator whose chart names this authority, or none."""
    (folder / "dsn").write_text(login(there))
    found = {"KILTER_DATABASE_URL_FILE": str(folder / "dsn"), "KILTER_DATABASE_HOST": "localhost"}
    found |= {"KILTER_DATABASE_PORT": str(there.address[1]), "KILTER_DATABASE_CIDR": "127.0.0.1/32"}
    return from_environment(
        found | ({"PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(authority)} if authority else {})
    )


def given(world: World) -> dict[str, str]:
    """What the Secret of the app holds."""
    assert world.secret is not None
    return {key: base64.b64decode(value).decode() for key, value in world.secret["data"].items()}


@pytest.mark.usefixtures("trusting")
def test_a_database_is_made_and_the_app_gets_what_it_needs_to_trust_it(
    there: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = Postgres(login(there))
    try:
        world = World(there, postgres, settings=told(there, tmp_path, there.authority))
        world.provision()
        assert secured(there, str(conninfo_to_dict(there.operator)["dbname"])) == {True}
    finally:
        postgres.close()
    held = given(world)
    file = tmp_path / "mounted.crt"
    file.write_text(held["ca.crt"])
    # As in a pod: the address out of the Secret, and the two variables that stand beside it.
    monkeypatch.setenv("PGSSLMODE", held["PGSSLMODE"])
    monkeypatch.setenv("PGSSLROOTCERT", str(file))
    with psycopg.connect(held["DATABASE_URL"]) as connection:
        used: Any = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    assert used == (True,)
    assert (held["PGSSLMODE"], "sslmode" in held["DATABASE_URL"]) == ("verify-full", False)


@pytest.mark.usefixtures("trusting")
def test_an_environment_from_before_gains_the_authority_and_a_new_one_later_and_keeps_its_address(
    there: Server, tmp_path: Path
) -> None:
    """Its pods read the address, and have no file until the next deploy."""
    postgres = Postgres(login(there))
    try:
        world = World(there, postgres, settings=told(there, tmp_path, None))
        world.provision()
        before = given(world)
        for text in ("old", "old and new"):
            (tmp_path / "bundle.crt").write_text(text)
            world.target = replace(world.target, settings=told(there, tmp_path, tmp_path / "bundle.crt"))
            assert [type(each) for each in world.provision()] == [effects.Apply]
            assert given(world) == {**before, "PGSSLMODE": "verify-full", "ca.crt": text}
    finally:
        postgres.close()


@pytest.mark.usefixtures("strangers")
def test_an_operator_that_cannot_trust_the_database_says_why(there: Server) -> None:
    postgres = Postgres(login(there))
    with pytest.raises(DatabaseUnavailable) as caught:
        postgres.snapshot((secrets.token_hex(4),), (), ("a", "b"))
    assert REFUSED in caught.value.why


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_name_is_refused(there: Server) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        Postgres(make_conninfo(there.operator, host="127.0.0.1")).snapshot((), (), ("a", "b"))
    assert "does not match host name" in caught.value.why
