"""What all values of kilter have in common."""

import pytest

from kilter.values import Credentials, Value


class Point(Value, frozen=True):
    """A value with something to hide."""

    x: int
    secret: str = "s3cret"
    inner: "Point | None" = None

    hidden = ("secret",)


def test_a_value_shows_all_of_its_fields_but_the_hidden_ones() -> None:
    assert repr(Point(1, inner=Point(2))) == "Point(x=1, inner=Point(x=2, inner=None))"


@pytest.mark.requirement("C16")
def test_a_password_is_never_shown() -> None:
    assert repr(Credentials("shop", "s3cret", "db")) == "Credentials(user='shop', database='db')"


def test_hidden_fields_count_when_values_are_compared() -> None:
    assert Point(1) == Point(1)
    assert Point(1) != Point(1, "other")
    assert len({Point(1), Point(1), Point(1, "other")}) == 2


def test_a_value_never_changes() -> None:
    with pytest.raises(AttributeError):
        Point(1).x = 2  # type: ignore[misc]
