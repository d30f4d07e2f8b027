"""What the server's tests share: a store on each database, and orders to put into it."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from unit.server.volume import Volume
from unit.server.web import Web, Webs

from kilter.server.store.engine import Engine
from kilter.server.store.sqlite import SqliteEngine

POSTGRES = os.environ.get("KILTER_TEST_POSTGRES", "")  # read here: tests themselves see no KILTER_ variables


class Store:
    """A database that plain functions can use."""

    def __init__(self, engine: Engine, runner: asyncio.Runner) -> None:
        self.engine, self.runner = engine, runner

    def __call__(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.runner.run(self.engine.run(work, *args, **kwargs))


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


async def sqlite() -> SqliteEngine:
    engine = SqliteEngine(":memory:")
    await engine.open()
    return engine


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """Make a database of our own on the server that the environment names, and drop it afterwards."""
    import psycopg
    from psycopg import conninfo, sql

    name = sql.Identifier(f"kilter_test_{os.getpid()}")
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield conninfo.make_conninfo(POSTGRES, dbname=name.as_string().strip('"'))
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


async def postgres(dsn: str) -> Engine:
    import psycopg

    from kilter.server.store.postgres import PostgresEngine

    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    engine = PostgresEngine(dsn)
    await engine.open()
    return engine


@pytest.fixture(params=["sqlite", *(["postgres"] if POSTGRES else [])])
def store(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Store]:
    opening = postgres(request.getfixturevalue("postgres_dsn")) if request.param == "postgres" else sqlite()
    engine = runner.run(opening)
    yield Store(engine, runner)
    runner.run(engine.close())


@pytest.fixture
def web(runner: asyncio.Runner) -> Iterator[Web]:
    found = Web(runner)
    yield found
    found.close()


@pytest.fixture
def webs(runner: asyncio.Runner) -> Iterator[Webs]:
    """Make applications with settings of their own, closed at the end of the test."""
    with ExitStack() as made:
        yield lambda settings: made.enter_context(closing(Web(runner, settings)))


@pytest.fixture(scope="module")
def shared_web(runner: asyncio.Runner) -> Iterator[Web]:
    """One application for tests that leave nothing behind that others could see."""
    found = Web(runner)
    yield found
    found.close()


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")
