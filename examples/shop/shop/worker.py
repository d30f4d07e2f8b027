"""The worker process: takes orders from the queue and handles them, each at least once."""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from shop import redis_store
from shop.database import PostgresOrders
from shop.ports import Orders, Queue, Receipts, Unavailable
from shop.settings import MissingVariable, Settings, configure_logging
from shop.startup import wait_for
from shop.stopping import StopRequest

POLL = 1.0  # seconds; also the longest that an idle worker needs to notice that it should stop
FORGOTTEN_AFTER = 5.0
GAVE_UP = 75  # EX_TEMPFAIL: nothing is wrong here, start me again

log = logging.getLogger("shop.worker")


class Worker:
    """Handles orders until asked to stop.

    Every part of handling may be repeated, and the queue forgets an order only afterwards, so a worker may be killed
    at any point. Orders that never reached the queue are found in the database.
    """

    def __init__(self, orders: Orders, queue: Queue, receipts: Receipts) -> None:
        self._orders = orders
        self._queue = queue
        self._receipts = receipts

    def run(self, stopping: Callable[[], bool], sleep: Callable[[float], None] = time.sleep) -> None:
        """Work until `stopping`; the order in hand is finished first."""
        while not stopping():
            try:
                self.step()
            except Unavailable as error:
                log.warning("trying again in %.0f s (%s)", POLL, error)
                sleep(POLL)

    def step(self) -> None:
        """Handle one order, or look for forgotten ones when there is none."""
        if delivery := self._queue.take(wait=POLL):
            self.handle(delivery.order_id)
            self._queue.confirm(delivery)
        elif self._queue.is_empty():
            self.remember_forgotten()

    def handle(self, order_id: int) -> None:
        """Leave the receipt, then mark the order: whoever sees it handled also finds the receipt."""
        order = self._orders.find(order_id)
        if order is None:
            log.warning("order %d is not in the database; dropped from the queue", order_id)
            return
        self._receipts.write(order)
        self._orders.mark_handled(order_id)
        log.info("handled order %d", order_id)

    def remember_forgotten(self) -> None:
        """Queue the orders that wait although the queue is empty: Redis was away or empty when they were placed."""
        for order_id in self._orders.forgotten(older_than=FORGOTTEN_AFTER, limit=100):
            log.warning("order %d was not in the queue; queued again", order_id)
            self._queue.push(order_id)


def work(stop: StopRequest) -> int:
    """Run a worker on the real services and return the exit code."""
    settings = Settings.read()
    orders = PostgresOrders(settings.database_url)
    client = redis_store.connect(settings.redis_url)
    queue = redis_store.RedisQueue(client)
    try:
        for service, prepare in (("postgres", orders.prepare), ("redis", queue.prepare)):
            if not wait_for(service, prepare, stopping=stop.is_set):
                return 0 if stop.is_set() else GAVE_UP
        log.info("ready for orders")
        Worker(orders, queue, redis_store.RedisReceipts(client)).run(stop.is_set)
        log.info("stopped")
        return 0
    finally:
        client.close()
        orders.close()


def main() -> int:
    """Start the worker, under a reloader if SHOP_RELOAD=1, and return the exit code."""
    configure_logging()
    stop = StopRequest()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    if os.environ.pop("SHOP_RELOAD", "") == "1":
        from shop.reload import run_reloading

        return run_reloading([sys.executable, "-m", "shop.worker"], stop, restart_on=GAVE_UP)
    try:
        return work(stop)
    except MissingVariable as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
