import pytest
from fakes import MemoryOrders, MemoryQueue, MemoryReceipts
from shop.model import NewOrder, receipt
from shop.ports import Unavailable
from shop.worker import Worker


@pytest.fixture
def worker(orders: MemoryOrders, queue: MemoryQueue, receipts: MemoryReceipts) -> Worker:
    return Worker(orders, queue, receipts)


def place(orders: MemoryOrders, queue: MemoryQueue, count: int = 1) -> None:
    for _ in range(count):
        queue.push(orders.place(NewOrder(item="tea", quantity=2)).id)


def test_an_order_is_handled_and_gets_its_receipt(
    worker: Worker, orders: MemoryOrders, queue: MemoryQueue, receipts: MemoryReceipts
) -> None:
    place(orders, queue)
    worker.step()
    assert orders.rows[1].status == "handled"
    assert orders.rows[1].handled_at
    assert receipt(receipts.written[1]) == "Order 1: 2 x tea"
    assert queue.is_empty()


def test_the_order_in_hand_is_finished_before_stopping(
    worker: Worker, orders: MemoryOrders, queue: MemoryQueue
) -> None:
    place(orders, queue, 2)
    answers = iter([False, True])
    worker.run(lambda: next(answers))
    assert [order.status for order in orders.rows.values()] == ["handled", "placed"]
    assert queue.waiting == [2]
    assert not queue.in_hand


@pytest.mark.parametrize("missing", ["orders", "receipts"])
def test_an_order_is_not_confirmed_when_handling_fails(
    worker: Worker, orders: MemoryOrders, queue: MemoryQueue, receipts: MemoryReceipts, missing: str
) -> None:
    place(orders, queue)
    service = {"orders": orders, "receipts": receipts}[missing]
    service.down = True
    with pytest.raises(Unavailable):
        worker.step()
    assert list(queue.in_hand.values()) == [1]
    service.down = False
    queue.abandon()
    worker.step()
    assert orders.rows[1].status == "handled"
    assert queue.is_empty()


def test_handling_an_order_twice_changes_nothing(worker: Worker, orders: MemoryOrders, queue: MemoryQueue) -> None:
    place(orders, queue)
    worker.step()
    before = orders.rows[1]
    queue.push(1)
    worker.step()
    assert orders.rows[1] == before


def test_an_order_that_never_reached_the_queue_is_found(
    worker: Worker, orders: MemoryOrders, queue: MemoryQueue
) -> None:
    orders.place(NewOrder(item="tea", quantity=1))
    worker.step()
    assert queue.waiting == [1]
    worker.step()
    assert orders.rows[1].status == "handled"


def test_forgotten_orders_are_not_looked_for_while_another_worker_has_one_in_hand(
    worker: Worker, orders: MemoryOrders, queue: MemoryQueue
) -> None:
    place(orders, queue)
    queue.take(wait=0)
    worker.step()
    assert not queue.waiting


def test_an_order_without_a_row_is_dropped(worker: Worker, queue: MemoryQueue) -> None:
    queue.push(999)
    worker.step()
    assert queue.is_empty()


def test_the_worker_outlives_a_service_that_is_away(worker: Worker, orders: MemoryOrders, queue: MemoryQueue) -> None:
    place(orders, queue)
    queue.down = True
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        queue.down = len(pauses) < 3

    worker.run(lambda: orders.rows[1].status == "handled", sleep)
    assert len(pauses) == 3
