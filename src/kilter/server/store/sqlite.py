"""SQLite: one file, one connection, one thread; for a server of one replica."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Concatenate

from kilter.server.refusals import Unavailable
from kilter.server.store.engine import P, R, Row, Tx, Value
from kilter.server.store.migrate import migrate

# FULL: an accepted deploy survives a power cut, not only a crash of the process.
PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000")


class SqliteTx:
    """A transaction on the one connection; it has the whole file, so names need no locks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run a statement and return all its rows."""
        cursor = self._connection.execute(sql, values)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run a statement and return its first row."""
        return next(iter(self.rows(sql, *values)), None)

    def execute(self, sql: str, *values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        return self._connection.execute(sql, values).rowcount

    def later(self, sql: str, *values: Value) -> None:
        """Run a statement, at once: waiting would save nothing."""
        self._connection.execute(sql, values)

    def lock(self, name: str) -> None:
        """Nothing to do."""


class SqliteEngine:
    """The file, or `:memory:`."""

    shared = False

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the file and bring its schema up to date. Raises Unavailable, or SchemaTooNew."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open)

    async def run(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` as one transaction."""
        call = partial(self._run, partial(work, **kwargs), *args)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def look(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` without a transaction."""
        call = partial(self._look, partial(work, **kwargs), *args)
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def close(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _open(self) -> None:
        try:
            self._connection = sqlite3.connect(self._path, isolation_level=None)
            for pragma in PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise Unavailable(f"the store {self._path} cannot be opened: {error}") from error
        self._run(migrate)

    def _run(self, work: Callable[..., R], *args: object) -> R:
        with self._answering() as connection:
            connection.execute("BEGIN IMMEDIATE")
            result = work(SqliteTx(connection), *args)
            connection.execute("COMMIT")
            return result

    def _look(self, work: Callable[..., R], *args: object) -> R:
        with self._answering() as connection:
            return work(SqliteTx(connection), *args)

    @contextmanager
    def _answering(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection; what fails leaves no transaction. Raises Unavailable when it is closed, or fails."""
        connection = self._connection
        if connection is None:
            raise Unavailable("the store is closed")
        try:
            yield connection
        except BaseException as error:
            if connection.in_transaction:  # a full disk has ended it already
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise Unavailable(f"the store does not answer: {error}") from error
            raise

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
