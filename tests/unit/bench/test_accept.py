"""What a hundred clients send, what they make of the answers, and how their times are summed up."""

import msgspec
import pytest

from bench.accept import LIMIT, PATTERNS, deploy, length, percentile, request, rows
from bench.process import Failed
from kilter.api.deploys import DeployRequest


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert percentile([7.0], 0.5) == 7.0


def test_what_is_asked_for_is_a_deploy() -> None:
    found = msgspec.convert(deploy(7), DeployRequest)
    assert found.image.startswith("registry.example.com/acme/app-7@sha256:")


def test_a_request_says_how_long_it_is() -> None:
    text = request("POST", "/x", "secret", {"a": 1})
    head, _, body = text.partition(b"\r\n\r\n")
    assert body == b'{"a": 1}'
    assert b"Content-Length: 8" in head
    assert b"Authorization: Bearer secret" in head
    assert request("GET", "/healthz") == b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_an_answer_says_how_long_it_is() -> None:
    assert length(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n") == 12
    with pytest.raises(Failed, match="Content-Length"):
        length(b"HTTP/1.1 200 OK\r\n\r\n")


def test_the_goal_is_that_of_95_in_100_and_each_round_is_a_value() -> None:
    slow, fast = [LIMIT * 2] * 10, [LIMIT / 2] * 10
    p50, p95, worst = rows(PATTERNS[0], [slow, fast, fast], [fast, fast, fast], "a note")
    assert (p50.verdict, p95.verdict, worst.verdict) == ("", "met", "")
    assert p95.sample.values == (LIMIT * 2, LIMIT / 2, LIMIT / 2)
    assert (p50.notes, p95.notes) == ((), ("a note",))
