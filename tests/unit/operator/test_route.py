"""When the release is what its users meet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from unit.operator.test_steps import target

from kilter.operator.steps import route
from kilter.operator.steps.base import Done, Failed, Target, Wait
from kilter.operator.views import EndpointSlice, HTTPRoute, Pod, RouteStatus
from kilter.render import names

GRACE = 40
SERVICE = names.workload("shop")
RELEASE = {names.RELEASE: "dep-1"}
HOST, ADMIN_HOST = "shop.localhost", "shop--admin.localhost"
GATEWAY = {"name": "kilter", "namespace": "kilter-system"}
ADMIN: dict[str, Any] = {"processes": {"admin": {"command": ["admin"], "port": 9000, "public": True}}}


def pod(name: str, release: str, process: str = "", **metadata: Any) -> Pod:
    labels = {names.RELEASE: release} | ({names.PROCESS: process} if process else {})
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels, **metadata},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
        Pod,
    )


def ended(name: str, at: datetime, process: str = "") -> Pod:
    """A pod of an earlier release that was asked to end at that time, as the API server tells it."""
    gone = (at + timedelta(seconds=GRACE)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return pod(name, "dep-0", process, deletionTimestamp=gone, deletionGracePeriodSeconds=GRACE)


def facts(*pods: Pod, answer: str = "dep-1", behind: tuple[str, ...] = ("new",)) -> route.Facts:
    accepted = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    routed = {"labels": RELEASE, "generation": 1}
    routes = {
        name: {
            "metadata": {"name": name, **routed},
            "status": {"parents": [{"parentRef": GATEWAY, "conditions": accepted}]},
        }
        for name in (SERVICE, "shop-admin")
    }
    return route.Facts(
        routes=msgspec.convert(routes, dict[str, HTTPRoute]),
        slices=[slice_of(SERVICE, behind), slice_of("shop-admin", ("admin",))],
        pods={each.metadata.name: each for each in (*pods, pod("admin", "dep-1", "admin"))},
        answers=dict.fromkeys((HOST, ADMIN_HOST), route.Answer(200, answer)),
    )


def slice_of(service: str, behind: tuple[str, ...]) -> EndpointSlice:
    """The pods behind a Service."""
    points = [{"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}} for name in behind]
    found = {"metadata": {"name": f"{service}-s", "labels": {route.SERVICE: service}}, "endpoints": points}
    return msgspec.convert(found, EndpointSlice)


def verdict(asked: Target, found: route.Facts) -> object:
    return route.decide(asked, found).verdict


@pytest.mark.requirement("DP-8", "DP-10")
def test_a_release_is_met_when_its_header_comes_and_only_its_pods_are_behind_the_service() -> None:
    asked = target()
    new, old = pod("new", "dep-1"), pod("old", "dep-0")
    assert isinstance(verdict(asked, facts(new)), Done)
    behind = verdict(asked, facts(new, old, behind=("new", "old")))
    assert isinstance(behind, Wait)
    assert behind.reason == "OldEndpoints"
    other = verdict(asked, facts(new, answer="dep-0"))
    assert isinstance(other, Wait)
    assert other.reason == "OtherRelease"


@pytest.mark.requirement("DP-8", "DP-10")
def test_the_gateway_is_given_time_to_hear_that_an_old_pod_ends() -> None:
    """The header comes with the route: it may be there while old endpoints are still asked."""
    now = datetime.now(UTC).replace(microsecond=0)
    asked = Target(target().app, target().settings, now)
    new = pod("new", "dep-1")
    early = verdict(asked, facts(new, ended("old", now - timedelta(seconds=1))))
    assert isinstance(early, Wait)
    assert (early.reason, early.after) == ("OldEndpoints", 1.0)
    assert isinstance(verdict(asked, facts(new, ended("old", now - timedelta(seconds=2)))), Done)
    worker = ended("worker", now, "worker")
    assert isinstance(verdict(asked, facts(new, worker)), Done), "nobody asks a process"


@pytest.mark.requirement("DP-8")
def test_a_release_is_met_when_its_public_processes_answer_too() -> None:
    asked, found = target(**ADMIN), facts(pod("new", "dep-1"))
    assert verdict(asked, found) == Done(f"the release answers at {HOST}; the release answers at {ADMIN_HOST}")
    for lacking, reason in (
        (replace(found, routes={SERVICE: found.routes[SERVICE]}), "NoRoute"),
        (replace(found, slices=found.slices[:1]), "NoEndpoints"),
        (replace(found, answers={HOST: found.answers[HOST]}), "NoAnswer"),
        (replace(found, answers={**found.answers, ADMIN_HOST: route.Answer(503, "dep-1")}), "BadGateway"),
    ):
        waits = verdict(asked, lacking)
        assert isinstance(waits, Wait)
        assert waits.reason == reason
        assert isinstance(verdict(target(), lacking), Done), "without such a process nobody looks"


def test_a_route_that_is_refused_for_a_moment_fails_no_app_that_serves() -> None:
    """Its process is told to be met by nobody, once that has lasted for a while."""
    found = facts(pod("new", "dep-1"))
    refused = [
        {"type": "Accepted", "status": "True"},
        {"type": "ResolvedRefs", "status": "False", "reason": "NotFound"},
    ]
    parents = [{"parentRef": GATEWAY, "conditions": refused}]
    admin = {"metadata": {"name": "shop-admin", "labels": RELEASE}, "status": {"parents": parents}}
    broken = replace(found, routes={**found.routes, "shop-admin": msgspec.convert(admin, HTTPRoute)})
    assert isinstance(verdict(target(**ADMIN), broken), Failed)
    asked = target(**ADMIN)
    status = msgspec.structs.replace(asked.app.status, deploy_id="dep-1", phase="Ready")
    ready = replace(asked, app=msgspec.structs.replace(asked.app, status=status))
    assert ready.settled
    waits = verdict(ready, broken)
    assert isinstance(waits, Wait)
    assert waits.reason == "NotRunning"


@pytest.mark.parametrize("changes", [{"public": False}, {"port": 0}, {"replicas": 0}])
def test_a_process_that_nobody_is_to_meet_answers_nowhere(changes: dict[str, Any]) -> None:
    asked = target(processes={"admin": {**ADMIN["processes"]["admin"], **changes}})
    found = facts(pod("new", "dep-1"))
    alone = replace(found, slices=found.slices[:1], answers={HOST: found.answers[HOST]})
    assert isinstance(verdict(asked, alone), Done)


def test_an_app_that_is_internal_may_have_a_public_process() -> None:
    found = facts(pod("new", "dep-1"))
    admin_alone = replace(found, answers={ADMIN_HOST: found.answers[ADMIN_HOST]})
    assert isinstance(verdict(target(public=False, **ADMIN), admin_alone), Done)
    assert isinstance(verdict(target(public=False, **ADMIN), replace(found, answers={})), Wait)


@pytest.mark.requirement("DP-10")
def test_what_a_gateway_said_that_routes_are_attached_to_no_more_is_nothing_to_wait_for() -> None:
    asked, found = target(), facts(pod("new", "dep-1"))
    stale = {
        "parentRef": {"name": "kilter", "namespace": "former"},
        "conditions": [{"type": "Accepted", "status": "True"}],
    }
    (own,) = found.routes[SERVICE].status.parents or ()
    for said in ((own, stale), (stale, own), (stale,)):
        status = msgspec.convert({"parents": [msgspec.to_builtins(each) for each in said]}, RouteStatus)
        routes = {**found.routes, SERVICE: msgspec.structs.replace(found.routes[SERVICE], status=status)}
        is_met = isinstance(verdict(asked, replace(found, routes=routes)), Done)
        assert is_met == (own in said), "what no Gateway of the platform has looked at is waited for"
