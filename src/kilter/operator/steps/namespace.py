"""The environment's namespace: its labels, its quota, its wall, and the rights that Flux has in it (DP-24)."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from kilter.api.kilterapp import LABEL_CLASS
from kilter.api.words import EnvClass
from kilter.operator import kinds
from kilter.operator.covers import covers
from kilter.operator.effects import Apply
from kilter.operator.kinds import Kind, Object
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, identity, is_own
from kilter.render import names

QUOTA: Final = "kilter.dev"  # no name of kilter's has a dot, so that nothing of an app is called this
DENY: Final = "deny.kilter.dev"
APPLIER: Final = "apply.kilter.dev"
CHECKSUM: Final = "kilter.dev/checksum"
# Room for an app with its processes and services at the profile's largest; what is beyond it is a fault or an abuse.
LIMITS: Final[Mapping[EnvClass, Mapping[str, str]]] = {
    "protected": {"pods": "100", "requests.cpu": "16", "requests.memory": "32Gi", "limits.memory": "64Gi"},
    "standard": {"pods": "50", "requests.cpu": "8", "requests.memory": "16Gi", "limits.memory": "32Gi"},
    "ephemeral": {"pods": "30", "requests.cpu": "4", "requests.memory": "8Gi", "limits.memory": "16Gi"},
}
# Objects that reach beyond the namespace, or fill the cluster's store.
COUNTS: Final[Mapping[str, str]] = {
    "count/jobs.batch": "50",
    "persistentvolumeclaims": "10",
    "requests.storage": "100Gi",
    "secrets": "100",
    "configmaps": "100",
    "services": "40",
    "services.loadbalancers": "0",
    "services.nodeports": "0",
}


@dataclass(frozen=True)
class Facts:
    """What there is. `namespace` is looked up by name, so that a foreign one is seen too."""

    namespace: Object | None = None
    quota: Object | None = None
    policy: Object | None = None
    account: Object | None = None
    binding: Object | None = None
    pull: Object | None = None  # of the Secret with the logins for images, metadata alone


def decide(target: Target, facts: Facts) -> Decision:
    """Make what is missing or changed; refuse a namespace that belongs to somebody else."""
    metadata = (facts.namespace or {}).get("metadata", {})
    labels = metadata.get("labels") or {}
    if facts.namespace is not None and not is_own(target, labels):
        return Decision(Failed("NamespaceTaken", _taken(target, labels), f"Namespace {target.name}"))
    if metadata.get("deletionTimestamp"):
        return Decision(Wait("NamespaceEnding", f"an earlier namespace {target.name} is still being deleted", 5.0))
    if facts.account is not None and not is_own(target, facts.account["metadata"].get("labels") or {}):
        said = f"the service account {target.name} of Flux was not made by kilter for {target.slot}"
        return Decision(Failed("ServiceAccountTaken", said, f"ServiceAccount {target.name}"))
    observed = (facts.namespace, facts.quota, facts.policy, facts.account, facts.binding)
    pairs = zip(observed, wanted(target), strict=True)
    effects = tuple(Apply(thing) for found, thing in pairs if not covers(found, thing))
    pull = pull_secret(target)
    # A checksum stands for the content, which no watch brings.
    if pull is not None and not covers(facts.pull, {"metadata": pull["metadata"]}):
        effects += (Apply(pull),)
    return Decision(Done(f"namespace {target.name}"), effects, {"namespace": target.name})


def wanted(target: Target) -> tuple[Object, ...]:
    """Return the objects, the namespace first."""
    flux = target.settings.flux
    space = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/warn": "restricted",
        LABEL_CLASS: target.app.spec.class_,
    }
    limits = {**LIMITS[target.app.spec.class_], **COUNTS}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": flux.role}
    account = {"kind": "ServiceAccount", "name": target.name, "namespace": flux.namespace}
    return (
        _made(target, kinds.NAMESPACE, "", target.name, labels=space),
        _made(target, kinds.RESOURCE_QUOTA, target.name, QUOTA, {"spec": {"hard": limits}}),
        # Policies only ever add up, so what denies everything takes nothing away from the release's own.
        _made(target, kinds.NETWORK_POLICY, target.name, DENY, {"spec": {"podSelector": {}, "policyTypes": BOTH}}),
        _made(target, kinds.SERVICE_ACCOUNT, flux.namespace, target.name, {"automountServiceAccountToken": False}),
        _made(target, kinds.ROLE_BINDING, target.name, APPLIER, {"roleRef": role, "subjects": [account]}),
    )


def pull_secret(target: Target) -> Object | None:
    """Return the Secret with which the environment's images are pulled; None where nobody asks for one."""
    content = target.settings.pull_config.encode()
    if not content:
        return None
    made = _made(target, kinds.SECRET, target.name, names.PULL_SECRET)
    metadata = {**made["metadata"], "annotations": {CHECKSUM: hashlib.sha256(content).hexdigest()}}
    data = {".dockerconfigjson": base64.b64encode(content).decode()}
    return {**made, "metadata": metadata, "type": "kubernetes.io/dockerconfigjson", "data": data}


BOTH: Final = ["Ingress", "Egress"]


def _made(
    target: Target,
    kind: Kind,
    namespace: str,
    name: str,
    content: Mapping[str, object] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Object:
    place = {"name": name, "namespace": namespace} if namespace else {"name": name}
    metadata = {**place, "labels": {**target.labels, **(labels or {})}}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **(content or {})}


def _taken(target: Target, labels: Mapping[str, str]) -> str:
    others = "/".join(part or "?" for part in identity(labels))
    holder = f"belongs to {others}" if any(identity(labels)) else "was not made by kilter"
    return f"{target.slot} needs the namespace {target.name}, which {holder}"
