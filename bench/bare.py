"""A bare kind cluster of the same node image: what the comparisons are made with."""

import time
from dataclasses import dataclass, field

from bench.process import Failed, run
from bench.shop import Shop

NAME = "bench-bare"
NODE = f"{NAME}-control-plane"
PATIENCE = 120.0
POLL = 0.1
CONFIG = "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n"
CGROUP_V1 = "kubeadmConfigPatches:\n  - |\n    kind: KubeletConfiguration\n    failCgroupV1: false\n"


@dataclass
class Bare:
    """Drives the cluster with the kind that kilter uses; needs a project that has been up once."""

    shop: Shop
    exists: bool = field(default=False, init=False)

    def create(self) -> float:
        """Run `kind create cluster --wait 60s`; return the seconds."""
        version = self.shop.docker("info", "--format", "{{.CgroupVersion}}").strip()
        config = CONFIG + (CGROUP_V1 if version == "1" else "")
        words = ("create", "cluster", "--name", NAME, "--image", self.shop.node_image, "--config", "-", "--wait", "60s")
        self.exists = True  # in part at least, should the next line fail
        return self._kind(*words, given=config)

    def delete(self) -> None:
        """Delete the cluster; without one this does nothing."""
        if self.exists:
            self._kind("delete", "cluster", "--name", NAME)
            self.exists = False

    def stop(self) -> float:
        """Run `docker stop` on the node; return the seconds."""
        return run(["docker", "stop", NODE], self.shop.environment).seconds

    def start(self) -> float:
        """Run `docker start` on the node and wait until its API server is ready; return the seconds."""
        began = time.monotonic()
        self.shop.docker("start", NODE)
        question = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/readyz"]
        while run(["docker", "exec", NODE, *question], self.shop.environment, ok=False).code:
            if time.monotonic() > began + PATIENCE:
                raise Failed(f"the API server of {NODE} is not ready {PATIENCE:g} s after its start")
            time.sleep(POLL)
        return time.monotonic() - began

    def _kind(self, *words: str, given: str | None = None) -> float:
        kubeconfig = str(self.shop.base / "bare.kubeconfig")
        return run(
            [self.shop.tool("kind"), *words, "--kubeconfig", kubeconfig], self.shop.environment, given=given
        ).seconds
