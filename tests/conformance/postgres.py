"""A real PostgreSQL for the operator: the one that KILTER_TEST_POSTGRES names, or a container that is removed again.

The operator gets a role of its own there, without the rights of a superuser, and a database for its fence.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

GIVEN = os.environ.get("KILTER_TEST_POSTGRES", "")  # read here: the tests themselves see no KILTER_ variables
IMAGE = "postgres:17"
BY_TLS_ALONE = """
install -d -o postgres /run/tls
install -o postgres -m 600 /tls/tls.crt /tls/tls.key /run/tls
printf 'local all all trust\\nhostssl all all all scram-sha-256\\n' > /run/tls/hba.conf
exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/run/tls/tls.crt -c ssl_key_file=/run/tls/tls.key \\
    -c hba_file=/run/tls/hba.conf
"""
MISSING = "no PostgreSQL: KILTER_TEST_POSTGRES names none, and there is no Docker here"


@dataclass(frozen=True)
class Server:
    """A server: how its superuser reaches it, and how the operator does."""

    admin: str
    operator: str
    host: str = ""  # where other containers of its network find it
    container: str = ""  # none for one that was given
    authority: Path | None = None  # that signed for `host` and `localhost`; then nobody gets in without TLS

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
def server(network: str = "", sign: Callable[[str], Path] | None = None) -> Iterator[Server]:
    """Yield a server with a role and a database for one operator; both are gone afterwards.

    With a network of Docker's it is a container of its own in there; with `sign`, one that is reached by TLS
    alone. That makes tls.crt and tls.key for its name and `localhost`, and returns the authority's file beside them.
    """
    container = f"kilter-test-postgres-{secrets.token_hex(4)}"
    authority = sign(container) if sign else None
    given = GIVEN if not (network or authority) else ""
    with nullcontext(given) if given else _running(container, network, authority) as admin:
        role, password = f"op_{secrets.token_hex(4)}", secrets.token_hex(12)
        own = sql.Identifier(role)
        with psycopg.connect(admin, autocommit=True) as connection:
            make = "CREATE ROLE {} LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD {}"
            connection.execute(sql.SQL(make).format(own, sql.Literal(password)))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(own, own))
        try:
            login = make_conninfo(admin, user=role, password=password, dbname=role)
            yield Server(admin, login, container if network else "", "" if given else container, authority)
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


def _docker_answers() -> bool:
    """Tell whether there is a Docker at all: whatever else goes wrong is no reason to leave tests out."""
    try:
        done = subprocess.run(["docker", "version"], check=False, capture_output=True, timeout=60)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@contextmanager
def _running(name: str, network: str, authority: Path | None) -> Iterator[str]:
    password = secrets.token_hex(12)
    create = ["create", "--rm", "--name", name, "--label", f"kilter.test={os.getpid()}", "--publish", "127.0.0.1::5432"]
    create += ["--network", network] if network else []
    create += ["--env", f"POSTGRES_PASSWORD={password}"]
    create += ["--entrypoint", "bash", IMAGE, "-ec", BY_TLS_ALONE] if authority else [IMAGE]
    copy = [["cp", f"{authority.parent}/.", f"{name}:/tls"]] if authority else []
    if not _docker_answers():
        pytest.skip(MISSING)
    try:
        for words in (create, *copy, ["start", name]):
            done = subprocess.run(["docker", *words], check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"docker {words[0]}: {done.stderr}"
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
