"""The machine's registry and caches on the real engine. They are shared, so these tests only ever add."""

import hashlib
import json
import os
import secrets
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kilter.clusters import registry
from kilter.proc import Command, Outcome, SubprocessRunner
from kilter.progress import Recorder
from kilter.tools import docker

pytestmark = pytest.mark.cluster


class Counting(SubprocessRunner):
    """Counts the questions to the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[Command] = []

    def run(self, command: Command) -> Outcome:
        self.commands.append(command)
        return super().run(command)


@pytest.mark.requirement("NS-Q4")
def test_two_at_once_make_one_registry_and_later_calls_ask_once(runner: SubprocessRunner) -> None:
    progress = Recorder()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: registry.ensure(runner, os.environ, progress), range(2)))
    assert progress.lines == []
    counting = Counting()
    registry.ensure(counting, os.environ, progress)
    rows = docker.parse_lines(runner.run(docker.list_containers(labels=[registry.ROLE])).stdout)
    assert {row["Names"] for row in rows} >= {"kilter-registry", "kilter-cache-docker.io"}
    assert len(counting.commands) == 1


@pytest.mark.requirement("NS-21", "C14")
def test_the_registry_answers_on_the_loopback_and_the_cache_nowhere(runner: SubprocessRunner) -> None:
    registry.ensure(runner, os.environ, Recorder())
    with urllib.request.urlopen(f"http://{registry.HOST_ADDRESS}/v2/", timeout=10) as answer:
        assert answer.status == 200
    found = docker.parse_inspect(runner.run(docker.inspect("kilter-registry", "kilter-cache-docker.io")))
    assert {one.name: one.published for one in found} == {
        "kilter-registry": {"5000/tcp": (32760,)},
        "kilter-cache-docker.io": {},
    }


TYPE = "application/vnd.oci.image.manifest.v1+json"
NOTHING = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": NOTHING, "layers": []}).encode()


class Hub(BaseHTTPRequestHandler):
    """An upstream that answers nobody without a token and gives one to anybody, as Docker Hub does."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.startswith("/token"):
            known = self.headers["Authorization"] is None
            self.answer(200 if known else 403, json.dumps({"token": "anybody"}).encode(), {})
        elif self.headers["Authorization"] != "Bearer anybody":
            realm = f"http://{self.headers['Host']}/token"
            self.answer(401, b"{}", {"WWW-Authenticate": f'Bearer realm="{realm}",service="hub"'})
        elif "/manifests/" in self.path:
            digest = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
            self.answer(200, MANIFEST, {"Content-Type": TYPE, "Docker-Content-Digest": digest})
        else:
            self.answer(200, b"{}", {})

    def answer(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def hub(runner: SubprocessRunner) -> Iterator[str]:
    """The upstream, at the address where containers find this machine."""
    template = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = runner.run(Command(("docker", "network", "inspect", "bridge", "--format", template))).stdout.strip()
    with ThreadingHTTPServer((gateway, 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{gateway}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def pulled(runner: SubprocessRunner, container: str) -> bytes:
    """Ask a cache for the manifest; it may still be starting."""
    limit = time.monotonic() + 20
    while True:
        found = docker.parse_inspect(runner.run(docker.inspect(container)))[0]
        try:
            [port] = found.published["5000/tcp"]
            address = f"http://127.0.0.1:{port}/v2/library/nothing/manifests/1"
            with urllib.request.urlopen(urllib.request.Request(address, headers={"Accept": TYPE}), timeout=10) as heard:
                return bytes(heard.read())
        except (OSError, KeyError):
            assert time.monotonic() < limit, runner.run(docker.logs(container, 20))
            time.sleep(0.2)


@pytest.mark.requirement("CT-Q2", "NS-Q4", "F16")
def test_a_cache_needs_no_login_and_starts_and_serves_without_its_upstream(runner: SubprocessRunner) -> None:
    name = f"conf-cache-{secrets.token_hex(4)}"
    try:
        with hub(runner) as upstream:
            env = registry.services({registry.MIRROR_VARIABLE: upstream})[1].env
            made = docker.run_detached(
                name,
                registry.IMAGE,
                labels={},
                env=env,
                volumes={name: "/var/lib/registry"},
                publish=["127.0.0.1::5000"],
            )
            runner.run(made)
            assert pulled(runner, name) == MANIFEST
        runner.run(docker.stop(name, 5))
        runner.run(docker.start(name))
        assert pulled(runner, name) == MANIFEST
    finally:
        runner.run(docker.remove(name, missing_ok=True))
        runner.run(Command(("docker", "volume", "rm", "--force", name)))
