"""kilter-server as a process, beside a real PostgreSQL that comes later than the server itself."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.server import RunningServer, free_port
from psycopg.conninfo import make_conninfo

from . import postgres
from .proxy import SilentProxy


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that waits: its database does not answer yet."""
    found = RunningServer(tmp_path, dsn=f"postgresql://kilter:canary@127.0.0.1:{free_port()}/kilter")
    found.prepare()
    yield found
    if found.process is not None and found.process.poll() is None:
        found.end(signal.SIGKILL)


def wait(server: RunningServer) -> None:
    """Wait until the server does."""
    until = time.monotonic() + 30
    while "waiting for the store" not in server.log:
        assert time.monotonic() < until, server.log
        time.sleep(0.05)


@pytest.mark.cluster
def test_a_server_that_is_there_before_its_database_waits_for_it(server: RunningServer) -> None:
    """Both start at once on a new platform, and neither crashes."""
    with postgres.server() as real:
        port = free_port()
        server.dsn = make_conninfo(real.operator, host="127.0.0.1", port=str(port))
        server.launch()
        wait(server)
        with SilentProxy(real.address[1], port):
            server.await_answer()
            with server.client() as client:
                assert client.get("/v1/whoami").json()["role"] == "admin"
            assert server.end() == 0
    assert server.log.count("waiting for the store") == 1


def test_a_server_that_waits_for_its_database_ends_when_it_is_asked_to(server: RunningServer) -> None:
    server.launch()
    wait(server)
    assert server.end() == 0
    assert "canary" not in server.log
