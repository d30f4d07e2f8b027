"""Which provider makes this machine's clusters."""

from kilter.clusters.kind import KindProvider
from kilter.dev.machine import Machine


def provider(machine: Machine) -> KindProvider:
    """Return the provider; it looks for kind's binary only when it creates a cluster."""
    return KindProvider(machine.runner, machine.paths, lambda: machine.tool("kind"), machine.environment)
