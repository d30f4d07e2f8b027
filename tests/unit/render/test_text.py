from collections.abc import Callable

import pytest
import yaml

from kilter.errors import BadInput
from kilter.render.changes import changes, unified
from kilter.render.text import dump, load_all, starlark


@pytest.mark.parametrize("text", ["a\nb", "a\n", "\n\x85", "a\n\u2028b", " a\nb", "a\r\nb"])
def test_every_line_break_is_read_as_it_was(text: str) -> None:
    assert yaml.safe_load(dump({"a": text})) == {"a": text}


@pytest.mark.parametrize(
    "text", ["1e3", "yes", "n", "null", "~", "0x1f", "1_000", "12:30", ".inf", "", "- a", "2026-01-01"]
)
def test_text_that_a_parser_could_take_for_something_else_is_quoted(text: str) -> None:
    assert dump({"a": text}, header="") == f'a: "{text}"\n'


@pytest.mark.parametrize("write", [starlark, lambda path: starlark([path]), lambda path: dump({"hostPath": path})])
def test_a_path_that_is_not_utf_8_is_named_for_no_tool_could_read_it(write: Callable[[str], str]) -> None:
    with pytest.raises(BadInput) as caught:
        write("/home/j\udcf6rg/shop")
    assert caught.value.what == "/home/j\\udcf6rg/shop is not written in UTF-8"


def test_a_date_in_a_chart_stays_the_text_it_was() -> None:
    assert load_all("a: 2026-01-01\n---\n---\nb: 1\n") == [{"a": "2026-01-01"}, {"b": 1}]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_without_end_is_refused_and_ends_no_process(opening: str) -> None:
    """libyaml recurses for each level, beyond its stack."""
    with pytest.raises(yaml.YAMLError, match="nested more than 1,000 levels deep"):
        load_all(f"a:\n  {opening * 100_000}")


def test_what_is_long_or_deep_in_reason_is_read() -> None:
    assert load_all("a: " + "[" * 900 + "]" * 900)
    assert load_all("a:\n" + "- {b: [c]}\n" * 2000) == [{"a": [{"b": ["c"]}] * 2000}]


@pytest.mark.requirement("CT-Q40")
def test_two_trees_are_compared_by_name_and_text() -> None:
    old, new = {"a": "1\n", "b": "1\n", "c": "1\n"}, {"b": "2\n", "c": "1\n", "d": "1\n"}
    found = changes(old, new)
    assert (found.added, found.changed, found.removed) == (("d",), ("b",), ("a",))
    assert found.names == ("a", "b", "d")
    assert not changes(new, new)
    assert "--- a/b\n+++ b/b\n@@ -1 +1 @@\n-1\n+2" in unified(old, new)
