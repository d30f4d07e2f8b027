"""The objects through which Flux applies an env, and how to read what it says of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kilter.gitops.model import Change
from kilter.render import names
from kilter.render.names import Slot

API = "kustomize.toolkit.fluxcd.io/v1"
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
ORG, APP, ENV = "kilter.dev/org", "kilter.dev/app", "kilter.dev/env"


@dataclass(frozen=True)
class Flux:
    """How Flux is installed on the cluster that reads the repository.

    Durations are as Go writes them, because others may write the object back: `10m` would then differ from `10m0s`.

    Source, service accounts and the age key are all in `namespace`: Flux refuses references to other namespaces.
    """

    cluster: str = "default"
    namespace: str = "flux-system"
    source: str = "kilter"
    decryption_secret: str = ""  # none: what is encrypted cannot be applied
    interval: str = "10m0s"
    retry_interval: str = "30s"
    timeout: str = "2m0s"


def ready(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the condition `Ready` of a status that Flux wrote; empty before it says anything."""
    conditions = status.get("conditions") or ()
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def kustomization(change: Change, path: str, flux: Flux) -> dict[str, Any]:
    """Return the Flux Kustomization of one env (DP-Q16): its path, its namespace, and its own service account."""
    slot = Slot(change.org, change.app, change.env)
    decryption = {"provider": "sops", "secretRef": {"name": flux.decryption_secret}}
    return {
        "apiVersion": API,
        "kind": "Kustomization",
        "metadata": {
            "name": change.namespace,
            "namespace": flux.namespace,
            "labels": {**names.labels(slot, change.namespace), names.MANAGED_BY: names.OPERATOR},
        },
        "spec": {
            "interval": flux.interval,
            "retryInterval": flux.retry_interval,
            "timeout": flux.timeout,
            "prune": True,
            # The operator judges readiness by the release's own answer; waiting here would hold the next commit up.
            "wait": False,
            "path": f"./{path}",
            "sourceRef": {"kind": "GitRepository", "name": flux.source},
            "serviceAccountName": change.namespace,
            "targetNamespace": change.namespace,
            **({"decryption": decryption} if flux.decryption_secret else {}),
        },
    }
