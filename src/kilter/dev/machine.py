"""What every feature works with: a runner of processes, the machine's records, the environment, and progress."""

from collections.abc import Mapping
from dataclasses import dataclass

from kilter.proc import Runner
from kilter.progress import Progress
from kilter.state.paths import Paths

NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""The default node image of kind 0.33.0, from the constant in that release (decision 12 of the specification)."""

KUBERNETES = "1.37.0"


@dataclass(frozen=True)
class Machine:
    """One developer's machine, as kilter sees it."""

    runner: Runner
    paths: Paths
    environment: Mapping[str, str]
    progress: Progress

    def node_image(self, wanted: str | None) -> str:
        """Return the node image: what the project asks for, else `KILTER_NODE_IMAGE`, else the pinned one (LC-Q1)."""
        return wanted or self.environment.get("KILTER_NODE_IMAGE") or NODE_IMAGE
