"""kilter-server as the process that runs on a platform. Needs no engine: its cluster is away all the time."""

import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from harness.server import RunningServer

URL = "/v1/projects/acme/shop/envs/dev/deploys"
DEPLOY = {"image": "registry.example.com/acme/shop@sha256:" + "a" * 64, "app": {"port": 8080}}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path).running() as found:
        yield found


def test_what_was_accepted_is_there_after_the_server_was_killed(server: RunningServer) -> None:
    """F28: and the same request gets the same answer."""
    key = {"Idempotency-Key": "k1"}
    with server.client() as client:
        first = client.post(URL, json=DEPLOY, headers=key)
        assert first.status_code == 202
    server.end(signal.SIGKILL)
    server.start()
    with server.client() as client:
        again = client.post(URL, json=DEPLOY, headers=key)
        assert again.json() == first.json()
        assert client.get(f"/v1/deploys/{first.json()['deploy_id']}").json()["sequence"] == 1


def test_a_server_that_is_asked_to_end_does_so_at_once_though_streams_are_open(server: RunningServer) -> None:
    with server.client() as client:
        deploy_id = client.post(URL, json=DEPLOY).json()["deploy_id"]
    opened, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with server.client() as client, client.stream("GET", f"/v1/deploys/{deploy_id}/events") as stream:
            for _ in stream.iter_lines():
                opened.set()
        ended.set()

    reader = threading.Thread(target=listen)
    reader.start()
    assert opened.wait(20)
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 10
    assert ended.wait(5)
    reader.join()


def test_the_installers_token_is_nobodys_once_there_are_others(server: RunningServer) -> None:
    """S21."""
    with server.client() as client:
        scopes = [{"project": "*/*"}]
        other = client.post("/v1/tokens", json={"actor": "ann", "role": "admin", "scopes": scopes}).json()["token"]
        assert client.delete("/v1/whoami").status_code == 204
    server.end()
    server.start()
    with server.client() as client:
        assert client.get("/v1/whoami").status_code == 401
    with server.client(other) as client:
        assert client.get("/v1/whoami").json()["actor"] == "ann"


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server: RunningServer) -> None:
    """S11: the answer comes although not one byte of the gigabyte did."""
    head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


def test_nothing_that_was_sent_stands_in_the_log(server: RunningServer) -> None:
    """S1, S24, G5."""
    canary = "kilter_canary"
    with server.client() as client:
        client.get(f"/v1/whoami?x={canary}")
        client.post(URL, json={**DEPLOY, "secrets": {"db": canary}})
    httpx2.get(f"{server.url}/v1/whoami", headers={"Authorization": f"Bearer {canary}"})
    server.end()
    assert canary not in server.log
    assert server.token not in server.log
    assert '"status": 401' in server.log


def test_in_its_own_pod_it_is_asked_whether_its_store_answers(server: RunningServer) -> None:
    assert server.condition()["store_answers"] is True
    with sqlite3.connect(server.folder / "store.db") as store:
        store.execute("ALTER TABLE tokens RENAME TO lost")
    store.close()
    assert server.condition()["store_answers"] is False
    server.end()
    assert server.condition()["store_answers"] is None
