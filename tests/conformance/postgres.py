"""A real PostgreSQL for the operator: the one that KILTER_TEST_POSTGRES names, or a container that is removed again.

The operator gets a role of its own there, without the rights of a superuser, and a database for its fence.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

GIVEN = os.environ.get("KILTER_TEST_POSTGRES", "")  # read here: the tests themselves see no KILTER_ variables
IMAGE = "postgres:17"
MISSING = "no PostgreSQL: KILTER_TEST_POSTGRES names none, and no container could be started"


@dataclass(frozen=True)
class Server:
    """A server: how its superuser reaches it, and how the operator does."""

    admin: str
    operator: str
    host: str = ""  # where other containers of its network find it
    container: str = ""  # none for one that was given

    def connect(self, **changes: str) -> "psycopg.Connection[tuple[object, ...]]":
        """Connect as the superuser, or as somebody else."""
        return psycopg.connect(make_conninfo(self.admin, **changes), autocommit=True, connect_timeout=5)

    def scalar(self, text: str, *values: object) -> object:
        """Ask one question as the superuser."""
        with self.connect() as connection:
            row = connection.execute(text, values).fetchone()
            return row[0] if row else None

    @property
    def direct(self) -> str:
        """The operator's way to it without Docker's proxy, which costs as much as the database itself."""
        if not self.container:
            return self.operator
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        command = ["docker", "inspect", "--format", form, self.container]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return make_conninfo(self.operator, host=told.strip(), port=5432)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = conninfo_to_dict(self.admin)
        return str(parts["host"]), int(str(parts.get("port", 5432)))


@contextmanager
def server(network: str = "") -> Iterator[Server]:
    """Yield a server with a role and a database for one operator; both are gone afterwards.

    With a network of Docker's it is a container of its own in there.
    """
    container = f"kilter-test-postgres-{secrets.token_hex(4)}"
    with _running(container, network) as admin:
        role, password = f"op_{secrets.token_hex(4)}", secrets.token_hex(12)
        own = sql.Identifier(role)
        with psycopg.connect(admin, autocommit=True) as connection:
            make = "CREATE ROLE {} LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD {}"
            connection.execute(sql.SQL(make).format(own, sql.Literal(password)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(own, own))
        try:
            login = make_conninfo(admin, user=role, password=password, dbname=role)
            yield Server(admin, login, container if network else "", "" if GIVEN and not network else container)
        finally:
            _clear(admin, role)


def _clear(admin: str, role: str) -> None:
    """Drop what the operator's role owns, through its roles, and the role."""
    members = "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles u"
    with psycopg.connect(admin, autocommit=True) as connection:
        found = connection.execute(f"{members} ON u.oid = m.member WHERE u.rolname = %s", (role,)).fetchall()
        roles = list(dict.fromkeys([name for (name,) in found] + [role]))
        owned = "SELECT datname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = ANY(%s)"
        for (name,) in connection.execute(owned, (roles,)).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for name in roles:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def _running(name: str, network: str) -> Iterator[str]:
    if GIVEN and not network:
        yield GIVEN
        return
    password = secrets.token_hex(12)
    docker = ["docker", "run", "--detach", "--rm", "--name", name, "--publish", "127.0.0.1::5432"]
    docker += ["--network", network] if network else []
    try:
        subprocess.run([*docker, "--env", f"POSTGRES_PASSWORD={password}", IMAGE], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(MISSING)
    try:
        told = subprocess.run(["docker", "port", name, "5432/tcp"], check=True, capture_output=True, text=True).stdout
        port = told.split()[0].rpartition(":")[2]
        url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        _await(url)
        yield url
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, capture_output=True)


def _await(url: str) -> None:
    limit = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert time.monotonic() < limit, "PostgreSQL does not answer"
            time.sleep(0.2)
        else:
            return
