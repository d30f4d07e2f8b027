"""The services that run beside the app: a deploy is Ready only with their pods. Pure."""

from collections.abc import Sequence

from kilter.api.kilterapp_status import Workload
from kilter.operator.steps import pods
from kilter.operator.steps.base import Failed, Target
from kilter.operator.steps.services import beside
from kilter.operator.views import REVISION, Pod, StatefulSet
from kilter.render.names import SERVICE

CLAIM = "persistentvolumeclaim"  # in what the scheduler says of a pod whose volume is not there, or not yet


def failure(target: Target, sets: Sequence[StatefulSet], found: Sequence[Pod]) -> Failed | None:
    """Return the first signal that waiting for a service will not help; its pods have no login for any registry.

    A volume may take a while to be made, and a pod of an earlier state says nothing of this one.
    """
    known = {each.metadata.name: each for each in sets}
    judged = (
        pod
        for name in beside(target)
        for pod in _pods(name, found)
        if name in known and pods.is_seen(known[name]) and _is_newest(known[name], pod) and not _lacks_volume(pod)
    )
    return pods.failure(judged, (), ())


def missing(target: Target, sets: Sequence[StatefulSet], found: Sequence[Pod]) -> list[str]:
    """Say what each service lacks."""
    known = {each.metadata.name: each for each in sets}
    return [said for name in beside(target) if (said := _missing(target, known.get(name), name, _pods(name, found)))]


def report(target: Target, sets: Sequence[StatefulSet], found: Sequence[Pod]) -> tuple[Workload, ...]:
    """Return how the pods of each service are."""
    wanted = [each for name in beside(target) for each in sets if each.metadata.name == name]
    return tuple(pods.report(each, _pods(each.metadata.name, found)) for each in wanted)


def _missing(target: Target, found: StatefulSet | None, name: str, own: Sequence[Pod]) -> str:
    if found is None:
        return f"{name} has not been applied yet"
    if not pods.is_seen(found):
        return f"{name} has not been looked at yet"
    wanted, status = found.spec.replicas, found.status
    lacks = (
        (status.updated_replicas, f"{status.updated_replicas} of {wanted} pods are made"),
        (status.ready_replicas, f"{status.ready_replicas} of {wanted} pods are ready"),
    )
    said = next((f"{name}: {words}" for there, words in lacks if there < wanted), "")
    volumes = [f"no volume for Pod {pod.metadata.name} yet: {why[:200]}" for pod in own if (why := _lacks_volume(pod))]
    stuck = [_in_the_way(target, pod) for pod in own if not _is_newest(found, pod) and not pod.ready]
    return "; ".join((said, *stuck, *volumes, *pods.unpulled(own, ()))) if said else ""


def _in_the_way(target: Target, pod: Pod) -> str:
    """Say what frees a pod of an earlier state that is not ready: a StatefulSet replaces none before it is.

    See "Forced rollback" in https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/.
    """
    name, trouble = pod.metadata.name, pods.failure([pod], (), ())
    why = f" ({trouble.message})" if trouble is not None else ""
    free = f"`kubectl --namespace {target.name} delete pod {name}`"
    return (
        f"Pod {name} is of an earlier state and not ready{why}, and is replaced only once somebody deletes it: {free}"
    )


def _pods(name: str, found: Sequence[Pod]) -> list[Pod]:
    return [pod for pod in found if pod.metadata.label(SERVICE) == name and pod.metadata.deletion_timestamp is None]


def _is_newest(found: StatefulSet, pod: Pod) -> bool:
    return pod.metadata.label(REVISION) == found.status.update_revision


def _lacks_volume(pod: Pod) -> str:
    """Return what the scheduler says of the volume that a pod waits for; empty where it waits for none."""
    said = (each.message for each in pod.status.conditions or () if each.reason == "Unschedulable")
    return next((each for each in said if CLAIM in each.lower()), "")
