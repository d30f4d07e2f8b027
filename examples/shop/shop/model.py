"""Orders: what a customer may ask for, and what becomes of it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Status = Literal["placed", "handled"]


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not contain control characters")
    return text


Item = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80), AfterValidator(_printable)]
Quantity = Annotated[int, Field(ge=1, le=100)]


class NewOrder(BaseModel):
    """An order as a customer sends it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    item: Item
    quantity: Quantity


class Order(BaseModel):
    """An order as the shop knows it."""

    model_config = ConfigDict(frozen=True)

    id: int
    item: str
    quantity: int
    status: Status
    placed_at: datetime
    handled_at: datetime | None


def receipt(order: Order) -> str:
    """Text that the worker leaves for the customer; the same order always gives the same text."""
    return f"Order {order.id}: {order.quantity} x {order.item}"
