"""The platform's PostgreSQL, as the operator's own role. CREATEDB and CREATEROLE are all that it uses (B8).

On a server that came with the platform, that login is the one that made the server, and a superuser.

Every change runs in a transaction that first reads the fence row: a leader that was deposed is refused by the server
itself, and a new leader waits for what is under way (F26). A session that falls silent within such a transaction is
ended by the server, so that a paused leader holds nobody up. What no transaction can hold, making and dropping a
database, is made harmless by names: a database is made for an owner role that only exists for this environment, and
only one that was retired under a name of its own KilterApp is ever dropped.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from kilter.errors import Failed
from kilter.gitops.model import Fence
from kilter.operator import effects
from kilter.operator.effects import DatabaseEffect
from kilter.operator.lease import Deposed
from kilter.operator.statements import EXPIRED, ROLES, change, is_expired, retire
from kilter.operator.steps.database import DatabaseFact, RoleFact

CONNECTIONS: Final = 4  # at a time; L6 allows 5
NEVER: Final = -1  # less than any leader's number
PATIENCE: Final = 10.0  # seconds until a connection is free
LOGIN_PATIENCE: Final = 5  # seconds for a new connection
# What ends a connection that nothing answers on any more: without it, a node that died holds a look up for a quarter
# of an hour. The first in milliseconds, the others in seconds.
LIVELY: Final[dict[str, Any]] = {
    "tcp_user_timeout": 15000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
SESSION: Final = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "idle_in_transaction_session_timeout": "8s",
        "lock_timeout": "5s",
        "statement_timeout": "60s",
        "search_path": "pg_catalog",
        "datestyle": "ISO",
    }.items()
)

FENCE_TABLE: Final = """
CREATE SCHEMA IF NOT EXISTS kilter;
CREATE TABLE IF NOT EXISTS kilter.fence (
    single boolean PRIMARY KEY DEFAULT true CHECK (single), number bigint NOT NULL, holder text NOT NULL
);
INSERT INTO kilter.fence (number, holder) VALUES (0, '') ON CONFLICT DO NOTHING;
"""
# On the platform's own server everybody could open these two, and a role that left anything there could never be
# dropped with its environment. Where others have logins, or own them, that is for them to decide.
SHUT: Final = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT datname FROM pg_database
        WHERE datname IN ('postgres', 'template1') AND pg_get_userbyid(datdba) = current_user
        AND NOT EXISTS (SELECT FROM pg_roles WHERE rolcanlogin AND rolname <> current_user
            AND NOT starts_with(coalesce(shobj_description(oid, 'pg_authid'), ''), 'kilter:'))
    LOOP EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', name); END LOOP;
END $$
"""
NUMBER: Final = "SELECT number FROM kilter.fence"
LEAD: Final = "UPDATE kilter.fence SET number = %s, holder = %s WHERE number <= %s RETURNING number"
MEMBERSHIP: Final = """
SELECT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles o ON o.oid = m.roleid JOIN pg_roles u ON u.oid = m.member
WHERE o.rolname = %s AND u.rolname = %s)
"""
DATABASES: Final = """
SELECT d.datname, pg_get_userbyid(d.datdba), coalesce(shobj_description(d.oid, 'pg_database'), ''),
    EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a WHERE a.grantee = 0)
FROM pg_database d WHERE d.datname = ANY(%s)
"""


class DatabaseUnavailable(Failed):
    """The database server does not answer, or refuses; what it said is in `why`, without any value of ours."""


class _Unled(DatabaseUnavailable):
    """The server was never led by this leader: it took the place of the one that was, or is an older state of it."""


@dataclass(frozen=True)
class Snapshot:
    """What the server has of the names that were asked for."""

    roles: dict[str, RoleFact]
    databases: dict[str, DatabaseFact]
    is_member: bool


@dataclass
class Postgres:
    """Reads and changes roles and databases. Thread-safe; at most CONNECTIONS at a time."""

    url: str = field(repr=False)
    _free: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CONNECTIONS))
    _idle: "list[psycopg.Connection[Any]]" = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _second: threading.Lock = field(default_factory=threading.Lock)  # held by the one that uses two connections
    _leading: threading.Lock = field(default_factory=threading.Lock)
    _led: int = NEVER  # the number that the fence row is known to have been set to

    def lead(self, fence: Fence) -> None:
        """Make this leader's number the one that counts; waits a while for what earlier leaders have under way.

        Raises Deposed when a higher one leads, DatabaseUnavailable.
        """
        with self._leading:
            if self._led == fence.number:
                return
            with self._connection() as connection:
                connection.execute(FENCE_TABLE)
                connection.execute(SHUT)
                # Not written where it says so already: that would wait for all of this leader's own that is under way.
                row = connection.execute(NUMBER).fetchone()
                if row is None or row[0] != fence.number:
                    row = connection.execute(LEAD, (fence.number, fence.holder, fence.number)).fetchone()
            if row is None:
                raise Deposed("a later leader writes to the database")
            self._led = fence.number

    def snapshot(self, roles: tuple[str, ...], databases: tuple[str, ...], member_of: tuple[str, str]) -> Snapshot:
        """Return what there is of these roles and databases, and whether the second role is a member of the first."""
        with self._connection() as connection:
            found = connection.execute(ROLES, (list(roles),)).fetchall()
            rows = connection.execute(DATABASES, (list(databases),)).fetchall()
            member = connection.execute(MEMBERSHIP, member_of).fetchone()
        return Snapshot(
            {name: RoleFact(mark, can_login, left) for name, can_login, mark, left in found},
            {name: DatabaseFact(owner, mark, open_to_all) for name, owner, mark, open_to_all in rows},
            bool(member and member[0]),
        )

    def expired(self, mark: str) -> dict[str, str]:
        """Return the closed roles whose time is over and whose comments begin so; raises DatabaseUnavailable."""
        with self._connection() as connection:
            return dict(connection.execute(EXPIRED, (mark,)).fetchall())

    def can_log_in(self, role: str, password: str, database: str) -> bool:
        """Tell whether a role gets in with a password; raises DatabaseUnavailable when that cannot be said."""
        try:
            with psycopg.connect(
                self.url, user=role, password=password, dbname=database, connect_timeout=LOGIN_PATIENCE, **LIVELY
            ):
                return True
        except psycopg.OperationalError as error:
            # Before a login the server's words are all there is: psycopg has no code for them.
            if FULL in str(error):
                return True  # the server counts connections once the password was right
            if any(said in str(error) for said in REFUSED):
                return False
            raise _unavailable(error) from None

    def perform(self, effect: DatabaseEffect, fence: Fence) -> None:
        """Carry out one effect as the leader of that number; raises Deposed, DatabaseUnavailable."""
        match effect:
            case effects.CreateDatabase():
                self._create_database(effect, fence)
            case effects.DropDatabase(retired):
                self._drop_database(retired, fence)
            case effects.ExpireDatabase():
                self._expire(effect, fence)
            case _:
                with self._fenced(fence) as connection:
                    change(connection, effect)

    def close(self) -> None:
        """Close what is open and idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _create_database(self, effect: effects.CreateDatabase, fence: Fence) -> None:
        """Make a database while the fence is held on a second connection; that it exists already is fine."""
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
        with self._beside(fence) as connection, contextlib.suppress(psycopg.errors.DuplicateDatabase):
            connection.execute(create.format(sql.Identifier(effect.name), sql.Identifier(effect.owner)))

    def _drop_database(self, retired: str, fence: Fence) -> None:
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(retired))
        with self._beside(fence) as connection:
            connection.execute(drop)

    def _expire(self, effect: effects.ExpireDatabase, fence: Fence) -> None:
        """Drop what an earlier try left, then the database, then the roles; whoever opens it again is not robbed."""
        self._drop_database(effect.retired, fence)
        with self._fenced(fence) as connection:
            if not is_expired(connection, effect):
                return
            retire(connection, effect.name, effect.owner, effect.retired)
        self._drop_database(effect.retired, fence)
        with self._fenced(fence) as connection:
            if is_expired(connection, effect):
                for role in (effect.login, effect.owner):
                    change(connection, effects.DropRole(role, effect.mark))

    @contextlib.contextmanager
    def _beside(self, fence: Fence) -> "Iterator[psycopg.Connection[Any]]":
        """Open a connection outside of the transaction that holds the fence; only one caller at a time has two."""
        with self._second, self._fenced(fence), self._connection() as connection:
            yield connection

    @contextlib.contextmanager
    def _fenced(self, fence: Fence) -> "Iterator[psycopg.Connection[Any]]":
        """Open a transaction in which this leader's number is still the highest.

        The fence goes with the server that holds it: one that came in its place, or back from a backup, is led anew.
        """
        if self._led != fence.number:
            self.lead(fence)
        with contextlib.ExitStack() as held:
            try:
                connection = held.enter_context(self._locked(fence))
            except _Unled:
                self._led = NEVER
                self.lead(fence)
                connection = held.enter_context(self._locked(fence))
            yield connection

    @contextlib.contextmanager
    def _locked(self, fence: Fence) -> "Iterator[psycopg.Connection[Any]]":
        """Open a transaction that holds the fence; raises _Unled where there is none, or a lower number in it."""
        with self._connection() as connection, connection.transaction():
            try:
                row = connection.execute(f"{NUMBER} FOR SHARE").fetchone()
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
                raise _Unled("the database server did not do it", why=_said(error)) from None
            if row is None or row[0] < fence.number:
                raise _Unled("the database server did not do it", why="it lost the number of the operator that leads")
            if row[0] > fence.number:
                raise Deposed("a later leader writes to the database")
            yield connection

    @contextlib.contextmanager
    def _connection(self) -> "Iterator[psycopg.Connection[Any]]":
        if not self._free.acquire(timeout=PATIENCE):
            raise DatabaseUnavailable("the database server is busy", why="all of the operator's connections are in use")
        connection = None
        try:
            connection = self._take()
            yield connection
            with self._lock:
                self._idle.append(connection)
            connection = None
        except psycopg.Error as error:
            raise _unavailable(error) from None
        finally:
            if connection is not None:
                connection.close()  # whatever state it is in, the next one begins afresh
            self._free.release()

    def _take(self) -> "psycopg.Connection[Any]":
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return psycopg.connect(
                    self.url,
                    autocommit=True,
                    connect_timeout=LOGIN_PATIENCE,
                    options=SESSION,
                    row_factory=tuple_row,
                    **LIVELY,
                )
            try:
                connection.execute("SELECT 1")
                return connection
            except psycopg.Error:
                connection.close()


FULL: Final = "too many connections for "  # a role, or a database, that has a limit of its own
REFUSED: Final = ("password authentication failed", "is not permitted to log in", "does not exist", "no password")


def _unavailable(error: psycopg.Error) -> DatabaseUnavailable:
    return DatabaseUnavailable("the database server did not do it", why=_said(error))


def _said(error: psycopg.Error) -> str:
    """Keep the server's own first words and nothing of the statement, which may hold a verifier.

    Nor the number that a database has in its folder: it is another one at each try to make it.
    """
    words = error.diag.message_primary or str(error).partition("\n")[0]
    return re.sub(r"(?<=\bbase/)\d+", "…", words)[:300]
