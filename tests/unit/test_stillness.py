"""The rule of this folder, and what becomes of a test that breaks it."""

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest
from harness.stillness import STILLNESS, Refused

Told = pytest.fail.Exception


def connect() -> None:
    with socket.socket() as client:
        client.connect(("127.0.0.1", 1))


def bind() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))


@pytest.mark.parametrize(
    ("event", "act"),
    [
        ("subprocess.Popen", lambda: subprocess.run(["true"], check=True)),
        ("os.fork", os.fork),
        ("os.posix_spawn", lambda: os.posix_spawn("/bin/true", ["true"], {})),
        ("os.exec", lambda: os.execv("/bin/true", ["true"])),  # noqa: S606
        ("os.system", lambda: os.system("true")),  # noqa: S605
        ("socket.connect", connect),
        ("socket.bind", bind),
        ("socket.getaddrinfo", lambda: socket.getaddrinfo("localhost", 1)),
    ],
)
def test_a_process_or_a_network_is_refused_by_its_name(event: str, act: Callable[[], object]) -> None:
    with pytest.raises(Refused, match=rf"^{event}\(.*move it to tests/integration$"):
        act()
    with pytest.raises(Told, match=event):
        STILLNESS.tell()


def test_what_is_done_in_a_thread_or_caught_is_told_in_the_end() -> None:
    def work() -> None:
        with suppress(Refused):
            connect()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    with pytest.raises(Told, match=r"socket\.connect\(.*127\.0\.0\.1"):
        STILLNESS.tell()
    STILLNESS.tell()


def test_a_loop_with_the_sockets_by_which_it_wakes_itself_is_fine() -> None:
    async def story() -> int:
        return await asyncio.to_thread(lambda: 1)

    assert asyncio.run(story()) == 1


def test_the_database_that_tests_are_given_may_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(STILLNESS, "allowed", frozenset({("127.0.0.1", "1")}))
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert socket.getaddrinfo("127.0.0.1", 1)
    with pytest.raises(Refused):
        socket.getaddrinfo("127.0.0.1", 2)
    with pytest.raises(Told):
        STILLNESS.tell()
