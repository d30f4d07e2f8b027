"""A project whose only environment is to go, and what is left on a trial platform of an environment that has gone."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness import stored
from harness.cli import Kilter, forget_images
from harness.trial import Trial

SLOT = ("--project", "acme/gone", "--env", "dev")
DOCKERFILE = """FROM python:3.13-slim
COPY kilter.yaml /page/kilter.yaml
USER 10001:10001
STOPSIGNAL SIGINT
CMD ["python", "-m", "http.server", "8000", "--directory", "/page"]
"""


@dataclass
class Leaver:
    """The project, and the digests in the registry that are its alone."""

    kilter: Kilter
    own: set[str]


@contextmanager
def leaver(here: Trial, *neighbour: str) -> Iterator[Leaver]:
    """Deploy the project; `neighbour` is the environment with which it shares layers, as options of the command."""
    folder = here.developer.home / "gone"
    folder.mkdir()
    (folder / "kilter.yaml").write_text("name: gone\nport: 8000\n")
    (folder / "Dockerfile").write_text(DOCKERFILE)
    kilter = Kilter(folder, here.developer.home, extra=here.developer.extra)
    try:
        kilter.run("deploy", *SLOT, "--timeout", "4m")
        parts = stored.Puller(here, "acme/gone").parts(*stored.deployed(here, *SLOT))
        own = parts - stored.Puller(here, "acme/shop").parts(*stored.deployed(here, *neighbour))
        assert own < parts <= stored.blobs(here), "it has a layer of its own, and others that it shares"
        yield Leaver(kilter, own)
    finally:
        forget_images(f"localhost:{here.port}/acme/gone")


def residue(here: Trial, env: str, app: str = "shop") -> list[str]:
    """Return everything on the platform that still bears the environment's name."""
    space = f"acme-{app}-{env}"
    kinds = ("namespaces", "kustomizations", "serviceaccounts", "kilterapps", "httproutes", "persistentvolumes")
    found = [
        f"{kind}/{each['metadata']['name']}"
        for kind in kinds
        for each in here.objects(kind)
        if space in (each["metadata"]["name"], each["metadata"].get("namespace"))
        or each.get("spec", {}).get("claimRef", {}).get("namespace") == space
    ]
    names = here.sql("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
    found += [name for name in names if name.startswith(f"acme__{app}__{env}")]
    found += [
        path for path in here.git("ls-tree", "-r", "--name-only", "main") if space in path or f"/{app}/{env}/" in path
    ]
    return found
