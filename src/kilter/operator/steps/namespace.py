"""The environment's namespace: its labels, its quota, its wall, and the rights that Flux has in it (DP-24)."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from kilter.api.kilterapp import LABEL_CLASS
from kilter.api.words import EnvClass
from kilter.operator import kinds
from kilter.operator.covers import covers
from kilter.operator.effects import Apply, Disown, Effect
from kilter.operator.kinds import Kind, Object
from kilter.operator.settings import Settings
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, identity, is_own
from kilter.operator.steps.pods import HUB
from kilter.render import names
from kilter.signing import keys, pulls

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
    effects: tuple[Effect, ...] = tuple(Apply(thing) for found, thing in pairs if not covers(found, thing))
    if facts.namespace is not None and metadata.get("ownerReferences"):
        effects = (Disown(facts.namespace), *effects)
    # A checksum stands for the content, which no watch brings.
    if target.settings.pulls_with_login and not covers(facts.pull, {"metadata": pull_metadata(target)}):
        effects += (Apply(pull_secret(target)),)
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


def pull_metadata(target: Target) -> dict[str, Any]:
    """Return the metadata of the Secret with which images are pulled; a checksum in it tells of what it is made."""
    settings, made = target.settings, _made(target, kinds.SECRET, target.name, names.PULL_SECRET)
    # Not of its content, because some keys sign the same text differently each time.
    registry = settings.registry
    source = f"{settings.pull_config}\n{registry.place}\n{registry.issuer}\n{registry.key}"
    return {**made["metadata"], "annotations": {CHECKSUM: hashlib.sha256(source.encode()).hexdigest()}}


def pull_secret(target: Target) -> Object:
    """Return the Secret with which the environment's images are pulled."""
    made = _made(target, kinds.SECRET, target.name, names.PULL_SECRET)
    data = {".dockerconfigjson": base64.b64encode(logins(target)).decode()}
    return {**made, "metadata": pull_metadata(target), "type": "kubernetes.io/dockerconfigjson", "data": data}


def logins(target: Target) -> bytes:
    """Return the logins for images, as Docker writes them: those that are given, and one for the app's own images."""
    settings, spec = target.settings, target.app.spec
    given: dict[str, Any] = json.loads(settings.pull_config) if settings.pull_config else {}
    if settings.registry.key:
        repository = settings.registry.repository(spec.org, spec.app)
        word = pulls.password(_key(settings.registry.key), settings.registry.issuer, repository)
        own = {settings.registry.host: {"auth": base64.b64encode(f"kilter:{word}".encode()).decode()}}
        given = {**given, "auths": {**given.get("auths", {}), **own}}
    return json.dumps(given, sort_keys=True).encode()


def registries(settings: Settings) -> frozenset[str]:
    """Return the hosts of the registries that there is a login for; Docker's way of writing them knows `*`."""
    given = json.loads(settings.pull_config)["auths"] if settings.pull_config else {}
    own = (settings.registry.host,) if settings.registry.key else ()
    hosts = (each.partition("://")[2] or each for each in (*given, *own))
    return frozenset(host.partition("/")[0].replace("index.docker.io", HUB) for host in hosts)


@lru_cache(maxsize=1)
def _key(pem: str) -> keys.Key:
    """Reading a key checks its numbers, which takes longer than a signature."""
    return keys.read(pem)


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
