"""Ports of this machine that are open, shut or not the operator's."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from unit.server.test_policies import reached

from kilter.server import __main__ as entry
from kilter.server import logs, policies
from kilter.server.policies import answers

pytestmark = pytest.mark.requirement("DP-Q57")


@asynccontextmanager
async def saying(words: bytes) -> AsyncIterator[int]:
    """Serve these words to whoever connects; gives the port."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(words)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("words", "open_"),
    [(b"HTTP/1.0 200 OK\r\n\r\nok\n", True), (b"HTTP/1.1 503 no healthy upstream\r\n\r\n", None), (b"", False)],
    ids=["the operator", "a proxy that stands before it", "a proxy that only takes connections"],
)
def test_it_is_the_operator_that_must_answer(runner: asyncio.Runner, words: bytes, open_: bool | None) -> None:
    async def ask() -> bool | None:
        async with saying(words) as port:
            return await answers("127.0.0.1", port)

    assert runner.run(ask()) is open_


def test_a_port_that_refuses_connections_is_shut(runner: asyncio.Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as ended:
        port = ended.getsockname()[1]
    assert runner.run(answers("127.0.0.1", port)) is False


def test_the_servers_own_program_tells_it_to_an_administrator(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "configure", lambda: None)
    monkeypatch.setenv("KILTER_SERVER_CLUSTER_DOMAIN", "x.test")
    monkeypatch.setenv("KILTER_SERVER_PORT", "1")
    assert entry.main(["condition"]) == 0
    assert json.loads(capfd.readouterr().out) == {"network_policy_enforced": None, "store_answers": None}
    monkeypatch.setenv("KILTER_SERVER_POLICY_PROBE", "127.0.0.1:1,2")
    monkeypatch.setattr(policies, "answers", reached(True, False, True))
    assert entry.main(["condition"]) == 0
    assert json.loads(capfd.readouterr().out) == {"network_policy_enforced": True, "store_answers": None}
