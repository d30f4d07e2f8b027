"""What the nodes of the platform's cluster can run."""

from collections.abc import Iterable
from typing import Any

from kilter.platform.target import Target
from kilter.proc import Runner
from kilter.tools.kubectl import parse_list


def platforms(runner: Runner, target: Target) -> tuple[str, ...]:
    """Return the platforms that images are to be built for, e.g. `linux/arm64` (DP-Q5); those of most nodes first.

    Raises Failed when the cluster does not tell.
    """
    return of_nodes(parse_list(runner.run(target.kubectl.get("nodes")).stdout))


def of_nodes(nodes: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the platforms of these nodes; those of other systems than Linux run no app."""
    counts: dict[str, int] = {}
    for node in nodes:
        info = node.get("status", {}).get("nodeInfo", {})
        if info.get("operatingSystem") == "linux" and info.get("architecture"):
            name = f"linux/{info['architecture']}"
            counts[name] = counts.get(name, 0) + 1
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))
