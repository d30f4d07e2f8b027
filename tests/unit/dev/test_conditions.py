from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from kilter.dev.conditions import Condition, conditions, leaving, stuck
from kilter.render.manifests import RENDERED, SERVICE
from kilter.render.tree import Workload

WEB = Workload("web", "Deployment", "web", "hash")


def deployment(rendered: str = "hash", generation: int = 1, **status: int) -> dict[str, Any]:
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": generation, "annotations": {RENDERED: rendered}},
        "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1} | status,
    }


def pod(*, created: str = "2026-01-01T00:00:00Z", conditions: Any = (), **container: Any) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": "web-1", "labels": {SERVICE: "web"}, "creationTimestamp": created},
        "status": {
            "containerStatuses": [{"image": "web:1", **container}] if container else [],
            "conditions": conditions,
        },
    }


def waiting(reason: str, message: str = "", *, restarts: int = 0, ended: Any = None) -> dict[str, Any]:
    return pod(
        state={"waiting": {"reason": reason, "message": message}},
        restartCount=restarts,
        lastState={"terminated": ended} if ended else {},
    )


def judge(*documents: dict[str, Any]) -> Condition:
    [condition] = conditions(documents, [WEB])
    return condition


@pytest.mark.requirement("CT-Q17")
def test_a_pod_that_waits_for_a_service_says_for_which() -> None:
    held = pod(state={"waiting": {"reason": "PodInitializing"}})
    held["status"]["initContainerStatuses"] = [
        {"name": "postgres", "state": {"terminated": {"exitCode": 0}}, "ready": True},
        {"name": "redis", "state": {"running": {}}},
    ]
    assert judge(deployment(readyReplicas=0), held).says == "waits for redis"


def test_an_image_that_a_wait_needs_and_nobody_has_is_a_failure() -> None:
    held = pod(state={"waiting": {"reason": "PodInitializing"}})
    state = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}
    held["status"]["initContainerStatuses"] = [{"name": "db", "image": "db:1", "state": state}]
    assert "db:1" in judge(deployment(readyReplicas=0), held).failure


def test_a_workload_whose_new_pods_are_ready_is_ready() -> None:
    assert judge(deployment(), pod(ready=True)).ready


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize("state", [{"terminated": {"exitCode": 7}}, {"waiting": {"reason": "CrashLoopBackOff"}}])
def test_a_workload_that_still_counts_a_pod_which_has_just_failed_is_not_ready(state: dict[str, Any]) -> None:
    """A pod says it first, and what made it a moment later."""
    failed = pod(state=state, ready=False, restartCount=1)
    assert not judge(deployment(), failed).ready
    gone = pod(ready=True)
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:09Z"
    assert not judge(deployment(), gone).ready
    assert not judge(deployment()).ready
    assert judge(deployment(replicas=0) | {"spec": {"replicas": 0}}).ready


@pytest.mark.parametrize("project", ["denied", "unauthorized", "forbidden"])
def test_the_name_of_an_image_is_no_answer_of_the_registry(project: str) -> None:
    image, away = f"kilter-registry:5000/{project}_web:tilt-1", "dial tcp 172.18.0.2:5000: connect: connection refused"
    asked = f'Head "http://kilter-registry:5000/v2/{project}_web/manifests/tilt-1": {away}'
    found = judge(deployment(readyReplicas=0), waiting("ErrImagePull", f'failed to pull image "{image}": {asked}'))
    assert (found.failure, found.says) == ("", "ErrImagePull (0 restarts)")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (deployment(rendered="older"), "is being updated"),
        (deployment(generation=2), "has no pod yet"),
        (deployment(updatedReplicas=0), "has no pod yet"),
        (deployment(replicas=2), "has no pod yet"),
    ],
)
def test_an_old_state_never_counts_as_ready(document: dict[str, Any], says: str) -> None:
    condition = judge(document)
    assert not condition.ready
    assert condition.says == says


def test_what_is_not_applied_is_awaited() -> None:
    assert judge(pod()) == Condition("web", False, "is not applied yet")


@pytest.mark.parametrize(
    ("document", "failure"),
    [
        (
            waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 3}),
            "web ended with exit code 3, 3 times in a row",
        ),
        (
            waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 137, "reason": "OOMKilled"}),
            "web ran out of its memory limit, 3 times in a row",
        ),
        (
            waiting("ImagePullBackOff", "docker.io/library/nope:1: not found"),
            "the image web:1 of web cannot be pulled: docker.io/library/nope:1: not found",
        ),
        (
            waiting("CreateContainerConfigError", 'secret "x" not found'),
            'web cannot start: CreateContainerConfigError: secret "x" not found',
        ),
    ],
)
def test_what_waiting_will_not_mend_is_one_sentence(document: dict[str, Any], failure: str) -> None:
    assert judge(deployment(readyReplicas=0), document).failure == failure


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition"),
        ("CreateContainerError", "context deadline exceeded"),
        ("CreateContainerError", 'failed to reserve container name "web_1": name "web_1" is reserved for "ab"'),
    ],
)
def test_what_a_busy_node_says_of_a_container_is_awaited(reason: str, message: str) -> None:
    condition = judge(deployment(readyReplicas=0), waiting(reason, message))
    assert (condition.failure, condition.says) == ("", f"{reason} (0 restarts)")


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (waiting("CrashLoopBackOff", restarts=1, ended={"exitCode": 1}), "CrashLoopBackOff (1 restart)"),
        (waiting("ErrImagePull", "dial tcp: i/o timeout"), "ErrImagePull (0 restarts)"),
        (waiting("ContainerCreating"), "is starting (pulling its image)"),
        (
            pod(state={"terminated": {"exitCode": 7}}, restartCount=2),
            "ended with exit code 7, and starts again (2 restarts)",
        ),
        (pod(state={"running": {}}, ready=False), "runs, but does not answer its readiness probe yet"),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}]),
            "cannot be scheduled: Insufficient memory",
        ),
    ],
)
def test_what_may_still_come_is_awaited_with_its_reason(document: dict[str, Any], says: str) -> None:
    condition = judge(deployment(readyReplicas=0), document)
    assert (condition.failure, condition.says) == ("", says)


def test_only_the_newest_pod_counts() -> None:
    old = waiting("CrashLoopBackOff", restarts=9, ended={"exitCode": 1})
    new = pod(created="2026-01-02T00:00:00Z", state={"running": {}}, ready=False)
    assert judge(deployment(readyReplicas=0), old, new).failure == ""


@pytest.mark.requirement("LC-33", "LC-Q16")
def test_a_pod_that_is_to_be_replaced_fails_nothing_before_the_new_one_is_there() -> None:
    """Right after `kubectl rollout restart`, or once a mended image is applied, the newest pod is the broken one."""
    old = waiting("CrashLoopBackOff", restarts=9, ended={"exitCode": 1})
    restarted = deployment(generation=2, readyReplicas=0)
    restarted["spec"]["template"] = {"metadata": {"labels": {SERVICE: "web"}, "annotations": {"restartedAt": "now"}}}
    assert judge(restarted, old) == Condition("web", False, "waits for its new pod", pod="web-1")
    new = waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 7})
    new["metadata"] |= {"name": "web-2", "annotations": {"restartedAt": "now", "more": "of the cluster's"}}
    assert judge(restarted, old, new).failure == "web ended with exit code 7, 3 times in a row"


def test_the_broken_pod_of_a_stateful_set_is_never_replaced_by_itself() -> None:
    redis = deployment(generation=2, readyReplicas=0) | {"kind": "StatefulSet"}
    redis["spec"]["template"] = {"metadata": {"annotations": {"restartedAt": "now"}}}
    broken = waiting("CrashLoopBackOff", restarts=9, ended={"exitCode": 1})
    [condition] = conditions([redis, broken], [replace(WEB, kind="StatefulSet")])
    assert condition.failure == "web ended with exit code 1, 9 times in a row"


OWNED = [{"kind": "StatefulSet", "name": "web", "controller": True}]
REPLICATED = [{"kind": "Other", "name": "x"}, {"kind": "ReplicaSet", "name": "web-74b4f9cc54", "controller": True}]
MADE, ENDED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:09+00:00"


@pytest.mark.parametrize(
    ("document", "since"),
    [
        (waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 1, "finishedAt": ENDED}), ENDED),
        (waiting("CreateContainerConfigError"), MADE),
    ],
)
def test_of_what_fails_the_last_time_is_known_where_another_pod_would_come(
    document: dict[str, Any], since: str
) -> None:
    assert stuck([deployment(readyReplicas=0), document], [WEB]) == []
    document["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "web", "controller": True}]
    assert stuck([deployment(readyReplicas=0), document], [WEB]) == [], "somebody's own, under the same label"
    document["metadata"]["ownerReferences"] = REPLICATED
    [found] = stuck([deployment(readyReplicas=0), document], [WEB])
    assert (found.pod, found.stuck_since) == ("web-1", datetime.fromisoformat(since))
    assert stuck([deployment("another", readyReplicas=0), document], [WEB]) == []
    assert stuck([document], [WEB]) == []
    copied = {"kind": "ReplicaSet", "name": "experiment-74b4f9cc54", "controller": True}
    document["metadata"]["ownerReferences"] = [copied]
    assert stuck([deployment(readyReplicas=0), document], [WEB]) == [], "of a copy that somebody made of the Deployment"


def test_of_several_pods_each_that_fails_is_found_and_none_that_ends() -> None:
    pods = [waiting("CrashLoopBackOff", restarts=3, ended={"exitCode": 1, "finishedAt": ENDED}) for _ in range(3)]
    for number, each in enumerate(pods):
        each["metadata"] |= {"name": f"web-{number}", "ownerReferences": REPLICATED}
    pods[2]["metadata"]["deletionTimestamp"] = ENDED
    assert [each.pod for each in stuck([deployment(readyReplicas=0), *pods], [WEB])] == ["web-0", "web-1"]


@pytest.mark.parametrize(
    ("state", "revision", "generation", "is_stuck"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "i/o timeout"}}, "old", 1, True),
        ({"waiting": {"reason": "ImagePullBackOff", "message": "i/o timeout"}}, "new", 1, False),
        ({"waiting": {"reason": "ImagePullBackOff", "message": "i/o timeout"}}, "old", 2, False),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, "old", 1, True),
        ({}, "old", 1, True),
        ({"waiting": {"reason": "ContainerCreating"}}, "old", 1, False),
        ({"running": {}}, "old", 1, False),
    ],
    ids=["in the way", "the newest", "not looked at yet", "crashes", "has no place", "starting", "runs"],
)
def test_a_pod_that_keeps_a_stateful_set_from_its_newest_state_is_found(
    state: dict[str, Any], revision: str, generation: int, is_stuck: bool
) -> None:
    nowhere = [{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}]
    found = pod(state=state, ready=False) if state else pod(conditions=nowhere)
    found["metadata"] |= {"ownerReferences": OWNED}
    found["metadata"]["labels"]["controller-revision-hash"] = revision
    redis = deployment(generation=generation, readyReplicas=0) | {"kind": "StatefulSet"}
    redis["status"]["updateRevision"] = "new"
    target = replace(WEB, kind="StatefulSet")
    assert conditions([redis, found], [target])[0].failure == ""
    assert [(each.pod, each.stuck_since) for each in stuck([redis, found], [target])] == [("web-1", None)] * is_stuck


def test_pods_on_their_way_out_are_told_of_beside_a_workload_that_is_ready() -> None:
    """A request that the node still leads to one of them would wait for minutes."""
    new, old, other = (pod(state={"running": {}}, ready=True) for _ in range(3))
    old["metadata"] |= {"name": "web-0", "deletionTimestamp": "2026-01-01T00:01:00Z"}
    other["metadata"] |= {"labels": {SERVICE: "worker"}, "deletionTimestamp": "2026-01-01T00:01:00Z"}
    objects = [deployment(), new, old, other]
    assert judge(*objects).ready
    [told] = leaving(objects, [WEB])
    assert (told.ready, told.says, told.pod) == (False, "is ready, and its old pod web-0 still ends", "web-0")
    assert leaving([deployment(), new], [WEB]) == []
