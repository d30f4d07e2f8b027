"""Making sure that the image caches hold images whole, so that any later project can start from them without network.

A node asks a cache for no layer that it has from another image, and the cache keeps layers by repository: without this,
a project would need the network for a layer that its images share with those of an earlier project.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from kilter.clusters import registry
from kilter.clusters.node import node_name
from kilter.proc import ANY_CODE, Command, Runner
from kilter.tools import docker
from kilter.values import Value

ACCEPTED = (  # https://github.com/opencontainers/image-spec/blob/main/media-types.md, and Docker's own of before
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # what `uname -m` says, and what an index says
LIMIT = 300  # seconds for one part of an image
# A node may have the user's proxy, which does not reach the caches; curl knows no `*` in a list of exceptions.
CURL = ("curl", "--silent", "--fail", "--noproxy", "*", "--max-time", str(LIMIT))


class Cached(Value, frozen=True):
    """An image behind one of the caches: the cache's URL of its repository, and a tag or digest."""

    repository: str
    reference: str

    @property
    def manifest(self) -> str:
        """Where the cache serves the manifest, or the index of those of all platforms."""
        return f"{self.repository}/manifests/{self.reference}"

    def blob(self, digest: str) -> str:
        """Where the cache serves a layer or a config."""
        return f"{self.repository}/blobs/{digest}"


def complete(runner: Runner, project: str, images: Collection[str]) -> None:
    """Ask the caches, from within a project's node, for every part of these images; fully qualified references.

    What a cache has is only looked at. Without network, nothing can be completed and nothing is said: an image that is
    not whole is missed when a node pulls it. Raises KilterError when the node cannot be asked.
    """
    node = node_name(project)
    found = [cached for image in sorted(images) if (cached := behind(image))]
    if not found:
        return
    architecture = runner.run(docker.execute(node, "uname", "-m")).stdout.strip()
    wanted = {one: get(runner, node, one.manifest) for one in found}
    platforms = [
        Cached(one.repository, digest)
        for one, told in wanted.items()
        for digest in of_platform(told, ARCHITECTURES.get(architecture, architecture))
    ]
    whole = [(one, told) for one, told in wanted.items() if "layers" in told]
    whole += [(one, get(runner, node, one.manifest)) for one in platforms]
    if urls := list(dict.fromkeys(one.blob(digest) for one, told in whole for digest in parts(told))):
        runner.run(look_at(node, urls))


def behind(image: str) -> Cached | None:
    """Return where the caches serve an image; None for one of a registry that has no cache."""
    if not is_qualified(image):  # Docker's short form, which nodes read as Docker does
        image = f"docker.io/{image if '/' in image else f'library/{image}'}"
    host, _, rest = image.partition("/")
    if host not in registry.UPSTREAMS:
        return None
    named, _, digest = rest.partition("@")
    name, _, tag = named.partition(":")
    return Cached(f"http://{registry.cache_name(host)}:5000/v2/{name}", digest or tag or "latest")


def is_qualified(image: str) -> bool:
    """Tell whether a reference names its registry; the node's engine itself knows no default one."""
    host, slash, _ = image.partition("/")
    return bool(slash) and ("." in host or ":" in host)


def get(runner: Runner, node: str, url: str) -> dict[str, Any]:
    """Return a manifest or an index; an empty one when the cache has none to give."""
    question = (*CURL, "--header", f"Accept: {', '.join(ACCEPTED)}", "--url", url)
    told = runner.run(docker.execute(node, *question, timeout=LIMIT + 10, ok=ANY_CODE))
    try:
        answer = json.loads(told.stdout)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def of_platform(index: dict[str, Any], architecture: str) -> Iterator[str]:
    """Yield the digests of an index that are for Linux on this architecture."""
    for entry in index.get("manifests") or ():
        platform = entry.get("platform") or {}
        if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
            yield str(entry["digest"])


def parts(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield the digests of what an image is made of."""
    for entry in (manifest.get("config"), *(manifest.get("layers") or ())):
        if entry:
            yield str(entry["digest"])


def look_at(node: str, urls: Sequence[str]) -> Command:
    """Build the command that asks for one byte of each; a cache that has not got the whole brings it in for that."""
    argv = [*CURL, "--range", "0-0"]
    for url in urls:
        argv += ["--output", "/dev/null", "--url", url]
    return docker.execute(node, *argv, timeout=LIMIT * len(urls), ok=ANY_CODE)
