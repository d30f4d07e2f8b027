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


def delete(kind: Path | str, name: str, *, kubeconfig: Path) -> Command:
    """Delete a cluster. By name alone: it cannot tell whose cluster it is, so the caller must know."""
    argv = (str(kind), "delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig))
    return Command(argv, env=_environment(kubeconfig), timeout=120)


def _environment(kubeconfig: Path) -> dict[str, str | None]:
    """Pin what kind would otherwise take from the user's environment; never the user's kubeconfig (NS-Q10)."""
    return {
        "KUBECONFIG": str(kubeconfig),
        "KIND_EXPERIMENTAL_PROVIDER": "docker",
        "KIND_EXPERIMENTAL_DOCKER_NETWORK": NETWORK,
        "KIND_CLUSTER_NAME": None,
    }
