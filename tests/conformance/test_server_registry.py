"""The token server with the registry that trusts it (registry:3) and the client that is sent to it (docker)."""

import asyncio
import base64
import hashlib
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
from harness.ports import loopback_port
from harness.server import PATIENCE, RunningServer

from kilter.clusters.registry import IMAGE
from kilter.proc import SubprocessRunner
from kilter.render.names import Slot
from kilter.server import clock
from kilter.server.store import absence, deploys, environments
from kilter.server.store.deploys import Order
from kilter.server.store.engine import Tx
from kilter.server.store.sqlite import SqliteEngine

from .apiserver import ApiServer
from .pretend import clear, install

pytestmark = pytest.mark.cluster
MANIFEST, INDEX = "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.index.v1+json"


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

    def credential(self, token: str, project: str = "acme/shop") -> dict[str, Any]:
        with self.server.client(token) as client:
            reply = client.post(f"/v1/projects/{project}/push-credentials", json={"env": "dev"})
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
    port, name = loopback_port(), f"kilter-test-{secrets.token_hex(4)}"
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
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
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


class Leaving:
    """A project whose images lie in the registry by their digests alone."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.server = platform, platform.server
        self.host, _, scope = platform.server.registry.partition("/")
        self.repository = f"{scope}/acme/leaving"
        self.login = platform.token("deployer")
        self.credential = platform.credential(self.login, "acme/leaving")

    def ask(self, method: str, what: str, **more: Any) -> httpx2.Response:
        """Ask the registry as a deployer."""
        query = {"service": self.host, "scope": f"repository:{self.repository}:pull,push"}
        found = httpx2.get(
            f"{self.server.url}/v1/registry/token", params=query, auth=("kilter", self.credential["password"])
        )
        accept = {"Authorization": f"Bearer {found.json()['token']}", "Accept": f"{MANIFEST}, {INDEX}"}
        headers = accept | more.pop("headers", {})
        return httpx2.request(method, f"http://{self.host}/v2/{self.repository}/{what}", headers=headers, **more)

    def push(self, content: str, tag: str) -> str:
        """Build and push an image; returns its digest."""
        folder = self.platform.folder / secrets.token_hex(4)
        folder.mkdir()
        (folder / "file").write_text(content)
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
        name = f"{self.host}/{self.repository}:{tag}"
        try:
            assert docker("build", "-q", "-t", name, str(folder)).returncode == 0
            pushed = docker("push", name, config=self.platform.config(self.credential["password"]))
            assert pushed.returncode == 0, pushed.stderr
        finally:
            docker("rmi", name)
        return str(self.ask("HEAD", f"manifests/{tag}").headers["docker-content-digest"])

    def listed(self, digest: str, tag: str) -> str:
        """Put a list of one image in the place of its tag, as for several platforms; returns the list's digest."""
        size = int(self.ask("HEAD", f"manifests/{digest}").headers["content-length"])
        entry = {"mediaType": MANIFEST, "digest": digest, "size": size}
        entry["platform"] = {"os": "linux", "architecture": "amd64"}
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()
        reply = self.ask("PUT", f"manifests/{tag}", content=body, headers={"Content-Type": INDEX})
        assert reply.status_code == 201, reply.text
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def deploy(self, env: str, digest: str) -> None:
        image = f"{self.host}/{self.repository}@{digest}"
        body = {"image": image, "push_id": self.credential["push_id"], "app": {"port": 8080}}
        with self.server.client(self.login) as client:
            reply = client.post(f"/v1/projects/acme/leaving/envs/{env}/deploys", json=body)
            assert reply.status_code == 202, reply.text

    def vanish(self, env: str, api: ApiServer) -> None:
        """Have the environment deleted while the server is away, which then finds a cluster without it."""

        def work(tx: Tx) -> None:
            slot, now = Slot("acme", "leaving", env), clock.now()
            for record in deploys.page(tx, slot, below=None, limit=10):
                deploys.end(tx, record.id, "done", now)
            last = deploys.latest(tx, slot)
            assert last is not None
            order = Order(slot, "delete", "ephemeral", last.spec, token_id="-", domain="apps.example.com")
            ending = deploys.accept(tx, order, now).record
            tx.execute("UPDATE deploys SET state = 'running', applied_at = ? WHERE id = ?", now, ending.id)
            assert absence.gone(tx, environments.found(tx, slot).object_name, now, now) == [ending.id]

        async def story() -> None:
            engine = SqliteEngine(self.server.folder / "store.db")
            await engine.open()
            try:
                await engine.run(work)
            finally:
                await engine.close()

        self.server.end()
        asyncio.run(story())
        (self.server.folder / "kubeconfig").write_text(api.kubeconfig().read_text())
        self.server.start()

    def has(self, digest: str) -> bool:
        """Tell whether the registry has a manifest; a viewer asks, because who may push puts removing off."""
        login = self.platform.config(self.platform.token("viewer"))
        found = docker("pull", "-q", f"{self.host}/{self.repository}@{digest}", config=login)
        docker("rmi", f"{self.host}/{self.repository}@{digest}")
        assert found.returncode == 0 or "not found" in found.stderr or "manifest unknown" in found.stderr, found.stderr
        return found.returncode == 0


@pytest.fixture
def cluster(api: ApiServer) -> Iterator[ApiServer]:
    """A cluster that takes KilterApps, with nobody who looks at them."""
    install(api)
    yield api
    clear(api)


def test_a_deleted_environments_images_leave_the_registry_and_no_others(platform: Platform, cluster: ApiServer) -> None:
    """DP-Q25: what an environment leaves; its server may restart meanwhile."""
    leaving = Leaving(platform)
    shared, kept, single = (leaving.push(content, content) for content in ("shared", "kept", "single"))
    child = leaving.push("child", "several")
    index = leaving.listed(child, "several")
    for digest in (shared, single, index):
        leaving.deploy("pr-5", digest)
    for digest in (shared, kept):
        leaving.deploy("dev", digest)
    leaving.vanish("pr-5", cluster)
    until = time.monotonic() + PATIENCE
    while any(map(leaving.has, (index, single, child))) or '"images removed"' not in platform.server.log:
        assert time.monotonic() < until, platform.server.log
        time.sleep(0.5)
    assert [leaving.has(digest) for digest in (shared, kept)] == [True, True]
    assert leaving.ask("GET", f"manifests/{single}").status_code == 404
