import pytest
from fakes import MemoryCache, MemoryOrders, MemoryQueue
from fastapi.testclient import TestClient
from shop.greeting import GREETING

TEA = {"item": "tea", "quantity": 2}


def test_an_order_is_stored_and_queued(client: TestClient, orders: MemoryOrders, queue: MemoryQueue) -> None:
    answer = client.post("/orders", json=TEA)
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/orders/1"
    assert answer.json() | {"placed_at": None} == {
        "id": 1,
        "item": "tea",
        "quantity": 2,
        "status": "placed",
        "placed_at": None,
        "handled_at": None,
    }
    assert orders.rows[1].item == "tea"
    assert queue.waiting == [1]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"item": "tea"},
        {"item": "", "quantity": 1},
        {"item": "   ", "quantity": 1},
        {"item": "x" * 81, "quantity": 1},
        {"item": "nul\x00", "quantity": 1},
        {"item": 7, "quantity": 1},
        {"item": "tea", "quantity": 0},
        {"item": "tea", "quantity": 101},
        {"item": "tea", "quantity": "2"},
        {"item": "tea", "quantity": 2.0},
        {"item": "tea", "quantity": True},
        {"item": "tea", "quantity": 2, "price": 1},
        [],
    ],
)
def test_an_invalid_order_is_refused_and_leaves_no_trace(
    client: TestClient, orders: MemoryOrders, queue: MemoryQueue, body: object
) -> None:
    assert client.post("/orders", json=body).status_code == 422
    assert not orders.rows
    assert not queue.waiting


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"item": "\\ud800", "quantity": 1}', b'{"item": "tea", "quantity": NaN}']
)
def test_a_body_that_cannot_be_echoed_is_still_refused_politely(client: TestClient, body: bytes) -> None:
    answer = client.post("/orders", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_spaces_around_an_item_are_dropped(client: TestClient) -> None:
    assert client.post("/orders", json={"item": "  green tea ", "quantity": 1}).json()["item"] == "green tea"


def test_an_order_is_taken_while_the_queue_is_away(
    client: TestClient, orders: MemoryOrders, queue: MemoryQueue
) -> None:
    queue.down = True
    assert client.post("/orders", json=TEA).status_code == 201
    assert list(orders.rows) == [1]


def test_only_a_handled_order_is_cached(client: TestClient, orders: MemoryOrders) -> None:
    client.post("/orders", json=TEA)
    assert [client.get("/orders/1").headers["X-Cache"] for _ in range(2)] == ["miss", "miss"]
    orders.mark_handled(1)
    answers = [client.get("/orders/1") for _ in range(2)]
    assert [answer.headers["X-Cache"] for answer in answers] == ["miss", "hit"]
    assert answers[0].json() == answers[1].json()
    assert answers[1].json()["status"] == "handled"


def test_an_order_is_shown_while_the_cache_is_away(
    client: TestClient, orders: MemoryOrders, cache: MemoryCache
) -> None:
    client.post("/orders", json=TEA)
    orders.mark_handled(1)
    cache.down = True
    assert client.get("/orders/1").json()["status"] == "handled"


def test_an_unknown_order_is_not_found(client: TestClient) -> None:
    answer = client.get("/orders/999")
    assert (answer.status_code, answer.json()) == (404, {"detail": "there is no order 999"})


@pytest.mark.parametrize("number", ["0", "-1", "tea", str(2**63)])
def test_a_number_that_no_order_can_have_is_refused(client: TestClient, number: str) -> None:
    assert client.get(f"/orders/{number}").status_code == 422


def test_orders_are_listed_newest_first(client: TestClient) -> None:
    for _ in range(3):
        client.post("/orders", json=TEA)
    assert [order["id"] for order in client.get("/orders").json()] == [3, 2, 1]
    assert [order["id"] for order in client.get("/orders?limit=1").json()] == [3]
    assert client.get("/orders?limit=0").status_code == 422


def test_health_names_each_service(client: TestClient, orders: MemoryOrders, queue: MemoryQueue) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"postgres": "ok", "redis": "ok"})
    queue.down = True
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"postgres": "ok", "redis": "unavailable"})
    orders.down, queue.down = True, False
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"postgres": "unavailable", "redis": "ok"})


def test_without_a_database_the_answer_says_so(client: TestClient, orders: MemoryOrders) -> None:
    orders.down = True
    answer = client.get("/orders")
    assert (answer.status_code, answer.json()) == (503, {"detail": "postgres is not available"})


def test_the_greeting_is_plain_text(client: TestClient) -> None:
    answer = client.get("/greeting")
    assert answer.text == GREETING
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_page_shows_the_greeting_and_the_orders(client: TestClient) -> None:
    assert "No orders yet." in client.get("/").text
    client.post("/orders", json={"item": "<b>tea</b>", "quantity": 2})
    page = client.get("/").text
    assert GREETING in page
    assert "&lt;b&gt;tea&lt;/b&gt;" in page
    assert "<b>tea</b>" not in page


def test_the_form_places_an_order_and_goes_back_to_the_page(client: TestClient, orders: MemoryOrders) -> None:
    answer = client.post("/", data={"item": "tea", "quantity": "3"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert orders.rows[1].quantity == 3


def test_the_form_says_what_is_wrong(client: TestClient, orders: MemoryOrders) -> None:
    answer = client.post("/", data={"item": "tea", "quantity": "many"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "quantity" in answer.text
    assert not orders.rows
