"""Commands for kind, which makes clusters."""

from collections.abc import Mapping
from pathlib import Path

from kilter.proc import Command

NETWORK = "kilter"  # Docker's network of the nodes
CREATION_LIMIT = 600.0  # seconds; the pull of a node image over a slow line is part of it


def create(
    kind: Path | str, name: str, *, config: str, kubeconfig: Path, image: str, env: Mapping[str, str] | None = None
) -> Command:
    """Create a cluster from a config text; `env` is what kind gets beyond the user's environment.

    `--retain` leaves a failed node in place: who called reads its log and then removes it, if it is its own.
    """
    argv = (str(kind), "create", "cluster", "--name", name, "--config", "-", "--image", image, "--retain")
    return Command(
        (*argv, "--wait", "0s", "--kubeconfig", str(kubeconfig)),
        env={**(env or {}), **_environment(kubeconfig)},
        stdin=config,
        timeout=CREATION_LIMIT,
    )


def version(kind: Path | str) -> Command:
    """Ask for the version; the answer is `kind v0.33.0 go1.25.0 linux/amd64`."""
    return Command((str(kind), "version"), timeout=20)


def get_clusters(kind: Path | str) -> Command:
    """List the names of all kind clusters of the engine, kilter's and others."""
    return Command((str(kind), "get", "clusters"), env=_environment(None), timeout=30)


def get_kubeconfig(kind: Path | str, name: str) -> Command:
    """Print the credentials of a running cluster."""
    return Command((str(kind), "get", "kubeconfig", "--name", name), env=_environment(None), timeout=30)


def delete(kind: Path | str, name: str, *, kubeconfig: Path) -> Command:
    """Delete a cluster. By name alone: it cannot tell whose cluster it is, so the caller must know."""
    argv = (str(kind), "delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig))
    return Command(argv, env=_environment(kubeconfig), timeout=120)


def _environment(kubeconfig: Path | None) -> dict[str, str | None]:
    """Pin what kind would otherwise take from the user's environment; never the user's kubeconfig (NS-Q10)."""
    return {
        "KUBECONFIG": str(kubeconfig) if kubeconfig else "/dev/null",
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": NETWORK,
        "KIND_CLUSTER_NAME": None,
    }
