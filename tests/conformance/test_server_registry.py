"""The token server with the registry that trusts it (registry:3) and the client that is sent to it (docker)."""

import base64
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from harness.server import PATIENCE, RunningServer, free_port

from kilter.clusters.registry import IMAGE
from kilter.proc import SubprocessRunner

pytestmark = pytest.mark.cluster


def docker(*words: str, config: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | ({"DOCKER_CONFIG": str(config)} if config else {})
    return subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, timeout=300, check=False)


@dataclass
class Platform:
    """A server, its registry, and images that nobody has pushed yet."""

    server: RunningServer
    folder: Path

    def config(self, password: str) -> Path:
        """Make a Docker config with one login; the user's own is not touched."""
        found = self.folder / secrets.token_hex(4)
        found.mkdir()
        auth = base64.b64encode(f"kilter:{password}".encode()).decode()
        (found / "config.json").write_text(
            json.dumps({"auths": {self.server.registry.partition("/")[0]: {"auth": auth}}})
        )
        return found

    def token(self, role: str) -> str:
        with self.server.client() as client:
            body = {"actor": role, "role": role, "scopes": [{"project": "acme/*"}]}
            return str(client.post("/v1/tokens", json=body).json()["token"])

    def credential(self, token: str) -> dict[str, Any]:
        with self.server.client(token) as client:
            reply = client.post("/v1/projects/acme/shop/push-credentials", json={"env": "dev"})
            return dict(reply.json())

    def push(self, project: str, password: str) -> bool:
        """Try to push; tells whether it went through."""
        name = f"{self.server.registry}/{project}:1"
        assert docker("tag", self.image, name).returncode == 0
        return docker("push", name, config=self.config(password)).returncode == 0

    @property
    def image(self) -> str:
        return f"kilter-test-{self.folder.name}:1"


@pytest.fixture(scope="module")
def platform(runner: SubprocessRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("registry")
    port, name = free_port(), f"kilter-test-{secrets.token_hex(4)}"
    server = RunningServer(folder, registry=f"127.0.0.1:{port}/team")
    found = Platform(server, folder)
    server.prepare()
    server.start()
    try:
        options = {
            "REGISTRY_AUTH": "token",
            "REGISTRY_AUTH_TOKEN_REALM": f"{server.url}/v1/registry/token",
            "REGISTRY_AUTH_TOKEN_SERVICE": f"127.0.0.1:{port}",
            "REGISTRY_AUTH_TOKEN_ISSUER": server.url,
            "REGISTRY_AUTH_TOKEN_JWKS": "/jwks.json",
        }
        variables = [word for key, value in options.items() for word in ("-e", f"{key}={value}")]
        made = docker("create", "--name", name, "-p", f"127.0.0.1:{port}:5000", *variables, IMAGE)
        assert made.returncode == 0, made.stderr
        assert docker("cp", str(server.jwks), f"{name}:/jwks.json").returncode == 0
        assert docker("start", name).returncode == 0
        wait_for(f"http://127.0.0.1:{port}/v2/")
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY kubeconfig /file\n")
        built = docker("build", "-q", "-t", found.image, str(folder))
        assert built.returncode == 0, built.stderr
        yield found
    finally:
        server.end(signal.SIGKILL)
        docker("rm", "-f", "-v", name)
        docker("rmi", found.image, *[f"{server.registry}/{each}:1" for each in ("acme/shop", "acme/blog", "globex/x")])


def wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if httpx2.get(url, timeout=5).status_code == 401:
                return
        except httpx2.HTTPError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def test_a_push_credential_pushes_to_its_project_alone(platform: Platform) -> None:
    """DP-Q6."""
    password = platform.credential(platform.token("deployer"))["password"]
    assert platform.push("acme/shop", password)
    assert not platform.push("acme/blog", password)
    assert not platform.push("globex/x", password)


def test_who_is_nobody_pushes_and_pulls_nothing(platform: Platform) -> None:
    assert not platform.push("acme/shop", "wrong")
    assert docker("pull", f"{platform.server.registry}/acme/shop:1", config=platform.config("wrong")).returncode != 0


def test_a_viewer_pulls_and_does_not_push(platform: Platform) -> None:
    """What a cluster pulls with."""
    assert platform.push("acme/shop", platform.token("deployer"))
    viewer = platform.token("viewer")
    assert not platform.push("acme/blog", viewer)
    name = f"{platform.server.registry}/acme/shop:1"
    docker("rmi", name)
    pulled = docker("pull", name, config=platform.config(viewer))
    assert pulled.returncode == 0, pulled.stderr


def test_a_credential_ends_with_the_token_behind_it(platform: Platform) -> None:
    """S2."""
    token = platform.token("deployer")
    password = platform.credential(token)["password"]
    with platform.server.client(token) as client:
        assert client.delete("/v1/whoami").status_code == 204
    assert not platform.push("acme/shop", password)
