"""What rendering needs to know about the machine; the same options and plan give the same bytes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RenderOptions:
    """Facts of the machine.

    `base` is the first number of the project's block of ports; all of it is mapped into the node unless
    `mapped` says which numbers are. `registry_host` is the image registry as Tilt pushes
    to it, `registry_in_cluster` as the node pulls from it. The three folders are mounted into the node, each left out
    when None. `kubeadm_patches` and `cluster_patch` are YAML texts added to kind's config.
    """

    base: int
    mapped: tuple[int, ...] | None = None
    node_image: str | None = None
    registry_host: str = "localhost:32760"
    registry_in_cluster: str = "kilter-registry:5000"
    cgroup_v1: bool = False
    ipv6: bool = False
    data_dir: Path | None = None
    identity_dir: Path | None = None
    certs_dir: Path | None = None
    kubeadm_patches: tuple[str, ...] = ()
    cluster_patch: str = ""
