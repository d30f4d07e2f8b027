"""Who may read and who may write."""

import base64
import os
from pathlib import Path

import pytest

from kilter.errors import BadInput, MachineLacks
from kilter.gitops.tokens import Right, TokenFile, line, parse

TOKENS = parse(f"# who may\n{line(Right.READ, 'reader')}\n{line(Right.WRITE, 'writer')}")


def basic(password: str, user: str = "kilter") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("Bearer reader", Right.READ),
        ("bearer  writer ", Right.WRITE),
        (basic("reader"), Right.READ),
        (basic("writer", user="anybody"), Right.WRITE),
        (basic("writer", user=""), Right.WRITE),
        ("", Right.NONE),
        ("Bearer", Right.NONE),
        ("Bearer ", Right.NONE),
        ("Bearer wrong", Right.NONE),
        ("Bearer readerwriter", Right.NONE),
        (basic(""), Right.NONE),
        ("Basic writer", Right.NONE),
        ("Basic !!!", Right.NONE),
        ("Basic " + base64.b64encode(b"writer").decode(), Right.NONE),
        ("Basic " + base64.b64encode(b"x:writer").decode()[:-1] + "!=", Right.NONE),
        ("Basic wr\u00efter", Right.NONE),
        ("Digest writer", Right.NONE),
        (basic("writer").replace("Basic", "Digest"), Right.NONE),
        ("writer", Right.NONE),
    ],
)
def test_a_header_gives_a_right(header: str, right: Right) -> None:
    assert TOKENS.right(header) is right


def test_write_includes_read_and_nothing_includes_neither() -> None:
    assert Right.NONE < Right.READ < Right.WRITE


def test_a_token_listed_twice_has_the_higher_right() -> None:
    assert parse(line(Right.READ, "x") + line(Right.WRITE, "x")).right("Bearer x") is Right.WRITE


@pytest.mark.requirement("B10")
def test_the_file_holds_hashes_alone_and_a_hash_is_no_token() -> None:
    text = line(Right.WRITE, "canary")
    assert "canary" not in text
    assert parse(text).right(f"Bearer {text.split(':')[1].strip()}") is Right.NONE


def test_no_token_at_all_lets_nobody_in() -> None:
    assert parse("").right("Bearer ") is Right.NONE


@pytest.mark.parametrize(
    "text", ["canary", "read canary", "admin sha256:" + "0" * 64, "read sha256:" + "0" * 63, "read sha1:ab"]
)
def test_a_line_that_is_none_is_named_by_its_number_and_not_shown(text: str) -> None:
    with pytest.raises(BadInput, match="line 2 ") as caught:
        parse(f"# tokens\n{text}\n")
    assert "canary" not in str(caught.value)


def test_a_renewed_token_counts_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(line(Right.READ, "old"))
    tokens = TokenFile(file)
    assert tokens.current().right("Bearer old") is Right.READ
    file.write_text(line(Right.READ, "new"))
    os.utime(file, ns=(1, 1))
    assert tokens.current().right("Bearer old") is Right.NONE
    assert tokens.current().right("Bearer new") is Right.READ


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="cannot read the tokens"):
        TokenFile(tmp_path / "none")
