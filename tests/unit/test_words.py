import re
import time
from itertools import product

import pytest

from kilter.words import (
    closest,
    counted,
    duration,
    escaped,
    human_duration,
    human_size,
    is_name,
    matches,
    nearest,
    quantity,
    shortened,
    slug_fault,
    valid_spelling,
)


@pytest.mark.requirement("NS-Q1")
@pytest.mark.parametrize("name", ["a", "shop", "my-app2", "a" * 42])
def test_names_within_the_rule_are_accepted(name: str) -> None:
    assert is_name(name)


@pytest.mark.requirement("NS-Q1", "C1", "C2", "C3")
@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "2a", "Shop", "a_b", "a" * 43, "a;touch x", "$(id)", "--config=x", "shоp", "a\n", "a\u200b", "é"],
)
def test_names_outside_the_rule_are_refused(name: str) -> None:
    assert not is_name(name)


@pytest.mark.requirement("NS-Q1")
@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("My Shop", "my-shop"),
        ("2nd_app", "nd-app"),
        ("été", "t"),
        ("💥", "app"),
        ("x" * 50, "x" * 42),
        ("a-" * 30, "a-" * 20 + "a"),
    ],
)
def test_a_refused_name_comes_with_a_valid_spelling(text: str, spelling: str) -> None:
    assert valid_spelling(text) == spelling
    assert is_name(valid_spelling(text))


@pytest.mark.requirement("DP-Q37")
@pytest.mark.parametrize(("text", "good"), [("a", True), ("my-shop-2", True), ("a" * 40, True), ("a" * 41, False)])
def test_names_on_the_platform_have_a_grammar_of_their_own(text: str, good: bool) -> None:
    assert (slug_fault(text, 40) == "") is good


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0.5s", 0.5)])
def test_durations_are_read_as_seconds(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "0s", "5 minutes", "1d"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it as 90s, 5m or 1h30m"):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4s"), (12.4, "12s"), (185, "3m 05s"), (7800, "2h 10m"), (400000, "4d")]
)
def test_durations_are_written_short(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "number"), [("256Mi", 268435456), ("500m", 0.5), ("2", 2), ("1G", 1e9), ("0.5Gi", 2**29)]
)
def test_quantities_are_read_as_numbers(text: str, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "lots", "1GB", "-1", "1 Gi", " 1Gi ", "１Gi", "٢"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (512, "512 B"), (1536, "1.5 KiB"), (280 * 2**20, "280 MiB"), (3 * 2**40, "3.0 TiB")]
)
def test_sizes_are_written_with_a_binary_unit(size: float, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.requirement("DP-Q38", "PP-Q29")
@pytest.mark.parametrize(
    ("patterns", "env", "chosen"),
    [
        (("*", "pr-*", "pr-7"), "pr-7", "pr-7"),
        (("pr-*-web", "pr-7"), "pr-7", "pr-7"),
        (("*", "pr-*"), "pr-8", "pr-*"),
        (("pr-?", "pr-*"), "pr-8", "pr-?"),
        (("pr-*", "pr-?"), "pr-8", "pr-?"),
        (("pr-?", "*"), "pr-81", "*"),
        (("pr-*",), "prod", None),
        ((), "prod", None),
    ],
)
def test_an_environment_goes_by_its_own_name_or_the_longest_pattern_whatever_the_order(
    patterns: tuple[str, ...], env: str, chosen: str | None
) -> None:
    assert closest(patterns, env) == chosen


def test_somebody_elses_text_becomes_one_line() -> None:
    assert shortened("  no\n\tnode  fits ") == "no node fits"
    assert shortened("abc def", 5) == "abc d"


def test_the_nearest_word_is_found_or_none() -> None:
    assert nearest("lgos", ["logs", "up"]) == "logs"
    assert nearest("xyz", ["logs", "up"]) is None


@pytest.mark.parametrize(
    ("glob", "text", "matching"),
    [
        ("*", "anything", True),
        ("pr-*", "pr-7", True),
        ("pr-*", "pr", False),
        ("a*b*c", "aXbYc", True),
        ("prod", "prod2", False),
        ("prod?", "prod2", False),
        ("*-x", "x", False),
    ],
)
def test_only_a_star_stands_for_other_characters(glob: str, text: str, matching: bool) -> None:
    assert matches(glob, text) is matching


def test_a_pattern_means_the_same_as_a_regular_expression_with_its_stars_alone() -> None:
    texts = ["".join(letters) for length in range(5) for letters in product("ab*", repeat=length)]
    for glob in ("".join(letters) for length in range(6) for letters in product("ab*", repeat=length)):
        meant = re.compile(re.escape(glob).replace(r"\*", ".*"))
        assert [text for text in texts if matches(glob, text)] == [text for text in texts if meant.fullmatch(text)]


@pytest.mark.requirement("S12")
def test_a_pattern_of_many_stars_costs_no_time() -> None:
    before = time.process_time()
    assert not matches("*a" * 17 + "*b", "a" * 40)
    assert time.process_time() - before < 1


@pytest.mark.requirement("C15")
@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\tb \u65e5\u672c\u3000\u8a9e\xa0\u202f", "a\tb \u65e5\u672c\u3000\u8a9e\xa0\u202f"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("\x1b[31m\r\x07", "\\x1b[31m\\r\\x07"),
        ("\u202egpj.exe", "\\u202egpj.exe"),  # turns the direction of what follows
        ("\u2028", "\\u2028"),
    ],
)
def test_the_text_of_every_script_is_shown_and_nothing_drives_the_terminal(text: str, written: str) -> None:
    assert escaped(text) == written


@pytest.mark.parametrize(("number", "words"), [(0, "0 restarts"), (1, "1 restart"), (11, "11 restarts")])
def test_one_thing_is_not_said_in_the_plural(number: int, words: str) -> None:
    assert counted(number, "restart") == words
