"""The databases themselves: transactions, versions of the schema, what happens when one is away."""

import asyncio
import hashlib
import json
import sqlite3
from pathlib import Path

import psycopg
import psycopg.errors
import pytest
from unit.server.conftest import Store
from unit.server.orders import NOON, order

from kilter.server.refusals import Unavailable
from kilter.server.store import deploys, environments
from kilter.server.store.engine import Tx
from kilter.server.store.migrate import SchemaTooNew, files, migrate, statements
from kilter.server.store.sqlite import SqliteEngine


def test_what_raises_changes_nothing(store: Store) -> None:
    def half(tx: Tx) -> None:
        deploys.accept(tx, order(), NOON)
        raise LookupError

    with pytest.raises(LookupError):
        store(half)
    assert store(environments.projects_after, "", "", 10) == []


def test_what_is_kept_for_later_is_done_before_the_next_statement_and_at_the_end(store: Store) -> None:
    def made(tx: Tx) -> int:
        tx.execute("CREATE TABLE kilter_probe (n INTEGER PRIMARY KEY)")
        tx.later("INSERT INTO kilter_probe (n) VALUES (?)", 1)
        tx.later("INSERT INTO kilter_probe (n) VALUES (?)", 2)
        before = tx.rows("SELECT n FROM kilter_probe ORDER BY n")
        tx.later("INSERT INTO kilter_probe (n) VALUES (?)", 3)
        assert tx.execute("UPDATE kilter_probe SET n = n + 10") == 3
        tx.later("INSERT INTO kilter_probe (n) VALUES (?)", 4)
        return len(before)

    def looked(tx: Tx) -> None:
        tx.later("UPDATE kilter_probe SET n = 5 WHERE n = 4")

    assert store(made) == 2
    store.runner.run(store.engine.look(looked))
    assert [row["n"] for row in store(lambda tx: tx.rows("SELECT n FROM kilter_probe ORDER BY n"))] == [5, 11, 12, 13]


@pytest.mark.parametrize("more", [0, 1], ids=["with the end", "before the next one"])
def test_what_is_kept_for_later_and_fails_undoes_all_of_it(store: Store, more: int) -> None:
    def doubled(tx: Tx) -> None:
        tx.execute("CREATE TABLE kilter_probe (n INTEGER PRIMARY KEY)")
        for _ in range(3):
            tx.later("INSERT INTO kilter_probe (n) VALUES (?)", 1)
        for _ in range(more):
            tx.rows("SELECT n FROM kilter_probe")

    for _ in range(2):  # the connection is as good as before
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
            store(doubled)
    assert len(store(lambda tx: [deploys.accept(tx, order(), NOON)])) == 1


def test_what_looks_keeps_no_transaction_open(store: Store) -> None:
    accepted = store(deploys.accept, order(), NOON).record
    look = store.engine.look
    assert store.runner.run(look(deploys.find, accepted.id)) == accepted
    if isinstance(store.engine, SqliteEngine):
        assert not store.runner.run(look(lambda tx: tx._connection.in_transaction))  # type: ignore[attr-defined]
    else:
        (one, two) = store.runner.run(look(lambda tx: [tx.row("SELECT txid_current() AS id") for _ in range(2)]))
        assert one != two


def test_the_schema_is_applied_once(store: Store) -> None:
    assert store(migrate) == store(migrate) == max(files())
    assert len(store(lambda tx: tx.rows("SELECT version FROM kilter_schema"))) == len(files())


def test_a_store_of_a_newer_server_is_refused(store: Store) -> None:
    """F39."""
    store(lambda tx: tx.execute("INSERT INTO kilter_schema (version, applied_at) VALUES (9999, 0)"))
    with pytest.raises(SchemaTooNew, match="9999"):
        store(migrate)


APPLIED = {  # a new version adds its own
    1: "964d523cfb21c599",
    2: "d64e8c68dfd9fb57",
    3: "05a0b5aafe7d9fc2",
    4: "c79f6b92fa999897",
    5: "b3feab556b5ac30a",
}


def test_what_a_version_of_the_schema_does_never_changes() -> None:
    """F39: stores of one version are all alike, so that the server before this one can go on with them."""
    found = {
        version: hashlib.sha256(json.dumps(statements(text)).encode()).hexdigest()[:16]
        for version, text in files().items()
    }
    assert found == APPLIED


def test_comments_of_a_schema_file_are_no_statements() -> None:
    assert statements("-- a; b\nCREATE TABLE x ( -- c; d\n y TEXT\n);\n\n;") == ["CREATE TABLE x (\n y TEXT\n)"]


def test_what_was_accepted_survives_the_process(tmp_path: Path) -> None:
    async def story() -> int:
        for _ in range(2):
            engine = SqliteEngine(tmp_path / "store.db")
            await engine.open()
            record = (await engine.run(deploys.accept, order(), NOON)).record
            await engine.close()
        return record.sequence

    assert asyncio.run(story()) == 2


def test_a_file_that_cannot_be_opened_is_an_answer_and_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        asyncio.run(SqliteEngine(tmp_path / "missing" / "store.db").open())


def test_a_file_that_somebody_else_holds_is_unavailable(tmp_path: Path) -> None:
    async def story() -> None:
        engine = SqliteEngine(tmp_path / "store.db")
        await engine.open()
        await engine.run(lambda tx: tx.execute("PRAGMA busy_timeout = 1"))
        other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            await engine.run(migrate)
        finally:
            other.close()
            await engine.close()

    with pytest.raises(Unavailable, match="locked"):
        asyncio.run(story())


def test_a_disk_that_fills_up_is_said_to_be_full_and_nothing_of_the_transaction_stays(tmp_path: Path) -> None:
    def fill(tx: Tx) -> None:
        tx.execute("CREATE TABLE filled (text)")
        for _ in range(100):
            tx.execute("INSERT INTO filled VALUES (?)", "x" * 4096)

    async def story() -> None:
        engine = SqliteEngine(tmp_path / "store.db")
        await engine.open()
        await engine.look(lambda tx: tx.rows("PRAGMA max_page_count = 100"))
        try:
            await engine.run(fill)
        finally:
            assert await engine.look(lambda tx: tx.rows("SELECT 1 FROM sqlite_master WHERE name = 'filled'")) == []
            await engine.close()

    with pytest.raises(Unavailable, match="disk is full"):
        asyncio.run(story())


def test_a_closed_store_is_unavailable(store: Store) -> None:
    async def story() -> None:
        engine = SqliteEngine(":memory:")
        for way in (engine.run, engine.look):
            with pytest.raises(Unavailable, match="closed"):
                await way(migrate)
        await engine.close()

    store.runner.run(story())


def test_a_database_that_is_away_is_unavailable_and_its_password_is_not_said() -> None:
    """S22, G5."""
    from kilter.server.store.postgres import PostgresEngine

    async def story() -> None:
        engine = PostgresEngine("postgresql://kilter:canary@127.0.0.1:1/kilter")
        try:
            await engine.open()
        finally:
            await engine.close()

    with pytest.raises(Unavailable) as caught:
        asyncio.run(story())
    assert "canary" not in repr(caught.value)
    assert "OperationalError" in str(caught.value)


class Emptied:
    """A connection to a database whose tables are gone, as after one that was lost and begun anew."""

    def cursor(self) -> "Emptied":
        return self

    def execute(self, sql: bytes, values: object = ()) -> "Emptied":
        if sql != b"BEGIN":
            raise psycopg.errors.UndefinedTable('relation "tokens" does not exist')
        return self

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.mark.parametrize("how", ["run", "look"])
def test_a_store_that_lost_its_tables_is_unavailable_and_says_what_brings_it_back(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform's database came back empty under a server that ran: no fault of the server's own."""
    from kilter.server.store.postgres import PostgresEngine

    monkeypatch.setattr(psycopg, "connect", lambda *_, **__: Emptied())

    async def story() -> None:
        engine = PostgresEngine("postgresql://kilter:canary@127.0.0.1:1/kilter")
        try:
            await getattr(engine, how)(lambda tx: tx.row("SELECT * FROM tokens"))
        finally:
            await engine.close()

    with pytest.raises(Unavailable, match=r'restore its backup; .* \(relation "tokens" does not exist\)'):
        asyncio.run(story())


@pytest.mark.may_skip
def test_connections_that_the_database_cut_are_made_anew(store: Store) -> None:
    """F35: a restart or a failover costs the requests at work, not the server."""
    if not store.engine.shared:
        pytest.skip("a file has no connections that could be cut")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    for _ in range(8):
        store(migrate)
    with pytest.raises(Unavailable):
        store(lambda tx: tx.rows(cut))
    assert [store(migrate) for _ in range(8)] == [max(files())] * 8


@pytest.mark.may_skip
def test_a_transaction_whose_connection_was_cut_before_its_end_is_unavailable_and_the_next_is_not(store: Store) -> None:
    """F35."""
    if not store.engine.shared:
        pytest.skip("a file has no connections that could be cut")

    def cut(tx: Tx) -> None:
        deploys.accept(tx, order(), NOON)
        tx.later("SELECT pg_terminate_backend(pg_backend_pid())")

    for _ in range(2):
        with pytest.raises(Unavailable):
            store(cut)
    assert store(environments.projects_after, "", "", 10) == []
    assert store(deploys.accept, order(), NOON).record.sequence == 1


@pytest.mark.may_skip
@pytest.mark.parametrize("way", ["run", "look"])
def test_connections_that_were_cut_while_nobody_asked_cost_nothing(
    store: Store, request: pytest.FixtureRequest, way: str
) -> None:
    """F35."""
    if not store.engine.shared:
        pytest.skip("a file has no connections that could be cut")
    import psycopg

    def version(tx: Tx) -> int:
        return int(tx.rows("SELECT max(version) AS version FROM kilter_schema")[0]["version"])

    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ask = getattr(store.engine, way)
    with psycopg.connect(request.getfixturevalue("postgres_dsn"), autocommit=True) as admin:
        for _ in range(8):
            assert store.runner.run(ask(version)) == max(files())
            assert admin.execute(f"SELECT pg_terminate_backend(pid, 5000) {others}").fetchall()


def test_what_a_look_cannot_read_is_not_read_again(store: Store) -> None:
    """It may have waited long; only a connection that is gone is a reason."""
    asked = list[str]()

    def fail(tx: Tx) -> None:
        asked.append("SELECT")
        tx.execute("SET statement_timeout = 1" if store.engine.shared else "SELECT * FROM nowhere")
        tx.rows("SELECT pg_sleep(1)")

    with pytest.raises(Unavailable):
        store.runner.run(store.engine.look(fail))
    assert len(asked) == 1


@pytest.mark.may_skip
def test_a_schema_with_the_name_of_the_role_hides_nothing(store: Store) -> None:
    """The operator keeps its fence in a schema `kilter` of the same database, which the role `kilter` owns."""
    if isinstance(store.engine, SqliteEngine):
        pytest.skip("a file has no schemas")
    store(lambda tx: tx.execute("CREATE SCHEMA IF NOT EXISTS AUTHORIZATION CURRENT_USER"))
    store(deploys.accept, order(), NOON)
    store(migrate)
    assert len(store(environments.projects_after, "", "", 10)) == 1
    store(lambda tx: tx.execute("CREATE TABLE kilter_probe (n INTEGER)"))
    found = store(lambda tx: tx.rows("SELECT schemaname FROM pg_tables WHERE tablename = 'kilter_probe'"))
    assert [row["schemaname"] for row in found] == ["public"]
