"""The web process: takes orders and shows what became of them."""

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import ValidationError

from shop import redis_store
from shop.database import PostgresOrders
from shop.greeting import GREETING
from shop.model import NewOrder, Order
from shop.page import render
from shop.ports import Cache, Orders, Queue, Unavailable
from shop.settings import Settings, configure_logging
from shop.startup import wait_for

log = logging.getLogger("shop.web")
router = APIRouter()


@dataclass(frozen=True)
class Shop:
    """The services that the routes use."""

    orders: Orders
    queue: Queue
    cache: Cache


def _shop(request: Request) -> Shop:
    shop: Shop = request.app.state.shop
    return shop


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))


TheShop = Annotated[Shop, Depends(_shop)]
OrderId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.get("/", response_class=HTMLResponse)
def show_page(shop: TheShop) -> str:
    """Show the recent orders and a form for the next one."""
    return render(GREETING, shop.orders.recent(20))


@router.post("/", response_class=HTMLResponse)
def submit_form(shop: TheShop, form: Annotated[dict[str, str], Depends(_form)]) -> Response:
    """Take an order from the page's form."""
    try:
        new = NewOrder.model_validate_strings(form)
    except ValidationError as invalid:
        problems = [f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in invalid.errors()]
        return HTMLResponse(render(GREETING, shop.orders.recent(20), problems=problems), status_code=422)
    _place(shop, new)
    return RedirectResponse("/", status_code=303)


@router.get("/greeting", response_class=PlainTextResponse)
def show_greeting() -> str:
    """Answer with the line that a live update changes."""
    return GREETING


@router.get("/healthz")
def check_health(shop: TheShop, response: Response) -> dict[str, Literal["ok", "unavailable"]]:
    """Say of each service whether it answers; 503 if one does not."""
    health = {"postgres": _answers(shop.orders.check), "redis": _answers(shop.queue.check)}
    response.status_code = 503 if "unavailable" in health.values() else 200
    return health


@router.post("/orders", status_code=201)
def place_order(shop: TheShop, new: NewOrder, response: Response) -> Order:
    """Take an order; the worker handles it later."""
    order = _place(shop, new)
    response.headers["Location"] = f"/orders/{order.id}"
    return order


@router.get("/orders")
def list_orders(shop: TheShop, limit: Limit = 20) -> list[Order]:
    """List the newest orders, newest first."""
    return shop.orders.recent(limit)


@router.get("/orders/{order_id}")
def show_order(shop: TheShop, order_id: OrderId, response: Response) -> Order:
    """Show one order; the header X-Cache tells whether Redis had it."""
    if cached := _from_cache(shop.cache, order_id):
        response.headers["X-Cache"] = "hit"
        return cached
    response.headers["X-Cache"] = "miss"
    order = shop.orders.find(order_id)
    if order is None:
        raise HTTPException(404, f"there is no order {order_id}")
    if order.status == "handled":  # an order in any other state changes soon, and a copy of it would lie
        _to_cache(shop.cache, order)
    return order


def _place(shop: Shop, new: NewOrder) -> Order:
    order = shop.orders.place(new)
    try:
        shop.queue.push(order.id)
    except Unavailable as error:
        log.warning("order %d is stored but not queued; the worker will find it (%s)", order.id, error)
    return order


def _from_cache(cache: Cache, order_id: int) -> Order | None:
    try:
        return cache.get(order_id)
    except Unavailable as error:
        log.warning("answering without the cache (%s)", error)
        return None


def _to_cache(cache: Cache, order: Order) -> None:
    try:
        cache.put(order)
    except Unavailable as error:
        log.warning("order %d is not cached (%s)", order.id, error)


def _answers(check: Callable[[], None]) -> Literal["ok", "unavailable"]:
    try:
        check()
    except Unavailable as error:
        log.warning("%s", error)
        return "unavailable"
    return "ok"


def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Say what is wrong without echoing the input, which may be text that cannot be encoded."""
    assert isinstance(error, RequestValidationError)
    return JSONResponse({"detail": [{key: e[key] for key in ("loc", "msg", "type")} for e in error.errors()]}, 422)


def _unavailable(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Unavailable)
    log.error("%s", error)
    return JSONResponse({"detail": f"{error.service} is not available"}, 503)


@contextmanager
def open_shop() -> Iterator[Shop]:
    """Connect to the real services. They may come later: /healthz says which one is still missing."""
    configure_logging()
    settings = Settings.read()
    orders = PostgresOrders(settings.database_url)
    client = redis_store.connect(settings.redis_url)
    queue = redis_store.RedisQueue(client)
    leaving = threading.Event()
    waits = [
        threading.Thread(
            target=wait_for, args=(name, service.prepare), kwargs={"stopping": leaving.is_set}, daemon=True
        )
        for name, service in (("postgres", orders), ("redis", queue))
    ]
    for wait in waits:
        wait.start()
    try:
        yield Shop(orders, queue, redis_store.RedisCache(client))
    finally:
        leaving.set()
        client.close()
        orders.close()


def create_app(connect: Callable[[], AbstractContextManager[Shop]]) -> FastAPI:
    """Build the application around the services that `connect` gives."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with connect() as shop:
            app.state.shop = shop
            yield

    app = FastAPI(title="shop", lifespan=lifespan)
    app.include_router(router)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Unavailable, _unavailable)
    return app


app = create_app(open_shop)
