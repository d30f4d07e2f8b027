"""The shop's services in memory; each can be switched off."""

from datetime import UTC, datetime

from shop.model import NewOrder, Order
from shop.ports import Delivery, Unavailable


class Switch:
    """Something that is there until `down` is set."""

    name = ""

    def __init__(self) -> None:
        self.down = False

    def prepare(self) -> None:
        self.check()

    def check(self) -> None:
        if self.down:
            raise Unavailable(self.name, "switched off")


class MemoryOrders(Switch):
    name = "postgres"

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, Order] = {}

    def place(self, new: NewOrder) -> Order:
        self.check()
        number = len(self.rows) + 1
        self.rows[number] = Order(
            id=number,
            item=new.item,
            quantity=new.quantity,
            status="placed",
            placed_at=datetime.now(UTC),
            handled_at=None,
        )
        return self.rows[number]

    def find(self, order_id: int) -> Order | None:
        self.check()
        return self.rows.get(order_id)

    def recent(self, limit: int) -> list[Order]:
        self.check()
        return sorted(self.rows.values(), key=lambda order: -order.id)[:limit]

    def mark_handled(self, order_id: int) -> None:
        self.check()
        order = self.rows[order_id]
        if order.status == "placed":
            self.rows[order_id] = order.model_copy(update={"status": "handled", "handled_at": datetime.now(UTC)})

    def forgotten(self, older_than: float, limit: int) -> list[int]:
        self.check()
        return [order.id for order in self.rows.values() if order.status == "placed"][:limit]


class MemoryQueue(Switch):
    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[int] = []
        self.in_hand: dict[str, int] = {}
        self.tickets = 0

    def push(self, order_id: int) -> None:
        self.check()
        self.waiting.append(order_id)

    def take(self, wait: float) -> Delivery | None:
        self.check()
        if not self.waiting:
            return None
        self.tickets += 1
        delivery = Delivery(str(self.tickets), self.waiting.pop(0))
        self.in_hand[delivery.ticket] = delivery.order_id
        return delivery

    def confirm(self, delivery: Delivery) -> None:
        self.check()
        del self.in_hand[delivery.ticket]

    def is_empty(self) -> bool:
        self.check()
        return not self.waiting and not self.in_hand

    def abandon(self) -> None:
        """Put what is in hand back, as the real queue does after a while."""
        self.waiting = [*self.in_hand.values(), *self.waiting]
        self.in_hand.clear()


class MemoryCache(Switch):
    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.copies: dict[int, Order] = {}

    def get(self, order_id: int) -> Order | None:
        self.check()
        return self.copies.get(order_id)

    def put(self, order: Order) -> None:
        self.check()
        self.copies[order.id] = order


class MemoryReceipts(Switch):
    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[int, Order] = {}

    def write(self, order: Order) -> None:
        self.check()
        self.written[order.id] = order
