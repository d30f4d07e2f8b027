from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from fakes import MemoryCache, MemoryOrders, MemoryQueue, MemoryReceipts
from fastapi.testclient import TestClient
from shop.web import Shop, create_app


@pytest.fixture
def orders() -> MemoryOrders:
    return MemoryOrders()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def receipts() -> MemoryReceipts:
    return MemoryReceipts()


@pytest.fixture
def client(orders: MemoryOrders, queue: MemoryQueue, cache: MemoryCache) -> Iterator[TestClient]:
    app = create_app(lambda: nullcontext(Shop(orders, queue, cache)))
    with TestClient(app, follow_redirects=False) as client:
        yield client
