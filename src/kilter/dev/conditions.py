"""Reading the cluster's own truth: which workloads are ready, what the others wait for, and which will never be.

Pure: Kubernetes objects in (as `kubectl get -o json` prints them), verdicts out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kilter.render.manifests import RENDERED, SERVICE
from kilter.render.tree import Workload
from kilter.tools.kubectl import container_statuses
from kilter.tools.pulls import PULLING, is_refused
from kilter.tools.starts import is_passing
from kilter.words import counted

CRASHES_TOLERATED = 2  # a process may lose a race at its start once or twice; more is a fault
HOPELESS = frozenset({"InvalidImageName", "CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull"})
REVISION = "controller-revision-hash"  # label of a pod: the state of its StatefulSet that it is of
STARTING = frozenset({"ContainerCreating", "PodInitializing"})


@dataclass(frozen=True)
class Condition:
    """How a workload stands: ready, or what it waits for; `failure` is set when waiting will not help.

    `stuck_since` is told of those alone that `stuck` returns.
    """

    name: str
    ready: bool
    says: str
    failure: str = ""
    pod: str = ""
    stuck_since: datetime | None = None


def conditions(documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
    """Judge each target by the workloads and pods among the documents; the order is that of the targets."""
    return [_condition(target, workload, own) for target, workload, own in _matched(documents, targets)]


def stuck(documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
    """Return the pods of the targets that come to nothing, where new ones would follow.

    `stuck_since` is when one last failed, or when it was made; None for one in the way of a newer state.
    """
    found = []
    for target, workload, own in _matched(documents, targets):
        if workload is None or not _is_rendered(target, workload):
            continue
        for pod in (each for each in own if _is_judged(workload, each) and not _is_ending(each)):
            condition, blocks = pod_condition(target.service, pod), _is_in_the_way(workload, pod)
            if (blocks or condition.failure) and _is_made_by(workload, pod):
                found.append(replace(condition, stuck_since=None if blocks else _last_end(pod)))
    return found


def leaving(documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
    """Return the pods of the targets that are on their way out: until they are gone, requests may be led to them."""
    wanted = {target.service for target in targets}
    found = []
    for metadata in (item["metadata"] for item in documents if item["kind"] == "Pod" and _is_ending(item)):
        name, pod = metadata.get("labels", {}).get(SERVICE), metadata["name"]
        if name in wanted:
            found.append(Condition(name, False, f"is ready, and its old pod {pod} still ends", pod=pod))
    return found


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether all containers of a pod are ready, as it says itself."""
    containers = pod.get("status", {}).get("containerStatuses", [])
    return bool(containers) and all(container.get("ready") for container in containers)


def _is_ending(pod: Mapping[str, Any]) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _matched(
    documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]
) -> Iterator[tuple[Workload, Mapping[str, Any] | None, list[Mapping[str, Any]]]]:
    """Yield each target with its object, if there is one, and its pods."""
    listed = list(documents)
    workloads = {(item["kind"], item["metadata"]["name"]): item for item in listed if item["kind"] != "Pod"}
    pods = [item for item in listed if item["kind"] == "Pod"]
    for target in targets:
        own = [pod for pod in pods if pod["metadata"].get("labels", {}).get(SERVICE) == target.service]
        yield target, workloads.get((target.kind, target.name)), own


def _is_rendered(target: Workload, workload: Mapping[str, Any]) -> bool:
    return bool(workload["metadata"].get("annotations", {}).get(RENDERED) == target.rendered)


def _condition(target: Workload, workload: Mapping[str, Any] | None, own: Sequence[Mapping[str, Any]]) -> Condition:
    if workload is None:
        return Condition(target.service, False, "is not applied yet")
    if not _is_rendered(target, workload):
        return Condition(target.service, False, "is being updated")
    status, wanted = workload.get("status", {}), workload["spec"].get("replicas", 1)
    settled = status.get("observedGeneration", 0) >= workload["metadata"].get("generation", 0)
    updated = status.get("updatedReplicas", 0) >= wanted and status.get("readyReplicas", 0) >= wanted
    # A pod that has just failed says so before what made it does.
    serving = sum(is_ready(pod) for pod in own if not _is_ending(pod)) >= wanted
    if settled and updated and serving and status.get("replicas", 0) == wanted:
        return Condition(target.service, True, "is ready")
    if newest := _newest([pod for pod in own if _is_judged(workload, pod)]):
        return pod_condition(target.service, newest)
    if old := _newest(own):
        return Condition(target.service, False, "waits for its new pod", pod=old["metadata"]["name"])
    return Condition(target.service, False, "has no pod yet")


def _is_judged(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Tell whether a pod is made as its workload says now; another one says nothing of what is to come.

    Those of a StatefulSet all count: Kubernetes replaces none of them as long as it fails.
    """
    template = workload["spec"].get("template", {}).get("metadata", {})
    return workload["kind"] == "StatefulSet" or all(
        (template.get(marks) or {}).items() <= pod["metadata"].get(marks, {}).items()
        for marks in ("labels", "annotations")
    )


def _is_in_the_way(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Tell whether a StatefulSet waits for a pod of an earlier state that does not run: it replaces none before.

    See "Forced rollback" in https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/.
    """
    status, generation = workload.get("status", {}), workload["metadata"].get("generation", 0)
    if workload["kind"] != "StatefulSet" or status.get("observedGeneration", 0) < generation:
        return False
    reasons = {_waiting(container)[0] for container in container_statuses(pod)} - {""} - STARTING
    newest = status.get("updateRevision", "")
    return bool(reasons or _unscheduled(pod)) and pod["metadata"].get("labels", {}).get(REVISION, "") != newest


def _is_made_by(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Tell whether a workload makes another pod in this one's place; anybody may give a pod its labels.

    A ReplicaSet is named after its Deployment, with a hash behind it.
    """
    name = workload["metadata"]["name"]
    return any(
        owner.get("controller")
        and (
            owner["name"] == name
            if workload["kind"] == "StatefulSet"
            else owner["kind"] == "ReplicaSet" and owner["name"].rpartition("-")[0] == name
        )
        for owner in pod["metadata"].get("ownerReferences", [])
    )


def _last_end(pod: Mapping[str, Any]) -> datetime:
    """Return when a container of a pod last ended, or else when the pod was made."""
    runs = (container.get("lastState", {}).get("terminated", {}) for container in container_statuses(pod))
    ended = [run["finishedAt"] for run in runs if run.get("finishedAt")]
    return datetime.fromisoformat(max(ended, default=pod["metadata"]["creationTimestamp"]))


def _newest(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    living = [pod for pod in pods if not _is_ending(pod)]
    return max(living, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), default=None)


def pod_condition(name: str, pod: Mapping[str, Any]) -> Condition:
    """Judge a pod that is not ready yet."""
    where = pod["metadata"]["name"]
    status = pod.get("status", {})
    first = status.get("initContainerStatuses", [])
    for container in container_statuses(pod):
        reason, message = _waiting(container)
        if _is_hopeless(reason, message, container.get("restartCount", 0)):
            return Condition(name, False, f"failed: {reason}", sentence(name, container, reason, message), where)
        if says := _waits_before(container) if container in first else _waits(container):
            return Condition(name, False, says, pod=where)
    unscheduled = _unscheduled(pod)
    says = f"cannot be scheduled: {unscheduled[0]}" if unscheduled else "is starting (pulling its image)"
    return Condition(name, False, says, pod=where)


def _unscheduled(pod: Mapping[str, Any]) -> list[str]:
    """Return what the scheduler says of a pod that it has no place for."""
    return [
        entry.get("message", "")
        for entry in pod.get("status", {}).get("conditions", [])
        if entry.get("type") == "PodScheduled" and entry.get("status") == "False"
    ]


def _waits_before(container: Mapping[str, Any]) -> str:
    """Say what an init container waits for; empty when it has ended, or is only starting."""
    return f"waits for {container.get('name')}" if "running" in container.get("state", {}) else _held_up(container)


def _waits(container: Mapping[str, Any]) -> str:
    """Say what a container waits for; empty when it runs and is ready, or is only starting."""
    state = container.get("state", {})
    if "running" in state and not container.get("ready"):
        return "runs, but does not answer its readiness probe yet"
    if "terminated" in state:
        code = state["terminated"].get("exitCode", "?")
        return f"ended with exit code {code}, and starts again ({_restarts(container)})"
    return _held_up(container)


def _restarts(container: Mapping[str, Any]) -> str:
    return counted(container.get("restartCount", 0), "restart")


def _held_up(container: Mapping[str, Any]) -> str:
    reason, _ = _waiting(container)
    return f"{reason} ({_restarts(container)})" if reason and reason not in STARTING else ""


def sentence(name: str, container: Mapping[str, Any], reason: str, message: str) -> str:
    """Say in one sentence why a container will not run."""
    if reason == "CrashLoopBackOff":
        ended = container.get("lastState", {}).get("terminated", {})
        code = ended.get("exitCode", "?")
        how = "ran out of its memory limit" if ended.get("reason") == "OOMKilled" else f"ended with exit code {code}"
        return f"{name} {how}, {counted(container.get('restartCount', 0), 'time')} in a row"
    if reason in PULLING:
        return f"the image {container.get('image')} of {name} cannot be pulled: {message}"
    return f"{name} cannot start: {reason}: {message}"


def _waiting(container: Mapping[str, Any]) -> tuple[str, str]:
    waiting = container.get("state", {}).get("waiting", {})
    return waiting.get("reason", ""), waiting.get("message", "")


def _is_hopeless(reason: str, message: str, restarts: int) -> bool:
    if reason in PULLING:
        return is_refused(message)
    if reason in HOPELESS:
        return not is_passing(message)
    return reason == "CrashLoopBackOff" and restarts > CRASHES_TOLERATED
