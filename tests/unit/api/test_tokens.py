"""The format of tokens."""

from collections.abc import Callable

import pytest

from kilter.api import tokens


def test_a_minted_token_is_read_back() -> None:
    token = tokens.mint()
    assert tokens.parse(token.text) == token


def test_a_token_shows_no_secret() -> None:
    token = tokens.mint()
    assert token.secret not in repr(token)


def test_two_tokens_differ_in_id_and_secret() -> None:
    first, second = tokens.mint(), tokens.mint()
    assert first.id != second.id
    assert first.secret != second.secret


@pytest.mark.parametrize("damage", [lambda t: t[:-1], lambda t: t + "a", lambda t: "github" + t[6:], lambda _: ""])
def test_what_is_no_token_is_seen_without_asking_anybody(damage: Callable[[str], str]) -> None:
    """S1."""
    assert tokens.parse(damage(tokens.mint().text)) is None


def test_any_changed_character_is_noticed() -> None:
    """S1: the checksum covers id and secret."""
    text = tokens.mint().text
    for place in range(len(tokens.PREFIX), len(text)):
        changed = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        assert tokens.parse(changed) is None
