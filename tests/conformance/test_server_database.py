"""kilter-server as a process, beside a real PostgreSQL that comes later than the server itself."""

import asyncio
import logging
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from harness.ports import loopback_port
from harness.server import RunningServer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kilter.server.store.postgres import PostgresEngine

from . import postgres
from .proxy import SilentProxy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that waits: its database does not answer yet."""
    found = RunningServer(tmp_path, dsn=f"postgresql://kilter:canary@127.0.0.1:{loopback_port()}/kilter")
    found.prepare()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.end(signal.SIGKILL)


def wait(server: RunningServer) -> None:
    """Wait until the server does."""
    until = time.monotonic() + 30
    while "waiting for the store" not in server.log:
        assert time.monotonic() < until, server.log
        time.sleep(0.05)


@pytest.mark.cluster
def test_a_server_that_is_there_before_its_database_waits_for_it(server: RunningServer) -> None:
    """Both start at once on a new platform, and neither crashes."""
    with postgres.server() as real:
        port = loopback_port()
        server.dsn = make_conninfo(real.operator, host="127.0.0.1", port=str(port))
        server.launch()
        wait(server)
        with SilentProxy(real.address[1], port):
            server.await_answer()
            with server.client() as client:
                assert client.get("/v1/whoami").json()["role"] == "admin"
            assert server.end() == 0
    assert server.log.count("waiting for the store") == 1


def test_a_server_that_waits_for_its_database_ends_when_it_is_asked_to(server: RunningServer) -> None:
    server.launch()
    wait(server)
    assert server.end() == 0
    assert "canary" not in server.log


@pytest.fixture(scope="module")
def there() -> Iterator[postgres.Server]:
    with postgres.server() as found:
        yield found


@pytest.fixture
def login(there: postgres.Server) -> Iterator[str]:
    """The login of an app, which the operator's login is a member of."""
    name = sql.Identifier(f"app_{secrets.token_hex(4)}")
    with there.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'canary'").format(name))
        connection.execute(sql.SQL("GRANT {} TO {}").format(name, role(there)))
        yield str(name.as_string()).strip('"')
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


def role(there: postgres.Server) -> sql.Identifier:
    return sql.Identifier(str(conninfo_to_dict(there.operator)["user"]))


def database(there: postgres.Server) -> str:
    return str(conninfo_to_dict(there.operator)["dbname"])


def opened(dsn: str, times: int = 1) -> None:
    """Open the store as a server does that starts."""

    async def story() -> None:
        engines = [PostgresEngine(dsn) for _ in range(times)]
        try:
            await asyncio.gather(*(engine.open() for engine in engines))
        finally:
            for engine in engines:
                await engine.close()

    asyncio.run(story())


@pytest.mark.cluster
@pytest.mark.requirement("F35")
def test_an_app_that_is_in_the_platforms_own_database_is_shown_out_and_stays_out(
    there: postgres.Server, login: str
) -> None:
    """From in there it could hold the names for which the server's transactions wait, and nothing would be accepted."""
    own = database(there)
    with there.connect() as connection:
        connection.execute(sql.SQL("GRANT ALL ON DATABASE {} TO PUBLIC").format(sql.Identifier(own)))
    with there.connect(user=login, password="canary", dbname=own) as inside, there.connect(dbname=own) as superuser:
        inside.execute("SELECT pg_advisory_lock(hashtextextended('schema', 0))")
        opened(there.operator, times=3)
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")
        superuser.execute("SELECT 1")
    for _ in range(2):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            there.connect(user=login, password="canary", dbname=own)
        opened(there.operator)


@pytest.mark.cluster
def test_a_database_that_the_login_does_not_own_is_used_and_its_open_door_told_of(
    there: postgres.Server, login: str, caplog: pytest.LogCaptureFixture
) -> None:
    other = sql.Identifier(f"{login}_store")
    with there.connect() as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(other))
        try:
            with there.connect(dbname=f"{login}_store") as inside:
                inside.execute(sql.SQL("GRANT CREATE ON SCHEMA public TO {}").format(role(there)))
            dsn = make_conninfo(there.operator, dbname=f"{login}_store")
            opened(dsn)
            [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
            assert warning.message == "every login of the database server may open the store's database"
            there.connect(user=login, password="canary", dbname=f"{login}_store").close()
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(other, role(there)))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(other))
            caplog.clear()
            opened(dsn)
            assert caplog.records == []
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(other))


@pytest.mark.cluster
@pytest.mark.parametrize("own", [False, True])
def test_databases_of_the_server_itself_are_closed_where_they_are_the_logins_own(
    there: postgres.Server, login: str, own: bool
) -> None:
    """As in the platform's own PostgreSQL; in one from elsewhere others may use them."""
    question = "SELECT has_database_privilege(%s, %s, 'CONNECT')"
    with there.connect() as connection:
        owner = connection.execute("SELECT current_user::text").fetchone()
        assert owner
        connection.execute("GRANT CONNECT ON DATABASE postgres, template1 TO PUBLIC")
        try:
            if own:
                connection.execute(sql.SQL("ALTER DATABASE template1 OWNER TO {}").format(role(there)))
            opened(there.operator)
            assert there.scalar(question, login, "template1") is not own
            assert there.scalar(question, login, "postgres")
        finally:
            connection.execute(sql.SQL("ALTER DATABASE template1 OWNER TO {}").format(sql.Identifier(str(owner[0]))))
            connection.execute("GRANT CONNECT ON DATABASE template1 TO PUBLIC")
