"""`kilter up --recreate` of a cluster that is there and beyond repair."""

from kilter.clusters.provider import Provider
from kilter.dev.machine import Machine

GRACE = 20  # seconds for what still runs in the node to end by itself


def discard(machine: Machine, provider: Provider, name: str, fault: str) -> None:
    """Say what is wrong and what becomes of the data, then remove the cluster of project `name` (LC-Q19)."""
    machine.progress.warn(f"{fault}: a new cluster takes the place of this one")
    machine.progress.warn(f"it takes over the services' data in {machine.paths.volumes(name)}; all else is made anew")
    with machine.progress.step(f"remove the cluster kilter-{name}"):
        provider.discard(name, GRACE)
