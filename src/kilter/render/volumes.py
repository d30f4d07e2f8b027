"""Where the services' data lies: one volume per claim, in a folder of its own that is named after the claim.

The folder outlives the cluster, and a new cluster finds it again by its name; a provisioner would start with an empty
one, and take seconds to do it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kilter.render.cluster import VOLUMES_MOUNT
from kilter.render.model import Plan
from kilter.render.ownership import owned

# None, rather than the cluster's default: a class that waits for the first pod lets the scheduler and the controller
# bind the same volume at the same time, and the one that loses tries again two seconds later.
STORAGE_CLASS = ""


def claiming(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a StatefulSet whose claims take the volumes of this module; what names a class of its own keeps it."""
    spec = item.get("spec") or {}
    if item["kind"] != "StatefulSet" or not spec.get("volumeClaimTemplates"):
        return dict(item)
    templates = [
        {**template, "spec": {"storageClassName": STORAGE_CLASS, **template["spec"]}}
        for template in spec["volumeClaimTemplates"]
    ]
    return {**item, "spec": {**spec, "volumeClaimTemplates": templates}}


def volumes(plan: Plan, objects: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a PersistentVolume for each claim that the StatefulSets among `objects` will make."""
    return [
        _volume(plan, f"{template['metadata']['name']}-{item['metadata']['name']}-{ordinal}", template["spec"])
        for item in objects
        if item["kind"] == "StatefulSet"
        for template in item["spec"].get("volumeClaimTemplates", [])
        for ordinal in range(item["spec"].get("replicas", 1))
    ]


def claims(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the claims whose volumes are among the documents: the folders they need."""
    return [item["spec"]["claimRef"]["name"] for item in documents if item["kind"] == "PersistentVolume"]


def _volume(plan: Plan, claim: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [f"{plan.cluster}-control-plane"]}
    made = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": claim},
        "spec": {
            "accessModes": wanted["accessModes"],
            "capacity": {"storage": wanted["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": plan.namespace,
                "name": claim,
            },
            "local": {"path": f"{VOLUMES_MOUNT}/{claim}"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": wanted.get("storageClassName", STORAGE_CLASS),
        },
    }
    return owned(plan, made)
