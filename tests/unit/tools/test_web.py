"""Addresses that nobody can ask, said before any connection is made; and answers that are none."""

import io
import urllib.request
from http.client import HTTPResponse
from typing import Any

import pytest

from kilter.errors import BadInput
from kilter.tools.web import open_url

TOOL = "https://dl.example.com/kind"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refused(url: str) -> BadInput:
    with pytest.raises(BadInput) as caught, open_url(url, 0, 1.0):
        pass
    return caught.value


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("proxy", ["http://proxy:abc", "http://user:secret@proxy:abc/", "proxy:abc"])
def test_a_proxy_that_is_no_address_is_named(name: str, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy)
    error = refused(TOOL)
    assert error.what == "the proxy proxy:abc is no address"
    assert "HTTPS_PROXY" in error.hint


@pytest.mark.parametrize(
    "url", ["https://mirror/my tools/kind", "https://mirror:abc/kind", "https://mirror/tööls/kind", "https://[::1/kind"]
)
def test_a_mirror_that_is_no_address_is_named(url: str) -> None:
    error = refused(url)
    assert error.what == f"{url} is no address"
    assert "KILTER_TOOLS_MIRROR" in error.hint


@pytest.mark.requirement("C16")
@pytest.mark.parametrize("login", ["me:s3cr3t", "me:s3/cr3t", "s3cr3t"])
def test_the_login_of_a_mirror_that_is_no_address_is_not_shown(login: str) -> None:
    error = refused(f"https://{login}@mirror:abc/kind")
    assert error.what in ("https://mirror:abc/kind is no address", "https://***@mirror:abc/kind is no address")
    assert "s3" not in error.why


class Said:
    """A connection from which there is nothing more to come than these bytes."""

    def __init__(self, said: bytes) -> None:
        self.said = said

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self.said)


def answering(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    def answer(*_: object, **__: object) -> HTTPResponse:
        sock: Any = Said(said)
        response = HTTPResponse(sock)
        response.begin()
        return response

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", answer)


@pytest.mark.parametrize(
    "said",
    [b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 " + b"a" * 70_000, b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"],
)
def test_what_answers_in_no_http_is_a_broken_connection(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, said)
    with pytest.raises(ConnectionError, match="no HTTP"), open_url(TOOL, 0, 1.0):
        pass


@pytest.mark.parametrize("length", ["abc", "5, 5", "-5"])
def test_a_length_that_is_no_number_is_an_unknown_one(length: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello".encode())
    with open_url(TOOL, 0, 1.0) as answer:
        assert (answer.start, answer.size, b"".join(answer.body)) == (0, 0, b"hello")
