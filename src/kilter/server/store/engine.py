"""What a database must offer: run a function in one transaction, or let it look without one."""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
Row = dict[str, Any]
Value = str | int | None


class Tx(Protocol):
    """A transaction, or a look.

    Statements have `?` for parameters and are written in what SQLite and PostgreSQL share.
    """

    def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run a statement and return all its rows."""
        ...

    def row(self, sql: str, *values: Value) -> Row | None:
        """Run a statement and return its first row."""
        ...

    def execute(self, sql: str, *values: Value) -> int:
        """Run a statement and return how many rows it changed."""
        ...

    def later(self, sql: str, *values: Value) -> None:
        """Run a statement of which nobody asks how it went: before the next one, or at the end, which then fails."""
        ...

    def lock(self, name: str) -> None:
        """Hold a name until the end of the transaction; others who want it wait."""
        ...


class Engine(Protocol):
    """A database. Raises Unavailable when it does not answer."""

    shared: bool  # whether other replicas may write to it too

    async def run(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` as one transaction: all of it or, when it raises, nothing."""
        ...

    async def look(self, work: Callable[Concatenate[Tx, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `work(tx, …)` without a transaction, each statement for itself, twice where the connection is gone.

        For what reads, and may be done twice.
        """
        ...

    async def close(self) -> None:
        """Give up all connections."""
        ...
