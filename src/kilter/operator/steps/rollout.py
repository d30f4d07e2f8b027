"""The roll-out: every Deployment of the release has all its pods ready, or something says that it never will.

So have the services beside the app.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kilter.api.words import NOT_RUNNING
from kilter.operator.steps import beside, pods, services
from kilter.operator.steps.base import Decision, Done, Failed, Target, Verdict, Wait
from kilter.operator.steps.namespace import registries
from kilter.operator.views import Deployment, Pod, StatefulSet
from kilter.render.names import PROCESS, RELEASE
from kilter.words import counted


@dataclass(frozen=True)
class Facts:
    """The Deployments and the pods of the namespace, those of earlier releases among them, and its StatefulSets.

    `unseen` says why these cannot be told.
    """

    deployments: Sequence[Deployment] = ()
    pods: Sequence[Pod] = ()
    sets: Sequence[StatefulSet] = ()
    unseen: str = ""


def decide(target: Target, facts: Facts) -> Decision:
    """Compare what runs with the release. Once that was Ready, what is amiss with a service is said, and no more."""
    aside = _beside(target, facts)
    if not target.settled and isinstance(aside, Failed):
        return Decision(aside)
    decided = _release(target, facts)
    if isinstance(decided, Failed) or isinstance(aside, Done):
        return Decision(decided)
    said = f"{aside.object}: {aside.message}" if isinstance(aside, Failed) else aside.message
    if isinstance(decided, Wait):
        return Decision(Wait(decided.reason, f"{decided.message}; {said}", decided.after))
    if target.settled:
        return Decision(Done(decided.message, but="; ".join(filter(None, (decided.but, said)))))
    return Decision(aside)


def _release(target: Target, facts: Facts) -> Verdict:
    """Compare the Deployments and their pods with the release."""
    deploy = target.app.spec.deploy_id
    current = [pod for pod in facts.pods if pod.metadata.label(RELEASE) == deploy and _counts(pod)]
    found = {each.metadata.name: each for each in facts.deployments}
    wanted = [found.get(name) for name in target.workloads()]
    own = [each for each in wanted if each is not None and each.metadata.label(RELEASE) == deploy]
    logins = registries(target.settings)
    if failed := pods.failure(current, [each for each in own if pods.is_seen(each)], logins):
        is_met = target.settled and len(own) == len(wanted) and all(_serves(target, each) for each in own)
        return Done("the release serves", but=f"{failed.object}: {failed.message}") if is_met else failed
    pairs = zip(target.workloads(), wanted, strict=True)
    waits = [said for name, each in pairs if (said := _missing(target, name, each))]
    waits += pods.anonymous(current, logins)
    waits += pods.unpulled(current, logins) if waits else ()
    serves = target.settled and wanted[0] is not None and _serves(target, wanted[0])
    reason = NOT_RUNNING if serves else "RollingOut"
    return Wait(reason, "; ".join(waits)) if waits else Done("all pods of the release are ready")


def _beside(target: Target, facts: Facts) -> Verdict:
    """Look at the services beside the app."""
    names = services.beside(target)
    if names and facts.unseen:
        return Wait("Refused", f"nobody can tell whether {', '.join(names)} runs: {facts.unseen}", 15.0)
    if failed := beside.failure(target, facts.sets, facts.pods):
        return failed
    waits = beside.missing(target, facts.sets, facts.pods)
    return Wait("RollingOut", "; ".join(waits)) if waits else Done()


def report(target: Target, facts: Facts) -> Mapping[str, Any]:
    """Return how the pods of the newest release are, and of each service, and which deploys those are of that serve.

    So it is also for a deploy that has published nothing yet: its pods would be those of the release before it.
    """
    newest = target.app.status.release
    deploy = newest.deploy_id if newest is not None else target.app.spec.deploy_id
    there = [pod for pod in facts.pods if pod.metadata.label(RELEASE) and _counts(pod)]
    own = [pod for pod in there if pod.metadata.label(RELEASE) == deploy]
    found = {each.metadata.name: each for each in facts.deployments}
    parts = [(found[name], process) for name, process in target.workloads().items() if name in found]
    workloads = tuple(pods.report(each, [pod for pod in own if _is_of(pod, process)]) for each, process in parts)
    return {
        "workloads": (*workloads, *beside.report(target, facts.sets, facts.pods)),
        "serving": tuple(sorted({pod.metadata.label(RELEASE) for pod in there if pod.ready and _is_of(pod, "")})),
    }


def _missing(target: Target, name: str, found: Deployment | None) -> str:
    """Say what a Deployment lacks. Once the release was Ready, some pods coming and going is Kubernetes' daily work."""
    if found is None:
        return f"{name} has not been applied yet"
    spec, status = found.spec, found.status
    if found.metadata.label(RELEASE) != target.app.spec.deploy_id:
        return f"{name} is still that of an earlier release"
    if not pods.is_seen(found):
        return f"{name} has not been looked at yet"
    old, ready = status.replicas - status.updated_replicas, min(status.ready_replicas, status.available_replicas)
    lasting = " for long enough" if ready < status.ready_replicas else ""
    lacks = (
        (status.updated_replicas < spec.replicas, f"{status.updated_replicas} of {spec.replicas} pods are made"),
        (old > 0, f"{counted(old, 'pod')} of an earlier release still to end"),
        (ready < spec.replicas, f"{ready} of {spec.replicas} pods are ready{lasting}"),
    )
    enough = target.settled and _serves(target, found)
    return next((f"{name}: {said}" for lacking, said in lacks if lacking and not enough), "")


def _serves(target: Target, found: Deployment) -> bool:
    """Tell whether there is a ready pod, or none is wanted.

    A container that ends again and again is ready for a moment each time; what fell silent must stay so.
    """
    status = found.status
    ready = min(status.ready_replicas, status.available_replicas) if target.fell_silent else status.ready_replicas
    return ready > 0 or found.spec.replicas == 0


def _is_of(pod: Pod, process: str) -> bool:
    return pod.metadata.label(PROCESS) == process


def _counts(pod: Pod) -> bool:
    return pod.metadata.deletion_timestamp is None and pod.status.phase not in ("Succeeded", "Failed")
