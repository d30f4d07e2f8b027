"""The platform's registry, as its volume and whoever pulls from it have it."""

import hashlib
import json
from typing import Any

import httpx2

from harness.trial import SYSTEM, Trial

ROOT = "/var/lib/registry/docker/registry/v2"


def files(here: Trial) -> list[str]:
    """Return every file and folder of the registry's volume."""
    inside = ("exec", "--namespace", SYSTEM, "deployment/kilter-registry", "--container", "registry", "--")
    return [line.removeprefix(f"{ROOT}/") for line in here.kubectl(*inside, "find", ROOT).splitlines()]


def repositories(here: Trial) -> set[str]:
    """Return the repositories that the registry knows: those of its catalog."""
    found = (line.removeprefix("repositories/") for line in files(here) if line.endswith("/_manifests"))
    return {line.removesuffix("/_manifests") for line in found}


def images(here: Trial, repository: str) -> set[str]:
    """Return the digests of a repository's manifests."""
    start = f"repositories/{repository}/_manifests/revisions/sha256/"
    found = (line.removeprefix(start) for line in files(here) if line.startswith(start))
    return {f"sha256:{line.removesuffix('/link')}" for line in found if line.endswith("/link")}


def blobs(here: Trial) -> set[str]:
    """Return the digests of everything that takes up space."""
    found = (line for line in files(here) if line.startswith("blobs/sha256/") and line.endswith("/data"))
    return {f"sha256:{line.split('/')[-2]}" for line in found}


def deployed(here: Trial, *slot: str) -> set[str]:
    """Return the digests of the images that an environment has had."""
    found = here.developer.json("releases", *slot)["deploys"]
    return {each["image"].partition("@")[2] for each in found if each["image"]}


class Puller:
    """Pulls from one repository as an administrator, without a Docker that has half of it already."""

    def __init__(self, here: Trial, repository: str) -> None:
        self.url = f"http://localhost:{here.port}/v2/{repository}"
        query = {"service": f"localhost:{here.port}", "scope": f"repository:{repository}:pull"}
        asked = f"http://localhost:{here.port}/v1/registry/token"
        token = httpx2.get(asked, params=query, auth=("kilter", here.token)).json()["token"]
        kinds = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
        self.headers = {"Authorization": f"Bearer {token}", "Accept": kinds}

    def read(self, path: str) -> bytes:
        reply = httpx2.get(f"{self.url}/{path}", headers=self.headers, timeout=30)
        assert reply.status_code == 200, f"{path}: {reply.status_code} {reply.text}"
        return reply.content

    def parts(self, *images: str) -> set[str]:
        """Return the digests that images consist of, their manifests among them."""
        found = set(images)
        for image in images:
            manifest: Any = json.loads(self.read(f"manifests/{image}"))
            found |= {manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])}
        return found

    def pull(self, *images: str) -> None:
        """Read images whole."""
        for part in self.parts(*images) - set(images):
            assert f"sha256:{hashlib.sha256(self.read(f'blobs/{part}')).hexdigest()}" == part
