"""The route: the app answers at its public host, and what answers is the new release (DP-8, DP-10).

A condition of an object is a promise; the proof is an answer. The route adds a header with the deploy's id, which shows
that the Gateway follows the new route; that only pods of the release answer is shown by the endpoints behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from kilter.operator.steps.base import Decision, Done, Failed, Target, Verdict, Wait
from kilter.operator.views import Condition, EndpointSlice, HTTPRoute, Pod
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
class Facts:
    """The app's route, endpoints and pods, and an answer if one was asked for."""

    route: HTTPRoute | None = None
    slices: Sequence[EndpointSlice] = ()
    pods: Mapping[str, Pod] = field(default_factory=dict)
    answer: Answer | None = None
    reachable: bool = True  # whether the operator knows where the Gateway is


def decide(target: Target, facts: Facts) -> Decision:
    """Decide whether the release is what its users meet."""
    spec = target.app.spec
    report = {"url": url(target) if spec.public else "", "internal_url": internal_url(target)}
    if wait := ready_to_ask(target, facts):
        return Decision(wait, report=report)
    if not spec.public:
        service = names.workload(spec.app)
        return Decision(Done(f"ready pods of the release stand behind the Service {service}"), report=report)
    return Decision(_proof(target, facts), report=report)


def ready_to_ask(target: Target, facts: Facts) -> Failed | Wait | None:
    """Return what stands in the way of an answer, as far as objects say; None when it is worth asking."""
    public = target.app.spec.public
    accepted = _accepted(target, facts.route) if public else None
    return accepted or _endpoints(target, facts) or (_unsettled(target, facts) if public else None)


def is_to_answer(target: Target) -> bool:
    """Tell whether it takes an answer of the Gateway to be Ready: at first, and again once it fell silent."""
    return target.app.spec.public and (not target.settled or target.fell_silent)


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


def _proof(target: Target, facts: Facts) -> Verdict:
    deploy, answer, after = target.app.spec.deploy_id, facts.answer, LATER if target.fell_silent else SOON
    if not is_to_answer(target):
        return Done(
            f"the Gateway has accepted the route of {host(target)}, and ready pods of the release stand behind it"
        )
    if not facts.reachable:
        return Failed("NoGateway", "the operator was not told where the Gateway is, so nobody can tell that it answers")
    if answer is None or not answer.status:
        why = f": {answer.why}" if answer is not None else ""
        return Wait("NoAnswer", f"{host(target)} does not answer yet{why}", after)
    if answer.release != deploy:
        met = f"release {answer.release}" if answer.release else f"no release of kilter's (status {answer.status})"
        return Wait("OtherRelease", f"{host(target)} is still answered by {met}", after)
    if answer.status in BAD_GATEWAY:
        return Wait("BadGateway", f"{host(target)} answers {answer.status}", after)
    return Done(f"the release answers at {host(target)}")


def _accepted(target: Target, route: HTTPRoute | None) -> Failed | Wait | None:
    """Check what the Gateway says of the route (Gateway API, HTTPRoute status)."""
    if route is None or route.metadata.label(names.RELEASE) != target.app.spec.deploy_id:
        return Wait("NoRoute", "the route of the release has not been applied yet")
    named, parents = f"HTTPRoute {route.metadata.name}", route.status.parents or ()
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


def _is_stale(condition: Condition, route: HTTPRoute) -> bool:
    return condition.observed_generation is not None and condition.observed_generation < route.metadata.generation


def _unsettled(target: Target, facts: Facts) -> Wait | None:
    """Give the Gateway time to hear that the last pod of an earlier release is asked to end.

    The header comes with the route, which the Gateway may follow before it has dropped the old endpoints.
    """
    if target.settled:
        return None
    release = target.app.spec.deploy_id
    for pod in facts.pods.values():
        if pod.metadata.label(names.RELEASE) == release or pod.metadata.label(names.COMPONENT) != "web":
            continue
        until = pod.metadata.deletion_timestamp
        if until is None:
            continue
        asked = datetime.fromisoformat(until) - timedelta(seconds=pod.metadata.deletion_grace_period_seconds)
        left = SETTLING - (target.now - asked).total_seconds()
        if left > 0:
            return Wait("OldEndpoints", f"pod {pod.metadata.name} of an earlier release was just asked to end", left)
    return None


def _endpoints(target: Target, facts: Facts) -> Wait | None:
    """Check that whatever receives requests is a ready pod of the release, and that there is one."""
    service, deploy = names.workload(target.app.spec.app), target.app.spec.deploy_id
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
