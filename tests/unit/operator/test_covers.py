"""What counts as being there already: a field too many is the server's own, one that differs is somebody's."""

from typing import Any

import pytest

from kilter.operator.covers import covers


@pytest.mark.parametrize(
    ("observed", "wanted"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"a": {"b": [1, {"c": 2, "d": 3}]}}, {"a": {"b": (1, {"c": 2})}}),
        ({}, {"a": {}, "b": [], "c": None}),
        (None, {}),
        (None, []),
        ("1Gi", "1024Mi"),
        ({"cpu": "500m"}, {"cpu": "0.5"}),
        ([], []),
        (True, True),
    ],
)
def test_what_is_wanted_is_there_whatever_else_is(observed: Any, wanted: Any) -> None:
    assert covers(observed, wanted)


@pytest.mark.requirement("O6")
@pytest.mark.parametrize(
    ("observed", "wanted"),
    [
        ({"a": 2}, {"a": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, 2], [1]),
        ([1], [1, 2]),
        ([2, 1], [1, 2]),
        ([], [1]),
        (None, {"a": 1}),
        (None, [1]),
        ("text", {}),
        ("text", []),
        ({"a": 1}, [1]),
        ([1], {"a": 1}),
        ({}, []),
        ("1Gi", "1Mi"),
        ("text", "other"),
        ("1Gi", "other"),
        (1, "1"),
        ("1", 1),
        (None, "x"),
    ],
)
def test_what_differs_is_not_there(observed: Any, wanted: Any) -> None:
    assert not covers(observed, wanted)
