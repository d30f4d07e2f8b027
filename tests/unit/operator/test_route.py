"""When the release is what its users meet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from unit.operator.test_steps import target

from kilter.operator.steps import route
from kilter.operator.steps.base import Done, Target, Wait
from kilter.operator.views import EndpointSlice, HTTPRoute, Pod
from kilter.render import names

GRACE = 40
SERVICE = names.workload("shop")
RELEASE = {names.RELEASE: "dep-1"}


def pod(name: str, release: str, component: str = "web", **metadata: Any) -> Pod:
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {names.RELEASE: release, names.COMPONENT: component}, **metadata},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
        Pod,
    )


def ended(name: str, at: datetime, component: str = "web") -> Pod:
    """A pod of an earlier release that was asked to end at that time, as the API server tells it."""
    gone = (at + timedelta(seconds=GRACE)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return pod(name, "dep-0", component, deletionTimestamp=gone, deletionGracePeriodSeconds=GRACE)


def facts(*pods: Pod, answer: str = "dep-1", behind: tuple[str, ...] = ("new",)) -> route.Facts:
    found = {"metadata": {"name": SERVICE, "labels": RELEASE, "generation": 1}}
    accepted = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    points = [{"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": name}} for name in behind]
    return route.Facts(
        route=msgspec.convert(found | {"status": {"parents": [{"conditions": accepted}]}}, HTTPRoute),
        slices=[
            msgspec.convert(
                {"metadata": {"name": "s", "labels": {route.SERVICE: SERVICE}}, "endpoints": points}, EndpointSlice
            )
        ],
        pods={each.metadata.name: each for each in pods},
        answer=route.Answer(200, answer),
    )


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
    worker = ended("worker", now, "process")
    assert isinstance(verdict(asked, facts(new, worker)), Done), "nobody asks a process"
