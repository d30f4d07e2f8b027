"""Asking an address on localhost, against servers that a test plays over a pair of sockets."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from kilter.dev import probes
from kilter.dev.probes import Answer, probe
from kilter.values import Credentials

LOGIN = Credentials("shop", "secret", "shop")
Serve = Callable[..., list[bytes]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Let every connection lead to a server that hears one message and gives the answer; None keeps it silent."""
    opened: list[socket.socket] = []
    threads: list[threading.Thread] = []
    monkeypatch.setattr(probes, "PATIENCE", 0.1)

    def play(far: socket.socket, answer: bytes | None, heard: list[bytes], hears: bool) -> None:
        far.settimeout(2)
        try:
            if hears:
                heard.append(far.recv(65536))
            if answer is None:
                far.recv(1)
            else:
                far.sendall(answer)
        except OSError:
            pass
        finally:
            far.close()

    def install(answer: bytes | None, *, hears: bool = True) -> list[bytes]:
        heard: list[bytes] = []

        def connect(address: tuple[str, int], timeout: float) -> socket.socket:
            assert address[0] == "127.0.0.1"
            near, far = socket.socketpair()
            near.settimeout(timeout)
            opened.append(near)
            threads.append(threading.Thread(target=play, args=(far, answer, heard, hears), daemon=True))
            threads[-1].start()
            return near

        monkeypatch.setattr(socket, "create_connection", connect)
        return heard

    yield install
    for each in opened:
        each.close()
    for thread in threads:
        thread.join(3)


def test_redis_proves_its_owner_with_the_password(serve: Serve) -> None:
    heard = serve(b"+OK\r\n+PONG\r\n")
    assert probe("redis", 30000, LOGIN) == Answer(True, "accepts this project's login")
    assert heard == [b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*1\r\n$4\r\nPING\r\n"]


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"-WRONGPASS invalid username-password pair\r\n-NOAUTH Authentication required.\r\n", "WRONGPASS invalid"),
        (b"-ERR AUTH <password> called without any password configured\r\n+PONG\r\n", "ERR AUTH <password> called"),
        (b"+OK\r\n-LOADING Redis is loading the dataset in memory\r\n", "LOADING Redis is loading"),
        (b"", ""),
        (b"\xff\xfe\x00garbage\r\nmore\r\n", ""),
    ],
)
def test_redis_that_refuses_is_no_answer_of_ours(answer: bytes, detail: str, serve: Serve) -> None:
    serve(answer)
    found = probe("redis", 30000, LOGIN)
    assert not found.ok
    assert found.detail.startswith(detail)
    assert "secret" not in found.detail


def test_redis_without_a_login_answers_but_proves_nothing(serve: Serve) -> None:
    assert serve(b"+PONG\r\n") == []
    assert probe("redis", 30000, None) == Answer(True, "answers PING")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", Answer(True, "answers 200")),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Answer(True, "answers 503", is_error=True)),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Answer(True, "answers 404")),
        (b"HTTP/1.1\r\n", Answer(True, "answers ?")),
        (b"\x00\xff\x16 not http", Answer(True, "answers, though not in HTTP")),
        (b"", Answer(False, "the connection was closed without an answer")),
        (None, Answer(False, "no answer on port 30000 within 0.1s")),
    ],
)
def test_http_needs_a_byte_to_come_back(answer: bytes | None, expected: Answer, serve: Serve) -> None:
    heard = serve(answer)
    assert probe("http", 30000, None) == expected
    assert heard[0].startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"220 mail\r\n", Answer(True, "accepts connections")),
        (None, Answer(True, "accepts connections")),
        (b"", Answer(False, "the connection was closed at once")),
    ],
)
def test_tcp_needs_a_connection_that_stays(answer: bytes | None, expected: Answer, serve: Serve) -> None:
    serve(answer, hears=False)
    assert probe("tcp", 30000, LOGIN) == expected


def test_an_unknown_protocol_is_asked_as_tcp(serve: Serve) -> None:
    serve(None, hears=False)
    assert probe("amqp", 30000, None).detail == "accepts connections"


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400\r\n\r\n", b"", b"E\0\0\0\x0fMgo away\0\0\0"])
def test_postgres_that_does_not_let_us_in_is_no_answer_of_ours(answer: bytes, serve: Serve) -> None:
    serve(answer)
    found = probe("postgres", 30000, LOGIN)
    assert not found.ok
    assert found.detail


def test_postgres_that_keeps_silent_is_given_up(serve: Serve) -> None:
    serve(None)
    assert probe("postgres", 30000, LOGIN) == Answer(False, "no answer on port 30000 within 0.1s")


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "port 30000: Connection refused"),
        (TimeoutError("timed out"), "no answer on port 30000 within 2s"),
        (ConnectionResetError(104, "Connection reset by peer"), "port 30000: Connection reset by peer"),
        (OSError("odd"), "port 30000: odd"),
    ],
)
def test_a_port_that_nobody_serves_is_a_plain_no(error: OSError, detail: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise error

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert probe("http", 30000, None) == Answer(False, detail)


def test_a_login_keeps_its_password_out_of_what_is_printed() -> None:
    assert "secret" not in repr(LOGIN)
