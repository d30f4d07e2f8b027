"""Whose an object of the cluster is: the marks that every rendered object carries, and which kinds may go again."""

from collections.abc import Mapping
from typing import Any

from kilter.render.model import Plan

Object = dict[str, Any]

PROJECT = "kilter.dev/project"
# What the object was made as. Labels prove nothing, for `kubectl expose` and a copied manifest take them along; and
# Tilt writes its own name into the usual app.kubernetes.io/managed-by.
OBJECT = "kilter.dev/object"
KEEP = {"tilt.dev/down-policy": "keep"}  # Tilt, too, deletes what its Tiltfile no longer names

# Kinds that hold no data, and how kubectl lists them. Objects of all other kinds stay when they are no longer rendered:
# with a claim, a volume, a namespace or the definition of a kind, data would go (CT-Q6).
PRUNED: Mapping[str, str] = {
    "ClusterRole": "clusterroles.rbac.authorization.k8s.io",
    "ClusterRoleBinding": "clusterrolebindings.rbac.authorization.k8s.io",
    "ConfigMap": "configmaps",
    "CronJob": "cronjobs.batch",
    "DaemonSet": "daemonsets.apps",
    "Deployment": "deployments.apps",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers.autoscaling",
    "Ingress": "ingresses.networking.k8s.io",
    "Job": "jobs.batch",
    "NetworkPolicy": "networkpolicies.networking.k8s.io",
    "PodDisruptionBudget": "poddisruptionbudgets.policy",
    "Role": "roles.rbac.authorization.k8s.io",
    "RoleBinding": "rolebindings.rbac.authorization.k8s.io",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets.apps",
}


def identity(item: Mapping[str, Any]) -> str:
    """Return what an object is within its project: `<kind>/<name>`."""
    return f"{item['kind']}/{item['metadata']['name']}"


def owned(plan: Plan, item: Object) -> Object:
    """Return an object with the marks by which a later `kilter up` knows that kilter made it as this very object."""
    metadata = item["metadata"]
    labels = {**(metadata.get("labels") or {}), PROJECT: plan.project}
    kept = {} if item["kind"] in PRUNED else KEEP
    annotations = {**(metadata.get("annotations") or {}), OBJECT: identity(item), **kept}
    return {**item, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
