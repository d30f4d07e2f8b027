"""What the shop needs from the services around it; tests put memory behind the same names."""

from dataclasses import dataclass
from typing import Protocol

from shop.model import NewOrder, Order


class Unavailable(Exception):
    """A service cannot answer at the moment."""

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} is not available: {reason}")
        self.service = service


@dataclass(frozen=True)
class Delivery:
    """An order's id handed out by the queue, to be confirmed once the order is handled."""

    ticket: str
    order_id: int


class Orders(Protocol):
    """The orders themselves; the only place where losing something would matter."""

    def prepare(self) -> None:
        """Create what is missing; safe to call again and from several processes at once."""

    def check(self) -> None:
        """Return if the service answers, raise `Unavailable` if not."""

    def place(self, new: NewOrder) -> Order:
        """Store a new order."""

    def find(self, order_id: int) -> Order | None:
        """Look one order up."""

    def recent(self, limit: int) -> list[Order]:
        """List the newest orders, newest first."""

    def mark_handled(self, order_id: int) -> None:
        """Mark an order as handled; an order that already is keeps its time."""

    def forgotten(self, older_than: float, limit: int) -> list[int]:
        """List orders that have been waiting for longer than so many seconds, oldest first."""


class Queue(Protocol):
    """Orders waiting for the worker; each is handed out until it is confirmed."""

    def prepare(self) -> None:
        """Create what is missing; safe to call again and from several processes at once."""

    def check(self) -> None:
        """Return if the service answers, raise `Unavailable` if not."""

    def push(self, order_id: int) -> None:
        """Add an order."""

    def take(self, wait: float) -> Delivery | None:
        """Hand out an order that another worker left unconfirmed, or the next one; None after so many seconds."""

    def confirm(self, delivery: Delivery) -> None:
        """Forget an order that has been handled."""

    def is_empty(self) -> bool:
        """Tell whether no order is waiting and none is in hand."""


class Cache(Protocol):
    """Copies of orders that will not change any more."""

    def get(self, order_id: int) -> Order | None:
        """Look one order up."""

    def put(self, order: Order) -> None:
        """Keep a copy for a while."""


class Receipts(Protocol):
    """What the customers get."""

    def write(self, order: Order) -> None:
        """Leave the receipt of an order; writing it twice changes nothing."""
