"""PostgreSQL: a connection per thread; for a server of several replicas."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from typing import Any, Concatenate, cast

import psycopg
from psycopg.rows import dict_row

from kilter.server.refusals import Unavailable
from kilter.server.store.doors import is_open, shut
from kilter.server.store.engine import P, R, Row, Tx, Value
from kilter.server.store.migrate import migrate

log = logging.getLogger("kilter.server")
TABLES_GONE = "the store has lost tables: restore its backup; if it is empty, a restart of kilter-server begins anew"
HINT = {"hint": "as its owner: REVOKE ALL ON DATABASE … FROM PUBLIC"}
THREADS = 4  # more of them wait for the interpreter: with 8, a hundred deploys at one instant take a sixth longer
# PostgreSQL looks first into a schema that bears the role's name: such a one, made later, would hide our tables.
# And nobody waits for ever behind a stuck transaction; in milliseconds.
OPTIONS = (
    "-c search_path=public -c lock_timeout=5000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=30000"
)
# Ends a connection that nothing answers on any more, because a node died. The first in milliseconds, others in seconds.
LIVELY: dict[str, Any] = {
    "tcp_user_timeout": 15000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
HOLD = b"SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
Connection = psycopg.Connection[dict[str, Any]]
Cursor = psycopg.Cursor[dict[str, Any]]


class PostgresTx:
    """A transaction at READ COMMITTED; what must not overlap holds a name."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._cursor = connection.cursor()  # one for all: making one costs a third of running a statement
        self._held = set[str]()
        self._later: list[tuple[bytes, tuple[Value, ...]]] = []

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run a statement and return all its rows."""
        return self._run(spelled(sql), values).fetchall()

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run a statement and return its first row."""
        return next(iter(self.rows(sql, *values)), None)

    def execute(self, sql: str, *values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        return self._run(spelled(sql), values).rowcount

    def later(self, sql: str, *values: Value) -> None:
        """Keep a statement until the next one, or the end."""
        self._later.append((spelled(sql), values))

    def lock(self, name: str) -> None:
        """Hold a name until the end of the transaction."""
        if name not in self._held:
            self._run(HOLD, (name,))
            self._held.add(name)

    def settle(self, *last: bytes) -> None:
        """Run what was kept, and these, in one exchange with the server: each costs as much as what is in it."""
        kept, self._later = [*self._later, *((sql, ()) for sql in last)], []
        if len(kept) < 2:
            for statement in kept:
                self._cursor.execute(*statement)
            return
        with self._connection.pipeline():
            for statement in kept:
                self._cursor.execute(*statement)

    def _run(self, sql: bytes, values: tuple[Value, ...]) -> Cursor:
        self.settle()
        return self._cursor.execute(sql, values)


class PostgresEngine:
    """A database named by a DSN, which may hold a password and is never shown."""

    shared = True

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="store")
        self._local = threading.local()
        self._open_connections: set[Connection] = set()

    async def open(self) -> None:
        """Connect, keep the logins of apps out, bring the schema up to date. Raises Unavailable, or SchemaTooNew."""
        # Without a name held: one that is to be shown out could hold it. Two servers at once get in each other's way,
        # and what one of them has done is enough.
        with suppress(psycopg.InternalError):
            await self.run(shut)
        if await self.run(is_open):
            log.warning("every login of the database server may open the store's database", extra={"facts": HINT})
        await self.run(migrate)

    async def run(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` as one transaction."""
        call = partial(self._run, partial(work, **kwargs), *args)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def look(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` without a transaction, and again on a new connection when the old one is gone."""
        call = partial(self._look, partial(work, **kwargs), *args)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
        for connection in self._open_connections:
            connection.close()

    def _run(self, work: Callable[..., R], *args: object) -> R:
        with self._answering(), self._begun() as tx:
            return work(tx, *args)

    def _look(self, work: Callable[..., R], *args: object) -> R:
        with self._answering():
            kept = self._kept
            if kept is not None:
                try:
                    return looked(kept, work, *args)
                except psycopg.OperationalError:
                    if not kept.broken:
                        raise
                    self._forget()
            return looked(self._connect(), work, *args)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Take a database that fails for one that is away, and its connection for lost. Raises Unavailable.

        One without our tables came back empty under us. Nobody makes them here: a backup may be on its way in, and its
        tables are to meet none.
        """
        try:
            yield
        except psycopg.errors.UndefinedTable as error:
            raise Unavailable(f"{TABLES_GONE} ({str(error).partition(chr(10))[0]})") from error
        except psycopg.OperationalError as error:
            self._forget()
            raise Unavailable(f"the store does not answer: {type(error).__name__}") from error

    @contextmanager
    def _begun(self) -> Iterator[PostgresTx]:
        """Yield a transaction, whose end goes to the server together with what was kept for it."""
        connection = self._begin()
        try:
            tx = PostgresTx(connection)
            yield tx
            tx.settle(b"COMMIT")
        except BaseException:
            try:
                connection.rollback()
            except psycopg.Error:
                self._forget()  # or the next transaction would go on with this one
            raise

    def _begin(self) -> Connection:
        """Begin a transaction on this thread's connection, on a new one when the old one turns out to be gone.

        Nothing has been done by then, so that nothing is done twice.
        """
        kept = self._kept
        if kept is not None:
            try:
                kept.execute(b"BEGIN")
            except psycopg.OperationalError:
                self._forget()
            else:
                return kept
        connection = self._connect()
        connection.execute(b"BEGIN")
        return connection

    def _connect(self) -> Connection:
        connection = cast(
            "Connection",
            psycopg.connect(
                self._dsn, autocommit=True, row_factory=dict_row, options=OPTIONS, connect_timeout=5, **LIVELY
            ),
        )
        self._local.connection = connection
        self._open_connections.add(connection)
        return connection

    def _forget(self) -> None:
        connection = self._kept
        if connection is not None:
            self._open_connections.discard(connection)
            connection.close()
            self._local.connection = None

    @property
    def _kept(self) -> Connection | None:
        """This thread's connection, which may be gone by now."""
        return getattr(self._local, "connection", None)


def looked(connection: Connection, work: Callable[..., R], *args: object) -> R:
    """Run `work(tx, …)` without a transaction."""
    tx = PostgresTx(connection)
    result = work(tx, *args)
    tx.settle()
    return result


@cache
def spelled(sql: str) -> bytes:
    """Write a statement as psycopg wants it; all statements are constants of this package, so they are few."""
    return sql.replace("%", "%%").replace("?", "%s").encode()
