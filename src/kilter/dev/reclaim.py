"""Volumes whose claim somebody deleted: the data is still there, and the next claim of that name is to find it.

Kubernetes keeps such a volume for the claim that is gone, by that claim's uid, and gives it to no other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kilter.dev.workspace import Workspace
from kilter.render.ownership import OBJECT, identity
from kilter.tools.kubectl import Kubectl

VOLUMES = "persistentvolumes"


def reclaim(workspace: Workspace, commands: Kubectl, objects: Iterable[Mapping[str, Any]]) -> None:
    """Give the released volumes among the cluster's objects back to the claims of their names, and say so (LC-Q18)."""
    for name in released(objects):
        workspace.machine.runner.run(commands.unclaim(name))
        workspace.machine.progress.warn(f"the claim of the volume {name} was deleted: a new one gets the same data")


def released(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of kilter's own volumes that wait for a claim which is gone, sorted."""
    return sorted(
        item["metadata"]["name"]
        for item in objects
        if item["kind"] == "PersistentVolume"
        and item.get("status", {}).get("phase") == "Released"
        and (item["metadata"].get("annotations") or {}).get(OBJECT) == identity(item)
    )
