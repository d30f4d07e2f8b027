"""Tidying the volume of a real registry (registry:3) between two of its lives, as its pod does before it serves."""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from harness.cli import docker, forget_images
from harness.ports import free_port

from kilter.clusters.registry import IMAGE
from kilter.server.registry_volume import QUIET, look, prune

pytestmark = pytest.mark.cluster
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
CONFIG = """
version: 0.1
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http: {addr: ":5000", secret: of this test}
"""
PATIENCE = 20.0


@dataclass
class Registry:
    """A registry that may end and live on, with its volume in a folder of this test."""

    folder: Path
    port: int = field(default_factory=free_port)
    name: str = field(default_factory=lambda: f"kilter-test-{secrets.token_hex(4)}")

    @property
    def volume(self) -> Path:
        return self.folder / "volume"

    def options(self) -> list[str]:
        mounts = (f"{self.volume}:/var/lib/registry", f"{self.folder / 'config.yml'}:/config.yml:ro")
        words = [word for mount in mounts for word in ("--volume", mount)]
        return ["--user", f"{os.getuid()}:{os.getgid()}", "--env", "OTEL_TRACES_EXPORTER=none", *words]

    def start(self) -> None:
        published = ("--publish", f"127.0.0.1:{self.port}:5000")
        docker("run", "--detach", "--rm", "--name", self.name, *published, *self.options(), IMAGE, "/config.yml")
        until = time.monotonic() + PATIENCE
        while True:
            try:
                httpx2.get(f"http://127.0.0.1:{self.port}/v2/", timeout=5)
                return
            except httpx2.HTTPError:
                assert time.monotonic() < until
                time.sleep(0.1)

    def end(self) -> None:
        docker("rm", "--force", "--volumes", self.name)

    def collect(self) -> str:
        """Collect as the registry's pod does."""
        command = ("registry", "garbage-collect", "--quiet", "/config.yml")
        return docker("run", "--rm", *self.options(), "--entrypoint", command[0], IMAGE, *command[1:])

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"Accept": MANIFESTS} | more.pop("headers", {})
        return httpx2.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10, **more)

    def catalog(self) -> list[str]:
        return list(self.ask("GET", "/v2/_catalog").json()["repositories"])

    def push(self, repository: str, base: str = "") -> str:
        """Build an image with a layer of its own and push it; returns its digest."""
        context = self.folder / secrets.token_hex(4)
        context.mkdir()
        (context / "file").write_text(secrets.token_hex(8))
        (context / "Dockerfile").write_text(f"FROM {base or 'scratch'}\nCOPY file /{context.name}\n")
        name = f"127.0.0.1:{self.port}/{repository}:1"
        docker("build", "--quiet", "--tag", name, str(context))
        docker("push", "--quiet", name)
        return str(self.ask("HEAD", f"/v2/{repository}/manifests/1").headers["docker-content-digest"])

    def blobs(self, repository: str, digest: str) -> set[str]:
        manifest = self.ask("GET", f"/v2/{repository}/manifests/{digest}").json()
        return {manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}

    def pulls(self, repository: str, digest: str) -> bool:
        """Read an image whole, as whoever has none of it."""
        found = {blob: self.ask("GET", f"/v2/{repository}/blobs/{blob}") for blob in self.blobs(repository, digest)}
        return all(f"sha256:{hashlib.sha256(reply.content).hexdigest()}" == blob for blob, reply in found.items())

    def lies(self, digest: str) -> Path:
        digits = digest.removeprefix("sha256:")
        return self.volume / "docker/registry/v2/blobs/sha256" / digits[:2] / digits


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    found = Registry(tmp_path)
    found.volume.mkdir()
    (tmp_path / "config.yml").write_text(CONFIG)
    found.start()
    try:
        yield found
    finally:
        found.end()
        for repository in ("acme/gone", "acme/shop", "acme/shop/worker"):
            forget_images(f"127.0.0.1:{found.port}/{repository}")


@pytest.mark.requirement("DP-Q25")
def test_what_nobody_needs_goes_and_everything_else_is_there_as_before(registry: Registry) -> None:
    shop, worker = registry.push("acme/shop"), registry.push("acme/shop/worker")
    gone = registry.push("acme/gone", base=f"127.0.0.1:{registry.port}/acme/shop:1")
    shared, own = registry.blobs("acme/shop", shop), registry.blobs("acme/gone", gone)
    assert len(shared & own) == 1
    assert registry.ask("DELETE", "/v2/acme/shop/manifests/1").status_code == 202  # the tag; the image stays
    assert registry.ask("DELETE", f"/v2/acme/gone/manifests/{gone}").status_code == 202
    registry.end()
    assert look(registry.volume, time.time())
    shutil.rmtree(registry.lies(min(own - shared)))  # as a collection does that is killed after its first step
    registry.collect()
    prune(registry.volume)
    registry.start()
    assert registry.catalog() == ["acme/shop", "acme/shop/worker"]
    assert [registry.pulls("acme/shop", shop), registry.pulls("acme/shop/worker", worker)] == [True, True]
    assert not [blob for blob in (gone, *(own - shared)) if registry.lies(blob).exists()]
    again = registry.push("acme/gone", base=f"127.0.0.1:{registry.port}/acme/shop:1")
    assert registry.pulls("acme/gone", again)
    registry.end()
    assert not look(registry.volume, time.time())
    registry.start()


def test_an_upload_that_began_before_a_restart_goes_on_after_it(registry: Registry) -> None:
    gone = registry.push("acme/gone")
    registry.ask("DELETE", f"/v2/acme/gone/manifests/{gone}")
    place = registry.ask("POST", "/v2/acme/shop/blobs/uploads/").headers["location"]
    half = {"Content-Type": "application/octet-stream"}
    path = place.partition(str(registry.port))[2]
    begun = registry.ask("PATCH", path, content=b"first ", headers=half)
    assert begun.status_code == 202
    registry.end()
    assert not look(registry.volume, time.time()), "somebody pushes"
    assert look(registry.volume, time.time() + QUIET + 1), "it was given up"
    registry.collect()
    prune(registry.volume)
    registry.start()
    assert registry.catalog() == []
    digest = f"sha256:{hashlib.sha256(b'first second').hexdigest()}"
    path = begun.headers["location"].partition(str(registry.port))[2]
    ended = registry.ask("PUT", path, params=httpx2.QueryParams(path.partition("?")[2]).set("digest", digest),
                         content=b"second", headers=half)  # fmt: skip
    assert ended.status_code == 201, ended.text
    assert registry.ask("GET", f"/v2/acme/shop/blobs/{digest}").content == b"first second"


def test_a_manifest_whose_layers_were_collected_meanwhile_is_refused_and_its_push_can_be_repeated(
    registry: Registry,
) -> None:
    """What happens to a push that looks over for ten minutes and is not: it fails, and no broken image is there."""
    digest = registry.push("acme/shop")
    manifest = registry.ask("GET", f"/v2/acme/shop/manifests/{digest}")
    registry.ask("DELETE", f"/v2/acme/shop/manifests/{digest}")
    registry.end()
    registry.collect()
    prune(registry.volume)
    registry.start()
    media = {"Content-Type": manifest.headers["content-type"]}
    refused = registry.ask("PUT", "/v2/acme/shop/manifests/1", content=manifest.content, headers=media)
    assert (refused.status_code, json.loads(refused.content)["errors"][0]["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    docker("push", "--quiet", f"127.0.0.1:{registry.port}/acme/shop:1")
    assert registry.pulls("acme/shop", digest)


def test_a_damaged_volume_is_not_collected_and_loses_nothing(registry: Registry) -> None:
    """A file that a power cut left empty: what it named cannot be known, so that nothing may go."""
    shop, gone = registry.push("acme/shop"), registry.push("acme/gone")
    registry.ask("DELETE", f"/v2/acme/gone/manifests/{gone}")
    registry.end()
    link = f"docker/registry/v2/repositories/acme/shop/_manifests/revisions/sha256/{shop.removeprefix('sha256:')}/link"
    (registry.volume / link).write_text("")
    before = sorted(registry.volume.rglob("*"))
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            ["docker", "run", "--rm", *registry.options(), "--entrypoint", "registry", IMAGE,
             "garbage-collect", "--quiet", "/config.yml"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    assert sorted(registry.volume.rglob("*")) == before
    registry.start()
