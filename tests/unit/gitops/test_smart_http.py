"""Which requests exist, how bodies are framed, and what git is told of a client's words."""

from email.message import Message
from io import BytesIO
from pathlib import Path

import pytest

from kilter.gitops.smart_http import BadRequest, answer, body, routes, variables
from kilter.gitops.tokens import Right

ROUTES = routes("flux.git")
FETCH = ROUTES["GET", "/flux.git/info/refs?service=git-upload-pack"]


def headers(*pairs: tuple[str, str]) -> Message:
    made = Message()
    for name, value in pairs:
        made[name] = value
    return made


def test_there_are_four_requests_and_two_of_them_write() -> None:
    assert {key: route.needs for key, route in ROUTES.items()} == {
        ("GET", "/flux.git/info/refs?service=git-upload-pack"): Right.READ,
        ("POST", "/flux.git/git-upload-pack"): Right.READ,
        ("GET", "/flux.git/info/refs?service=git-receive-pack"): Right.WRITE,
        ("POST", "/flux.git/git-receive-pack"): Right.WRITE,
    }


def test_git_is_told_the_path_by_the_server_and_not_by_the_client() -> None:
    assert variables(FETCH, Path("/data/flux.git"), headers()) == {
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": "/data",
        "PATH_INFO": "/flux.git/info/refs",
        "QUERY_STRING": "service=git-upload-pack",
        "REMOTE_ADDR": "",
        "REMOTE_USER": "kilter",
        "REQUEST_METHOD": "GET",
    }


@pytest.mark.parametrize(
    ("name", "value", "variable"),
    [
        ("Git-Protocol", "version=2", "GIT_PROTOCOL"),
        ("git-protocol", "version=2:object-format=sha1", "GIT_PROTOCOL"),
        ("Content-Encoding", "gzip", "HTTP_CONTENT_ENCODING"),
        ("Content-Type", "application/x-git-upload-pack-request", "CONTENT_TYPE"),
    ],
)
def test_git_is_told_what_it_needs_to_know(name: str, value: str, variable: str) -> None:
    assert variables(FETCH, Path("/x/y"), headers((name, value)))[variable] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [("Git-Protocol", "version=2\n"), ("Git-Protocol", "$(id)"), ("Content-Encoding", "br"), ("Content-Type", "a" * 90),
     ("X-Path-Info", "/etc"), ("Proxy", "http://evil")],
)  # fmt: skip
def test_git_is_not_told_anything_else(name: str, value: str) -> None:
    made = Message()
    made._headers = [(name, value)]  # type: ignore[attr-defined] # as a server hands them over, newline and all
    assert variables(FETCH, Path("/x/y"), made) == variables(FETCH, Path("/x/y"), headers())


@pytest.mark.parametrize(
    ("head", "sent", "read"),
    [
        ([], b"next request", b""),
        ([("Content-Length", "4")], b"bodynext", b"body"),
        ([("Transfer-Encoding", "chunked")], b"4\r\nbody\r\n0\r\n\r\nnext", b"body"),
        ([("Transfer-Encoding", "Chunked")], b"2;x=y\r\nbo\r\n2\r\ndy\r\n0\r\nTrailer: x\r\n\r\nnext", b"body"),
    ],
)
def test_a_body_is_read_to_its_end_and_no_further(head: list[tuple[str, str]], sent: bytes, read: bytes) -> None:
    stream = BytesIO(sent)
    assert b"".join(body(headers(*head), stream, 100)) == read
    assert stream.read() in (b"next", b"next request")


@pytest.mark.parametrize(
    ("head", "sent", "status"),
    [
        ([("Content-Length", "101")], b"", 413),
        ([("Content-Length", "-1")], b"", 400),
        ([("Content-Length", "x")], b"", 400),
        ([("Content-Length", "+4")], b"", 400),
        ([("Content-Length", "٤")], b"", 400),
        ([("Content-Length", "9" * 30)], b"", 400),
        ([("Content-Length", "4"), ("Content-Length", "4")], b"", 400),
        ([("Content-Length", "4"), ("Transfer-Encoding", "chunked")], b"", 400),
        ([("Transfer-Encoding", "gzip, chunked")], b"", 501),
        ([("Content-Length", "4")], b"bod", 400),
        ([("Transfer-Encoding", "chunked")], b"", 400),
        ([("Transfer-Encoding", "chunked")], b"x\r\n", 400),
        ([("Transfer-Encoding", "chunked")], b"-4\r\nbody", 400),
        ([("Transfer-Encoding", "chunked")], b"4\r\nbodyx", 400),
        ([("Transfer-Encoding", "chunked")], b"4\r\nbo", 400),
        ([("Transfer-Encoding", "chunked")], b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n", 413),
        ([("Transfer-Encoding", "chunked")], b"0\r\n" + b"a: b\r\n" * 100, 413),
        ([("Transfer-Encoding", "chunked")], b"fffffffffffffff\r\n", 413),
    ],
)
def test_a_body_that_is_too_large_or_badly_framed_is_refused(
    head: list[tuple[str, str]], sent: bytes, status: int
) -> None:
    with pytest.raises(BadRequest) as caught:
        b"".join(body(headers(*head), BytesIO(sent), 100))
    assert caught.value.status == status


def test_the_head_of_gits_answer_is_read() -> None:
    stream = BytesIO(b"Status: 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nrest")
    assert answer(stream) == (404, [("Content-Type", "text/plain")])
    assert stream.read() == b"rest"
    assert answer(BytesIO(b"Cache-Control: no-cache\r\n\r\n")) == (200, [("Cache-Control", "no-cache")])


@pytest.mark.parametrize("said", [b"", b"fatal: x", b"fatal: x\n", b"a" * 2000, b"Content-Type: x\r\n"])
def test_an_answer_without_a_head_is_a_bad_gateway(said: bytes) -> None:
    with pytest.raises(BadRequest) as caught:
        answer(BytesIO(said))
    assert caught.value.status == 502
