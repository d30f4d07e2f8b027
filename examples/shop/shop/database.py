"""Orders in PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import Connection, Cursor
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from shop.model import NewOrder, Order
from shop.ports import Unavailable

TIMEOUT = 3
SCHEMA_LOCK = 0x73686F70  # "shop"
SCHEMA = """
create table if not exists orders (
    id         bigint generated always as identity primary key,
    item       text not null check (length(item) between 1 and 80),
    quantity   integer not null check (quantity between 1 and 100),
    status     text not null default 'placed' check (status in ('placed', 'handled')),
    placed_at  timestamptz not null default now(),
    handled_at timestamptz check ((status = 'handled') = (handled_at is not null))
);
create index if not exists orders_waiting on orders (placed_at) where status = 'placed';
"""


class PostgresOrders:
    """The `Orders` of production."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._prepared = False
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=8,
            timeout=TIMEOUT,
            open=False,
            check=ConnectionPool.check_connection,
            kwargs={"connect_timeout": TIMEOUT, "application_name": "shop"},
        )
        self._pool.open()

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()

    def prepare(self) -> None:
        """Create the table, one process at a time: `if not exists` alone does not keep two of them from colliding."""
        with _unavailable(), psycopg.connect(self._url, connect_timeout=TIMEOUT) as connection:
            connection.execute("select pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            connection.execute(SCHEMA)
        self._prepared = True

    def check(self) -> None:
        """Return if the database answers and has the table."""
        with self._connection() as connection:
            connection.execute("select from orders limit 1")

    def place(self, new: NewOrder) -> Order:
        """Store a new order."""
        with self._connection() as connection:
            return (
                _orders(connection)
                .execute("insert into orders (item, quantity) values (%s, %s) returning *", (new.item, new.quantity))
                .fetchall()[0]
            )

    def find(self, order_id: int) -> Order | None:
        """Look one order up."""
        with self._connection() as connection:
            return _orders(connection).execute("select * from orders where id = %s", (order_id,)).fetchone()

    def recent(self, limit: int) -> list[Order]:
        """List the newest orders, newest first."""
        with self._connection() as connection:
            return _orders(connection).execute("select * from orders order by id desc limit %s", (limit,)).fetchall()

    def mark_handled(self, order_id: int) -> None:
        """Mark an order as handled; an order that already is keeps its time."""
        with self._connection() as connection:
            connection.execute(
                "update orders set status = 'handled', handled_at = now() where id = %s and status = 'placed'",
                (order_id,),
            )

    def forgotten(self, older_than: float, limit: int) -> list[int]:
        """List orders that have been waiting for longer than so many seconds, oldest first."""
        query = """select id from orders where status = 'placed' and placed_at < now() - make_interval(secs => %s)
                   order by placed_at limit %s"""
        with self._connection() as connection:
            return [row[0] for row in connection.execute(query, (older_than, limit))]

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._prepared:
            self.prepare()
        try:
            with _unavailable(), self._pool.connection() as connection:
                yield connection
        except Unavailable:
            self._prepared = False  # what comes back may be another database: restored, or empty
            raise


def _orders(connection: Connection) -> Cursor[Order]:
    return connection.cursor(row_factory=class_row(Order))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise Unavailable("postgres", " ".join(str(error).split()) or type(error).__name__) from error
