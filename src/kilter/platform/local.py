"""The trial platform's cluster on this machine: `kilter-platform`, made by kind, with one port for everything."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from kilter.clusters import engine, ports, registry
from kilter.clusters.provider import State
from kilter.dev import clusters
from kilter.dev.machine import Machine
from kilter.dev.rendering import machine_options
from kilter.dev.sharing import share_images
from kilter.errors import NotFound
from kilter.platform.target import LOCAL
from kilter.render.cluster import kind_config
from kilter.render.model import Plan
from kilter.state import records
from kilter.state.ledger import Allocation
from kilter.tools import images

DOMAIN = "localhost"  # names below it lead to this machine (RFC 6761)
UPSTREAMS = ("ghcr.io", "registry.k8s.io")  # beside docker.io, which has a cache
START_LIMIT = 180.0
AGAIN = "run the same command again"


@dataclass(frozen=True)
class LocalCluster:
    """The cluster as it runs: its kubeconfig, and the port of everything that it serves."""

    kubeconfig: Path
    port: int


def ensure(machine: Machine) -> LocalCluster:
    """Make the cluster, start it, or find that it runs.

    Raises OwnedElsewhere when a project of the user's is called `platform`, Busy, MachineLacks.
    """
    engine.check(machine.runner, machine.environment)
    folder = machine.paths.project_data(LOCAL)
    allocation = records.claim(machine.paths, LOCAL, folder)
    provider = clusters.provider(machine)
    cluster = provider.find(LOCAL)
    share_images(machine, registries(machine, allocation.base))
    if not cluster.exists:
        ports.check(machine.runner, [allocation.base], AGAIN)
        with machine.progress.step("create the cluster kilter-platform") as step:
            image = machine.node_image(None)
            step.note(f"one container, from {image.partition('@')[0]}")
            provider.create(LOCAL, config(machine, allocation, image), image)
    elif cluster.state is not State.RUNNING:
        if cluster.state is not State.FOREIGN:
            ports.check(machine.runner, [allocation.base], AGAIN)
        with machine.progress.step("start the cluster kilter-platform"):
            provider.start(LOCAL, START_LIMIT)
    provider.wait_until_ready(LOCAL, START_LIMIT)
    return LocalCluster(provider.kubeconfig(LOCAL), allocation.base)


def running(machine: Machine) -> LocalCluster:
    """Return the cluster if it runs. Raises OwnedElsewhere, NotFound, NotReady."""
    refuse_foreign(machine)
    allocation = records.read(machine.paths, LOCAL)
    if allocation is None:
        raise NotFound("there is no trial platform on this machine", hint="`kilter platform install --local` makes one")
    return LocalCluster(clusters.provider(machine).kubeconfig(LOCAL), allocation.base)


def refuse_foreign(machine: Machine) -> None:
    """Raise OwnedElsewhere when a project of the user's is called `platform`: its cluster has the same name."""
    records.refuse_foreign(machine.paths, LOCAL, machine.paths.project_data(LOCAL))


def config(machine: Machine, allocation: Allocation, image: str) -> str:
    """Return kind's config: one node, one port."""
    plan = Plan(project=LOCAL, root=machine.paths.project_data(LOCAL), services=(), apps=())
    options = machine_options(machine.paths, allocation, image)
    return kind_config(plan, replace(options, mapped=(allocation.base,)))


def registries(machine: Machine, port: int) -> dict[str, tuple[str, str]]:
    """Return where the node pulls from beside docker.io: the platform's own registry, and a mirror where one is set."""
    own = f"http://{DOMAIN}:{port}"
    found = {f"{DOMAIN}:{port}": (own, own)}
    if mirror := machine.environment.get(registry.MIRROR_VARIABLE):
        # A login in it stays with the cache: nodes make nothing of one, and show these files to whoever is in them.
        bare = re.sub(r"(?<=://)[^/]*@", "", mirror)
        found |= {host: (bare, f"https://{host}") for host in UPSTREAMS}
    return found


def published(machine: Machine, image: str) -> str:
    """Return a name by which the node can pull an image; one that Docker has is pushed to the machine's registry.

    Docker keeps that name only as long as it is needed; its owner's own names stay.
    """
    identity = machine.runner.run(images.inspect(image)).stdout.strip().removeprefix("sha256:")
    if not identity:
        return image
    tag = f"{registry.HOST_ADDRESS}/kilter/platform:{identity[:12]}"
    with machine.progress.step(f"bring the image {image} to the cluster"):
        machine.runner.run(images.tag(image, tag))
        try:
            machine.runner.run(images.push(tag))
        finally:
            # Of an image that was given by its id it may be the only name, and with that Docker deletes the image.
            if image != tag and not identity.startswith(image.removeprefix("sha256:")):
                machine.runner.run(images.untag(tag))
    return tag
