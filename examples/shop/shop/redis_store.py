"""Queue, cache and receipts in Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from shop.model import Order, receipt
from shop.ports import Delivery, Unavailable

STREAM = "orders"
GROUP = "workers"
CONSUMER = "worker"  # shared by all workers: names of their own would pile up, one per pod that ever ran
ABANDONED_AFTER = 5.0  # seconds until an unconfirmed order is handed out again
CACHE_SECONDS = 30


def connect(url: str) -> Redis:
    """Make a client; it connects when it is first used."""
    return Redis.from_url(
        url, decode_responses=True, socket_timeout=3, socket_connect_timeout=3, retry=Retry(NoBackoff(), 1)
    )


class RedisQueue:
    """The `Queue` of production: a stream that a group of workers reads; confirmed entries are deleted."""

    def __init__(self, client: Redis) -> None:
        self._redis: Any = client

    def prepare(self) -> None:
        """Create stream and group."""
        with _unavailable():
            try:
                self._redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):
                    raise

    def check(self) -> None:
        """Return if Redis answers."""
        with _unavailable():
            self._redis.ping()

    def push(self, order_id: int) -> None:
        """Add an order."""
        with _unavailable():
            self._redis.xadd(STREAM, {"order": order_id})

    def take(self, wait: float) -> Delivery | None:
        """Hand out an order that another worker left unconfirmed, or the next one; None after so many seconds."""
        with _unavailable():
            try:
                return self._abandoned() or self._next(wait)
            except ResponseError as error:
                if "NOGROUP" not in str(error):
                    raise
        self.prepare()  # Redis came back empty
        return None

    def confirm(self, delivery: Delivery) -> None:
        """Forget an order that has been handled."""
        with _unavailable(), self._redis.pipeline(transaction=True) as both:
            both.xack(STREAM, GROUP, delivery.ticket)
            both.xdel(STREAM, delivery.ticket)
            both.execute()

    def is_empty(self) -> bool:
        """Tell whether no order is waiting and none is in hand."""
        with _unavailable():
            return bool(self._redis.xlen(STREAM) == 0)

    def _abandoned(self) -> Delivery | None:
        idle = int(ABANDONED_AFTER * 1000)
        entries = self._redis.xautoclaim(STREAM, GROUP, CONSUMER, min_idle_time=idle, count=1)[1]
        return _delivery(entries[0]) if entries else None

    def _next(self, wait: float) -> Delivery | None:
        streams = self._redis.xreadgroup(GROUP, CONSUMER, {STREAM: ">"}, count=1, block=int(wait * 1000))
        return _delivery(streams[0][1][0]) if streams else None


class RedisCache:
    """The `Cache` of production."""

    def __init__(self, client: Redis) -> None:
        self._redis: Any = client

    def get(self, order_id: int) -> Order | None:
        """Look one order up."""
        with _unavailable():
            text = self._redis.get(f"order:{order_id}")
        return Order.model_validate_json(text) if text else None

    def put(self, order: Order) -> None:
        """Keep a copy for a while."""
        with _unavailable():
            self._redis.set(f"order:{order.id}", order.model_dump_json(), ex=CACHE_SECONDS)


class RedisReceipts:
    """The `Receipts` of production."""

    def __init__(self, client: Redis) -> None:
        self._redis: Any = client

    def write(self, order: Order) -> None:
        """Leave the receipt of an order."""
        with _unavailable():
            self._redis.set(f"order:{order.id}:receipt", receipt(order))


def _delivery(entry: tuple[str, dict[str, str]]) -> Delivery:
    ticket, fields = entry
    return Delivery(ticket, int(fields["order"]))


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise Unavailable("redis", " ".join(str(error).split()) or type(error).__name__) from error
