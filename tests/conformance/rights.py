"""What each program of the platform may do on a cluster, and what it must not, one line each.

A line is `account verb resource [namespace]`, much as `kubectl auth can-i` is asked: `=name` narrows a resource, and
without a namespace all of them are meant.
"""

import json

from harness.platform import SYSTEM, Platform

ENV = "acme-shop-dev"  # the namespace of an environment, and its service account in the platform's namespace
APPS = "kilter-apps"
RBAC = "rbac.authorization.k8s.io"
KUSTOMIZATIONS = "kustomizations.kustomize.toolkit.fluxcd.io"
ROUTES = "httproutes.gateway.networking.k8s.io"
CONTROLLERS = ("kustomize-controller", "source-controller", "notification-controller")
READING = ("get", "list", "watch")
WRITING = ("create", "patch", "delete")

GIVEN = [
    f"kilter-server create kilterapps.kilter.dev {APPS}",
    f"kilter-server get pods/log {ENV}",
    f"kilter-operator patch kilterapps.kilter.dev/status {APPS}",
    "kilter-operator create namespaces",
    f"kilter-operator create secrets {ENV}",
    f"kilter-operator delete persistentvolumeclaims {ENV}",
    *(f"kilter-operator {verb} {kind}.apps" for verb in ("list", "watch") for kind in ("deployments", "statefulsets")),
    f"kilter-operator bind clusterroles.{RBAC}=kilter-env {ENV}",
    f"kilter-root create {KUSTOMIZATIONS} {SYSTEM}",
    f"kustomize-controller impersonate serviceaccounts {SYSTEM}",
    "kustomize-controller list serviceaccounts",
    f"source-controller get secrets {SYSTEM}",
    *(
        f"{controller} update leases.coordination.k8s.io={controller}-leader-election {SYSTEM}"
        for controller in CONTROLLERS
    ),
    "traefik list secrets",
    f"kilter-registry-upkeep patch deployments.apps=kilter-registry {SYSTEM}",
    f"{ENV} create deployments.apps {ENV}",
    f"{ENV} create {ROUTES} {ENV}",
]
DENIED = [
    *(f"kilter-server {verb} secrets {place}" for verb in READING for place in (SYSTEM, APPS, ENV, "")),
    f"kilter-server get secrets=kilter-postgres {SYSTEM}",
    *(f"kilter-server create {kind} {ENV}" for kind in ("pods", "pods/exec", "deployments.apps", "configmaps")),
    f"kilter-server patch kilterapps.kilter.dev/status {APPS}",
    f"kilter-server list kilterapps.kilter.dev {ENV}",
    *(f"kilter-operator create {kind} {ENV}" for kind in ("pods", "pods/exec", "deployments.apps", f"roles.{RBAC}")),
    *(f"kilter-operator {verb} persistentvolumeclaims {ENV}" for verb in ("create", "patch")),
    f"kilter-operator create kilterapps.kilter.dev {APPS}",
    *(f"kilter-operator {verb} clusterroles.{RBAC}" for verb in (*WRITING, "escalate", "bind")),
    f"kilter-operator bind clusterroles.{RBAC}=cluster-admin {ENV}",
    f"kilter-operator create clusterrolebindings.{RBAC}",
    f"kilter-operator delete secrets {ENV}",
    "kilter-operator impersonate serviceaccounts",
    *(f"{controller} {verb} {kind} {place}"
      for controller in CONTROLLERS
      for verb in WRITING
      for kind in ("configmaps", "deployments.apps", "namespaces", f"rolebindings.{RBAC}", "secrets")
      for place in (ENV, SYSTEM)),
    *(f"{controller} get secrets {ENV}" for controller in CONTROLLERS),
    *(f"{controller} update leases.coordination.k8s.io=kilter-operator {SYSTEM}" for controller in CONTROLLERS),
    f"kilter-root create serviceaccounts {SYSTEM}",
    f"kilter-root create {KUSTOMIZATIONS} {ENV}",
    *(f"traefik {verb} secrets {SYSTEM}" for verb in WRITING),
    *(f"kilter-registry-upkeep {verb} deployments.apps=kilter-server {SYSTEM}" for verb in ("get", "patch")),
    *(f"kilter-registry-upkeep {verb} deployments.apps=kilter-registry {SYSTEM}" for verb in ("update", "delete")),
    *(f"kilter-registry-upkeep get {kind} {SYSTEM}" for kind in ("secrets", "pods", "pods/log", "configmaps")),
    f"kilter-registry-upkeep list deployments.apps {SYSTEM}",
    *(f"{ENV} {verb} {kind} {place}"
      for verb in ("get", *WRITING)
      for kind in ("deployments.apps", ROUTES, "secrets", "serviceaccounts")
      for place in ("default", APPS, SYSTEM)),
    f"{ENV} create {KUSTOMIZATIONS} {ENV}",
    f"{ENV} create rolebindings.{RBAC} {ENV}",
    f"{ENV} patch namespaces {ENV}",
    f"{ENV} patch resourcequotas {ENV}",
]  # fmt: skip


def allowed(platform: Platform, lines: list[str]) -> list[str]:
    """Return the lines that the cluster allows: one question for all of them, for each of which kubectl takes long."""
    known = set(platform.kubectl("api-resources", "--output", "name").split())
    asked = {resource.partition("=")[0].partition("/")[0] for _, _, resource, *_ in map(str.split, lines)}
    assert asked <= known, f"no such resources: {asked - known}"
    reviews = [review(*line.split()) for line in lines]
    content = {"apiVersion": "v1", "kind": "List", "items": reviews}
    verdict = r"jsonpath={.status.allowed}{'\n'}"
    verdicts = platform.kubectl("create", "--filename", "-", "--output", verdict, stdin=json.dumps(content)).split()
    return [line for line, told in zip(lines, verdicts, strict=True) if told == "true"]


def review(account: str, verb: str, resource: str, namespace: str = "") -> dict[str, object]:
    """Return the question whether a service account may do something; `resource` is `plural.group/part=name`."""
    kind, _, name = resource.partition("=")
    kind, _, part = kind.partition("/")
    plural, _, group = kind.partition(".")
    wanted = {"verb": verb, "group": group, "resource": plural, "subresource": part, "name": name}
    groups = ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{SYSTEM}"]
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{SYSTEM}:{account}",
            "groups": groups,
            "resourceAttributes": {**wanted, "namespace": namespace},
        },
    }
