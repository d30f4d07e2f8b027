"""When the pods of a release are as it wants them, and how they are counted."""

from typing import Any

import msgspec
import pytest
from unit.operator.test_steps import target

from kilter.operator.steps import rollout
from kilter.operator.steps.base import Failed
from kilter.operator.views import Deployment, Pod
from kilter.render import names

NEW, OLD = "dep-1", "dep-0"
WORKER = {"processes": {"worker": {"command": ["work"]}}}


def deployment(name: str = "shop", **changes: Any) -> Deployment:
    """A Deployment of the release with one pod that is wanted; its controller has looked at it and is done."""
    status = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    metadata = {"name": name, "generation": 2, "labels": {names.RELEASE: NEW}}
    return msgspec.convert({"metadata": metadata, "spec": {"replicas": 1}, "status": status | changes}, Deployment)


def pod(name: str, release: str = NEW, process: str = "", **changes: Any) -> Pod:
    """A pod; `ready`, `restarts`, `waiting` (why its container does not run) and `metadata` say how it is."""
    labels = {names.RELEASE: release, names.COMPONENT: "process" if process else "web"}
    labels |= {names.PROCESS: process} if process else {}
    state = {"waiting": {"reason": changes["waiting"]}} if "waiting" in changes else {}
    container = {"name": "app", "restartCount": changes.get("restarts", 0), "state": state}
    ready = {"type": "Ready", "status": str(changes.get("ready", True))}
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels, **changes.get("metadata", {})},
            "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [container]},
        },
        Pod,
    )


def counted(found: rollout.Facts, **changes: Any) -> dict[str, tuple[int, int, int]]:
    """What status says of each workload: how many pods are wanted, how many ready, how often they started anew."""
    said = rollout.report(target(**changes), found)["workloads"]
    return {each.name: (each.desired, each.ready, each.restarts) for each in said}


def test_a_ready_pod_of_the_release_before_is_none_of_this_one() -> None:
    """The Deployment counts both: one is ready, one is updated."""
    midway = deployment(replicas=2)
    crashing = pod("shop-new-1", ready=False, restarts=4, waiting="CrashLoopBackOff")
    assert counted(rollout.Facts([midway], [pod("shop-old-1", OLD), crashing])) == {"shop": (1, 0, 4)}
    assert counted(rollout.Facts([midway], [pod("shop-old-1", OLD), pod("shop-new-1")])) == {"shop": (1, 1, 0)}


def test_a_pod_that_is_asked_to_end_does_not_count() -> None:
    ending = pod("shop-1", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert counted(rollout.Facts([deployment()], [ending])) == {"shop": (1, 0, 0)}


def test_restarts_of_a_process_are_not_those_of_the_app_whose_name_its_own_begins_with() -> None:
    found = rollout.Facts(
        [deployment(), deployment("shop-worker")],
        [pod("shop-a-1"), pod("shop-worker-b-1", process="worker", ready=False, restarts=37)],
    )
    assert counted(found, **WORKER) == {"shop": (1, 1, 0), "shop-worker": (1, 0, 37)}


@pytest.mark.requirement("DP-Q45")
def test_what_a_deployment_says_of_the_spec_before_fails_no_deploy() -> None:
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    unseen = deployment(observedGeneration=1, conditions=[stuck])
    waits = rollout.decide(target(), rollout.Facts([unseen], [pod("shop-old-1", OLD)])).verdict
    assert "shop has not been looked at yet" in waits.message
    seen = deployment(conditions=[stuck], readyReplicas=0)
    assert isinstance(rollout.decide(target(), rollout.Facts([seen], [])).verdict, Failed)


@pytest.mark.parametrize(
    ("pods", "serving"),
    [
        ([pod("shop-1", OLD), pod("shop-2", NEW, ready=False)], (OLD,)),
        ([pod("shop-1", OLD), pod("shop-2")], (OLD, NEW)),
        ([pod("shop-2"), pod("shop-worker-1", OLD, process="worker")], (NEW,)),
        ([pod("shop-2", ready=False)], ()),
    ],
)
def test_those_serve_of_which_a_web_pod_is_ready(pods: list[Pod], serving: tuple[str, ...]) -> None:
    assert rollout.report(target(), rollout.Facts([deployment()], pods))["serving"] == serving
