"""Schemas read the same whatever reads them, and whatever Python wrote them."""

from kilter.api.schema import portable


def test_a_pattern_ends_as_others_than_python_write_it() -> None:
    assert portable({"items": [{"pattern": r"^[a-z]+\Z"}]}) == {"items": [{"pattern": "^[a-z]+$"}]}


def test_a_description_is_not_indented_as_in_the_source() -> None:
    assert portable({"description": "One.\n\n    Two,\n    three."}) == {"description": "One.\n\nTwo,\nthree."}


def test_fields_of_these_names_are_fields() -> None:
    fields = {"properties": {"pattern": {"type": "string"}, "description": {"type": "string"}}}
    assert portable(fields) == fields
