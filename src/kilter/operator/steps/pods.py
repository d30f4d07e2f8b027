"""Why a release's pods will not start: the signals that end a wait at once (DP-Q45). Pure."""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from kilter.api.kilterapp_status import Workload
from kilter.operator.steps.base import Failed, Log
from kilter.operator.views import Container, Deployment, Pod, StatefulSet
from kilter.tools.pulls import PULLING, is_refused
from kilter.tools.starts import is_passing
from kilter.words import counted, shortened

# A kubelet that had not yet read the pod's Secrets has asked as nobody, and asks again with them, where they have a
# login for that registry.
ANONYMOUS: Final = "anonymous token"
HUB: Final = "docker.io"  # the registry of images whose name begins with none
CANNOT_START: Final = {
    "CreateContainerConfigError": "cannot be configured",
    "CreateContainerError": "cannot be created",
    "InvalidImageName": "has an image name that is none",
    "RunContainerError": "cannot be started",
    "ErrImageNeverPull": "has an image that is not there",
}
TEXT: Final = 400  # characters of what Kubernetes says


def failure(pods: Iterable[Pod], deployments: Iterable[Deployment], logins: Collection[str]) -> Failed | None:
    """Return the first signal that waiting will not help, or None; `logins` are registries that pods have one for."""
    for pod in sorted(pods, key=lambda each: each.metadata.name):
        signals = (_container(pod, each, logins) for each in pod.containers)
        found = _unschedulable(pod) or next(filter(None, signals), None)
        if found is not None:
            return found
    return next((said for each in deployments if (said := _deployment(each))), None)


def anonymous(pods: Iterable[Pod], logins: Collection[str]) -> tuple[str, ...]:
    """Say for which images the nodes have asked without the login that the pod has for them."""
    return tuple(
        f"the node asked for the image of {each.name} without the login of Pod {pod.metadata.name}"
        for pod in pods
        for each in pod.containers
        if _asked_as_nobody(each, logins)
    )


def unpulled(pods: Iterable[Pod], logins: Collection[str]) -> tuple[str, ...]:
    """Say which images the nodes did not get, although nobody refused them: a node tries again by itself."""
    failed = ((each, said) for pod in pods for each in pod.containers if (said := _pull_fault(each)) is not None)
    return tuple(
        f"the node could not pull the image of {each.name}, and tries again: {_short(said)}"
        for each, said in failed
        if not _is_refused(each) and not _asked_as_nobody(each, logins)
    )


def report(maker: Deployment | StatefulSet, own: Sequence[Pod]) -> Workload:
    """Count the pods of what makes them: its own numbers do not tell those of its newest state from others."""
    restarts = sum(container.restart_count for pod in own for container in pod.containers)
    ready = sum(pod.ready for pod in own)
    return Workload(name=maker.metadata.name, desired=maker.spec.replicas, ready=ready, restarts=restarts)


def is_seen(maker: Deployment | StatefulSet) -> bool:
    """Tell whether what its status says is about the spec that it has."""
    return maker.status.observed_generation >= maker.metadata.generation


def _pull_fault(container: Container) -> str | None:
    """Return what the node says of an image that it could not pull; None where it did not fail."""
    waiting = container.state.waiting
    return waiting.message if waiting is not None and waiting.reason in PULLING else None


def _asked_as_nobody(container: Container, logins: Collection[str]) -> bool:
    if ANONYMOUS not in (_pull_fault(container) or ""):
        return False
    first, slash, _ = container.image.partition("/")
    host = first if slash and (first == "localhost" or "." in first or ":" in first) else HUB
    return any(fnmatchcase(host, each) for each in logins)


def _is_refused(container: Container) -> bool:
    """Tell whether the registry has refused the image, rather than not answered."""
    return is_refused(_pull_fault(container) or "")


def _container(pod: Pod, container: Container, logins: Collection[str]) -> Failed | None:
    waiting, named = container.state.waiting, f"Pod {pod.metadata.name}"
    if waiting is None:
        return None
    if _is_refused(container) and not _asked_as_nobody(container, logins):
        said = f"the image of {container.name} cannot be pulled: {_short(waiting.message)}"
        return Failed("ImagePullFailed", said, named)
    if waiting.reason in CANNOT_START and not is_passing(waiting.message):
        said = f"the container {container.name} {CANNOT_START[waiting.reason]}: {_short(waiting.message)}"
        return Failed(waiting.reason, said, named)
    if waiting.reason == "CrashLoopBackOff":
        log = Log(pod.metadata.name, container.name, previous=True)
        return Failed("CrashLoop", _crash(container), named, log)
    return None


def _crash(container: Container) -> str:
    ended, times = container.last_state.terminated, container.restart_count + 1  # it waits for the next start
    said = f"the container {container.name} ends again and again, {counted(times, 'time')} so far"
    if ended is None:
        return said
    if ended.reason == "OOMKilled":
        return f"{said}: it needs more memory than its limit"
    if ended.exit_code == 0:
        return f"{said}: it ends with exit code 0 instead of serving"
    return f"{said}, last with exit code {ended.exit_code}"


def _unschedulable(pod: Pod) -> Failed | None:
    for condition in pod.status.conditions or ():
        if (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "Unschedulable"):
            said = f"no node has room for the pod: {_short(condition.message)}"
            return Failed("Unschedulable", said, f"Pod {pod.metadata.name}")
    return None


def _deployment(deployment: Deployment) -> Failed | None:
    named = f"Deployment {deployment.metadata.name}"
    for condition in deployment.status.conditions or ():
        if condition.type == "ReplicaFailure" and condition.status == "True":
            quota = "exceeded quota" in condition.message
            said = f"its pods cannot be made: {_short(condition.message)}"
            return Failed("QuotaExceeded" if quota else condition.reason or "ReplicaFailure", said, named)
        if condition.type == "Progressing" and condition.status == "False":
            return Failed(condition.reason or "NotProgressing", _short(condition.message), named)
    return None


def _short(text: str) -> str:
    return shortened(text, TEXT) or "Kubernetes does not say why"
