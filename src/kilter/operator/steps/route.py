"""The route: the app answers at its public hosts, and what answers is the new release (DP-8, DP-10).

A condition of an object is a promise; the proof is an answer. The route adds a header with the deploy's id, which shows
that the Gateway follows the new route; that only pods of the release answer is shown by the endpoints behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kilter.api.words import NOT_RUNNING
from kilter.operator.steps.base import Decision, Done, Failed, Target, Verdict, Wait
from kilter.operator.views import Condition, EndpointSlice, HTTPRoute, Pod, RouteParent
from kilter.render import names

SERVICE: Final = "kubernetes.io/service-name"  # label of an EndpointSlice
BAD_GATEWAY: Final = frozenset({502, 503, 504})  # what a Gateway says when it has nobody to ask
SOON: Final = 2.0  # seconds until the next try
LATER: Final = 10.0  # of what was Ready and fell silent, which nobody waits for and which may stay so
# Seconds from the end of an old pod to a Gateway that knows of it: half a one between two looks of the chart's Traefik,
# a moment for the look, and one because all times are whole seconds.
SETTLING: Final = 2.0


@dataclass(frozen=True)
class Answer:
    """What came back from the public host: the status, and the release's header. Status 0: nothing, and why."""

    status: int
    release: str = ""
    why: str = ""


@dataclass(frozen=True)
class Front:
    """What receives requests: the app, or a public process, which may have no pods. Without a host it has no route."""

    service: str
    process: str = ""
    host: str = ""
    has_pods: bool = True


@dataclass(frozen=True)
class Facts:
    """The app's routes, endpoints and pods, and by host the answers that were asked for."""

    routes: Mapping[str, HTTPRoute] = field(default_factory=dict)
    slices: Sequence[EndpointSlice] = ()
    pods: Mapping[str, Pod] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    reachable: bool = True  # whether the operator knows where the Gateway is


def decide(target: Target, facts: Facts) -> Decision:
    """Decide whether the release is what its users meet, everywhere."""
    report = {"url": url(target) if target.app.spec.public else "", "internal_url": internal_url(target)}
    said: list[str] = []
    for front in fronts(target):
        verdict = judged(target, facts, front)
        if not isinstance(verdict, Done):
            return Decision(verdict, report=report)
        said.append(verdict.message)
    return Decision(Done("; ".join(said)), report=report)


def fronts(target: Target) -> tuple[Front, ...]:
    """Return what receives requests, the app itself first; raises BadInput for a host that cannot exist."""
    spec, domain = target.app.spec, target.settings.domain
    further = [
        Front(names.workload(spec.app, name), name, names.host(target.slot, domain, name), process.replicas > 0)
        for name, process in spec.processes.items()
        if process.public and process.port and not process.schedule
    ]
    return (Front(names.workload(spec.app), host=host(target) if spec.public else ""), *further)


def judged(target: Target, facts: Facts, front: Front) -> Verdict:
    """Decide whether the release is what users meet at one place.

    Where a process of what was Ready is met no more, the app itself serves on.
    """
    verdict = ready_to_ask(target, facts, front) or _proof(target, facts, front)
    if front.process and target.settled and not isinstance(verdict, Done):
        after = verdict.after if isinstance(verdict, Wait) else LATER
        return Wait(NOT_RUNNING, verdict.message, after)
    return verdict


def ready_to_ask(target: Target, facts: Facts, front: Front) -> Failed | Wait | None:
    """Return what stands in the way of an answer, as far as objects say; None when it is worth asking."""
    accepted = _accepted(target, facts.routes.get(front.service)) if front.host else None
    if accepted is not None or not front.has_pods:
        return accepted
    return _endpoints(target, facts, front) or (_unsettled(target, facts, front) if front.host else None)


def is_to_answer(target: Target, front: Front) -> bool:
    """Tell whether it takes an answer of the Gateway to be Ready: at first, and again once it fell silent."""
    return bool(front.host) and front.has_pods and (not target.settled or target.fell_silent)


def url(target: Target) -> str:
    """Return the public address."""
    settings = target.settings
    return names.public_url("https" if settings.tls else "http", host(target), settings.public_port)


def host(target: Target) -> str:
    """Return the public host."""
    return names.host(target.slot, target.settings.domain)


def internal_url(target: Target) -> str:
    """Return the address for pods."""
    return names.internal_url(names.workload(target.app.spec.app), target.name, target.app.spec.port)


def _proof(target: Target, facts: Facts, front: Front) -> Verdict:
    deploy, answer, after = target.app.spec.deploy_id, facts.answers.get(front.host), _pause(target)
    if not is_to_answer(target, front):
        return Done(_looked_at(front))
    if not facts.reachable:
        return Failed("NoGateway", "the operator was not told where the Gateway is, so nobody can tell that it answers")
    if answer is None or not answer.status:
        why = f": {answer.why}" if answer is not None else ""
        return Wait("NoAnswer", f"{front.host} does not answer yet{why}", after)
    if answer.release != deploy:
        met = f"release {answer.release}" if answer.release else f"no release of kilter's (status {answer.status})"
        return Wait("OtherRelease", f"{front.host} is still answered by {met}", after)
    if answer.status in BAD_GATEWAY:
        return Wait("BadGateway", f"{front.host} answers {answer.status}", after)
    return Done(f"the release answers at {front.host}")


def _pause(target: Target) -> float:
    return LATER if target.fell_silent else SOON


def _looked_at(front: Front) -> str:
    """Say what there is, where nobody asked for an answer."""
    if not front.host:
        return f"ready pods of the release stand behind the Service {front.service}"
    pods = "ready pods of the release stand behind it" if front.has_pods else "no pod is wanted behind it"
    return f"the Gateway has accepted the route of {front.host}, and {pods}"


def _accepted(target: Target, route: HTTPRoute | None) -> Failed | Wait | None:
    """Check what the Gateway says of the route (Gateway API, HTTPRoute status)."""
    if route is None or route.metadata.label(names.RELEASE) != target.app.spec.deploy_id:
        return Wait("NoRoute", "the route of the release has not been applied yet")
    named = f"HTTPRoute {route.metadata.name}"
    parents = [each for each in route.status.parents or () if _is_asked(target, route, each)]
    if not parents:
        return Wait("RouteUnseen", "no Gateway has looked at the route yet")
    for parent in parents:
        conditions = {each.type: each for each in parent.conditions or ()}
        for wanted in ("Accepted", "ResolvedRefs"):
            found = conditions.get(wanted)
            if found is None or _is_stale(found, route):
                return Wait("RouteUnseen", "the Gateway has not looked at this state of the route yet")
            if found.status != "True":
                return Failed(found.reason or wanted, f"the Gateway refuses the route: {found.message[:400]}", named)
    return None


def _is_asked(target: Target, route: HTTPRoute, parent: RouteParent) -> bool:
    """Tell whether it is the platform's Gateway that says so: what one said that is gone stays where it stood."""
    gateway, found = target.settings.gateway, parent.parent_ref
    return (found.name, found.namespace or route.metadata.namespace) == (gateway.name, gateway.namespace)


def _is_stale(condition: Condition, route: HTTPRoute) -> bool:
    return condition.observed_generation is not None and condition.observed_generation < route.metadata.generation


def _unsettled(target: Target, facts: Facts, front: Front) -> Wait | None:
    """Give the Gateway time to hear that the last pod of an earlier release is asked to end.

    The header comes with the route, which the Gateway may follow before it has dropped the old endpoints.
    """
    if target.settled:
        return None
    release = target.app.spec.deploy_id
    for pod in facts.pods.values():
        if pod.metadata.label(names.RELEASE) in ("", release) or pod.metadata.label(names.PROCESS) != front.process:
            continue
        until = pod.metadata.deletion_timestamp
        if until is None:
            continue
        asked = datetime.fromisoformat(until) - timedelta(seconds=pod.metadata.deletion_grace_period_seconds)
        left = SETTLING - (target.now - asked).total_seconds()
        if left > 0:
            return Wait("OldEndpoints", f"pod {pod.metadata.name} of an earlier release was just asked to end", left)
    return None


def _endpoints(target: Target, facts: Facts, front: Front) -> Wait | None:
    """Check that whatever receives requests is a ready pod of the release, and that there is one."""
    service, deploy = front.service, target.app.spec.deploy_id
    found = [each for each in facts.slices if each.metadata.label(SERVICE) == service]
    ready = [
        point
        for each in found
        for point in each.endpoints or ()
        if point.conditions.ready is not False and not point.conditions.terminating
    ]
    if not ready:
        return Wait("NoEndpoints", f"no pod stands behind the Service {service} yet")
    for point in ready:
        pod = facts.pods.get(point.target_ref.name) if point.target_ref else None
        if pod is None or pod.metadata.label(names.RELEASE) != deploy:
            if target.settled and pod is None:
                continue  # the watch of pods may be a moment behind that of endpoints
            return Wait("OldEndpoints", f"a pod of an earlier release still stands behind the Service {service}")
        if not pod.ready and not target.settled:
            return Wait("OldEndpoints", f"pod {pod.metadata.name} stands behind the Service but is not ready")
    return None
