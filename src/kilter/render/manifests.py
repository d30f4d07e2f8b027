"""The Kubernetes objects of a project, as plain maps: the namespace, the apps, and what the charts gave."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from kilter.catalog.model import fill
from kilter.errors import BadInput, Failed
from kilter.render.model import HTTP, AppPlan, Plan, ServicePlan
from kilter.render.names import COMPONENT
from kilter.render.ownership import PROJECT, Object, owned
from kilter.render.services import requests, unexpanded
from kilter.render.text import load_all
from kilter.render.volumes import claiming
from kilter.words import quantity

RENDERED = "kilter.dev/rendered"  # on every workload: tells a waiting kilter that this very manifest was applied
SERVICE, NAME = "kilter.dev/service", "app.kubernetes.io/name"
WORKLOADS = ("StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob")
CLUSTER_WIDE = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CSIDriver",
        "CustomResourceDefinition",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
APP_MEMORY, APP_CPU = "512Mi", "50m"
RESOLVER = "timeout:1"  # a cluster that just started loses questions for names; by itself, glibc asks again after 5 s
WAIT_PAUSE = 0.3  # seconds between two questions to a service that an app waits for
NOBODY = 65534


def namespace(plan: Plan) -> list[Object]:
    """Return the project's namespace."""
    return [owned(plan, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": plan.namespace}})]


def from_chart(plan: Plan, service: str, text: str) -> list[Object]:
    """Return the objects of a rendered chart, workloads last and marked; raises as `chart_objects` does."""
    objects = [marked(owned(plan, claiming(item))) for item in chart_objects(service, text, plan.namespace)]
    return sorted(objects, key=lambda item: (item["kind"] in WORKLOADS, item["kind"], item["metadata"]["name"]))


def chart_objects(name: str, text: str, namespace: str) -> list[Object]:
    """Return the objects of a rendered chart, with every namespaced one in `namespace` (NS-Q6).

    Raises BadInput when the chart has hooks (CT-Q13), Failed when its text is no Kubernetes YAML.
    """
    objects = []
    for document in _documents(name, text):
        metadata = document["metadata"]
        if any(str(key).startswith("helm.sh/hook") for key in metadata.get("annotations") or {}):
            raise BadInput(
                f"the chart of {name} has a hook: {document['kind']} {metadata['name']}",
                why="applied text has no hooks; the object would run at the wrong time",
            )
        placed = dict(metadata)
        if document["kind"] not in CLUSTER_WIDE:
            placed["namespace"] = namespace
        objects.append({**document, "metadata": placed})
    return objects


def app(plan: Plan, app: AppPlan) -> list[Object]:
    """Return the objects of one component or process: Secret, Service and workload, each only if needed."""
    objects: list[Object] = []
    if app.injected:
        objects.append(_object(plan, app, "v1", "Secret", _secret(app), type="Opaque", stringData=dict(app.injected)))
    if app.port:
        port = {"name": HTTP, "port": app.port, "targetPort": HTTP, "protocol": "TCP", "nodePort": app.node_port}
        spec = {"type": "NodePort", "selector": selector(app.name), "ports": [port]}
        objects.append(_object(plan, app, "v1", "Service", app.name, spec=spec))
    if app.schedule:
        workload = _object(plan, app, "batch/v1", "CronJob", app.name, spec=_cron_job(plan, app))
    else:
        matched, template = {"matchLabels": selector(app.name)}, _pod(plan, app, "Always")
        body = {"replicas": app.replicas, "selector": matched, "template": template}
        workload = _object(plan, app, "apps/v1", "Deployment", app.name, spec=body)
    return [*(owned(plan, item) for item in objects), marked(owned(plan, workload))]


def selector(name: str) -> dict[str, str]:
    """Return the labels by which a Service and a workload find the pods of `name`."""
    return {NAME: name, SERVICE: name}


def marked(item: Object) -> Object:
    """Return a workload with the hash of its own text as an annotation; other objects unchanged."""
    if item["kind"] not in WORKLOADS:
        return item
    digest = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:16]
    metadata = item["metadata"]
    return {**item, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), RENDERED: digest}}}


def _documents(service: str, text: str) -> list[Object]:
    try:
        documents = load_all(text)
    except yaml.YAMLError as error:
        raise Failed(f"the chart of {service} does not render to YAML", why=str(error)) from None
    for document in documents:
        if not {"kind", "apiVersion", "metadata"} <= set(document):
            raise Failed(f"the chart of {service} renders something that is no Kubernetes object")
    return [item for document in documents for item in (document["items"] if _is_list(document) else [document])]


def _is_list(document: Mapping[str, Any]) -> bool:
    return document["kind"] == "List" and "items" in document


def _object(plan: Plan, app: AppPlan, version: str, kind: str, name: str, **body: object) -> Object:
    metadata = {"name": name, "namespace": plan.namespace, "labels": _labels(plan, app)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}


def _labels(plan: Plan, app: AppPlan) -> dict[str, str]:
    return {**selector(app.name), COMPONENT: app.component, PROJECT: plan.project}


def _secret(app: AppPlan) -> str:
    return f"{app.name}-env"


def _cron_job(plan: Plan, app: AppPlan) -> Object:
    template = _pod(plan, app, "Never")
    return {
        "schedule": app.schedule,
        "concurrencyPolicy": "Forbid",
        "successfulJobsHistoryLimit": 1,
        "failedJobsHistoryLimit": 1,
        "jobTemplate": {"spec": {"backoffLimit": 0, "template": template}},
    }


def _pod(plan: Plan, app: AppPlan, restart: str) -> Object:
    metadata: Object = {"labels": _labels(plan, app)}
    if app.injected:
        # A changed address or password takes effect by a new pod.
        digest = hashlib.sha256(json.dumps(app.injected, sort_keys=True).encode()).hexdigest()[:16]
        metadata["annotations"] = {"kilter.dev/environment": digest}
    waits = [] if app.schedule else [_wait(plan, service) for service in _awaited(plan)]
    spec = {
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "restartPolicy": restart,
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        **({"initContainers": waits} if waits else {}),
        "containers": [_container(app)],
    }
    return {"metadata": metadata, "spec": spec}


def _awaited(plan: Plan) -> list[ServicePlan]:
    """Return the services that apps wait for, the smallest first.

    The kubelet takes a second or two from one waiting container to the next; the small services are up sooner, so that
    this passes while the large ones start.
    """
    return sorted((one for one in plan.services if one.entry.wait), key=lambda one: quantity(one.memory))


def _wait(plan: Plan, service: ServicePlan) -> Object:
    """Return the container that holds an app back until a service answers; it bears the service's name (CT-Q17)."""
    words = {"host": plan.host(service.name)}
    port = {service.primary.name: service.primary.container}
    command = shlex.join(fill(word, words, port, service.primary.name) for word in service.entry.wait)
    return {
        "name": service.name,
        "image": service.image,
        "command": ["sh", "-c", f"until {command} >/dev/null 2>&1; do sleep {WAIT_PAUSE}; done"],
        "env": [{"name": "RES_OPTIONS", "value": RESOLVER}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
        },
    }


def _container(app: AppPlan) -> Object:
    limits = {"memory": app.memory or APP_MEMORY} | ({"cpu": app.cpu} if app.cpu else {})
    container: Object = {"name": app.name, "image": app.image}
    if app.command:
        container["command"] = [unexpanded(word) for word in app.command]
    container["env"] = [_from_secret(app, name) for name in app.injected] + [
        {"name": name, "value": unexpanded(value)} for name, value in app.env.items()
    ]
    if app.port:
        container["ports"] = [{"name": HTTP, "containerPort": app.port, "protocol": "TCP"}]
        probe = {"tcpSocket": {"port": HTTP}, "timeoutSeconds": 2}
        container["startupProbe"] = {**probe, "periodSeconds": 1, "failureThreshold": 600}
        container["readinessProbe"] = {**probe, "periodSeconds": 5, "failureThreshold": 2}
    container["resources"] = {"requests": requests(limits, APP_CPU), "limits": limits}
    container["securityContext"] = {"allowPrivilegeEscalation": False}
    return container


def _from_secret(app: AppPlan, name: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": _secret(app), "key": name}}}
