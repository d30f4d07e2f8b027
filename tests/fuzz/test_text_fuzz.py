"""Any text that is rendered is read again as it was."""

import ast

import yaml
from hypothesis import given
from hypothesis import strategies as st

from kilter.render.text import dump, starlark

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(TEXT, TEXT | st.booleans() | st.integers() | st.lists(TEXT, max_size=3), max_size=4))
def test_what_is_written_is_read_again(value: dict[str, object]) -> None:
    assert yaml.safe_load(dump(value)) == value


@given(TEXT)
def test_no_text_ends_a_string_of_a_tiltfile_early(text: str) -> None:
    assert ast.literal_eval(starlark(text)) == text
