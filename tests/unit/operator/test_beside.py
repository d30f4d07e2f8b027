"""What the services beside the app have to do with a deploy, and with an app that was Ready."""

from typing import Any

import msgspec
import pytest
from unit.operator.acting import Stage, given
from unit.operator.test_settled import REDIS, with_redis

from kilter.operator.views import REVISION, Condition, Container, ContainerState, Held, Meta, Pod, PodStatus
from kilter.render import names

LABELS = {names.SERVICE: "redis", REVISION: "r"}
REFUSED = Held(reason="ImagePullBackOff", message="redis:9: not found")
AWAY = Held(reason="ImagePullBackOff", message="dial tcp 10.0.0.1:443: connect: connection refused")
UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims"


def pod(waiting: Held | None = None, unschedulable: str = "", restarts: int = 0, **metadata: Any) -> Pod:
    """The pod of a redis; `waiting` says why its container does not run, `unschedulable` why it is on no node."""
    container = Container(name="redis", restart_count=restarts, state=ContainerState(waiting=waiting))
    ready = Condition(type="Ready", status=str(waiting is None and not unschedulable))
    placed = Condition(type="PodScheduled", status="False", reason="Unschedulable", message=unschedulable)
    status = PodStatus(conditions=(ready, placed) if unschedulable else (ready,), container_statuses=(container,))
    return Pod(metadata=Meta(name="redis-0", **{"labels": LABELS, **metadata}), status=status)


def stage(*pods: Pod, ready: int = 0) -> Stage:
    """Deploy an app whose own pods are ready."""
    found = Stage(given(**REDIS), with_redis)
    found.run()
    found.beside(*pods, ready=ready)
    found.look(times=6)
    return found


@pytest.mark.requirement("DP-Q45")
def test_a_service_whose_image_is_refused_fails_the_deploy_at_once() -> None:
    failure = stage(pod(REFUSED)).status.failure
    assert failure is not None
    assert (failure.phase, failure.reason, failure.object) == ("RollingOut", "ImagePullFailed", "Pod redis-0")


@pytest.mark.requirement("DP-Q40")
@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "redis: 0 of 1 pods are ready"),
        (pod(unschedulable=UNBOUND), f"redis: 0 of 1 pods are ready; no volume for Pod redis-0 yet: {UNBOUND}"),
        (pod(AWAY), "redis: 0 of 1 pods are ready; the node could not pull the image of redis, and tries again"),
    ],
)
def test_a_service_that_starts_slower_than_the_app_is_waited_for_until_the_deadline(
    found: Pod | None, said: str
) -> None:
    deploying = stage(*([found] if found else ()))
    assert (deploying.status.phase, deploying.status.failure) == ("RollingOut", None)
    assert deploying.said("Ready").message.startswith(said)
    deploying.pass_time(3600)
    deploying.look()
    assert deploying.status.failure is not None
    assert deploying.status.failure.reason == "DeadlineExceeded"
    deploying.beside(pod(), ready=1)
    deploying.look()
    assert deploying.status.phase == "Ready"


def test_one_that_is_not_there_or_not_looked_at_is_waited_for() -> None:
    deploying = stage(ready=1)
    assert deploying.status.phase == "Ready"
    sets = deploying.world.stores.stateful_sets
    deploying.edit(vars={"A": "1"})
    sets.replace({}, deploying.cluster.version)
    deploying.look(times=3)
    assert deploying.said("Ready").message == "redis has not been applied yet"
    deploying.beside(ready=1)
    found = sets.get("acme-shop-prod", "redis")
    assert found is not None
    unseen = msgspec.structs.replace(found, metadata=Meta(name="redis", generation=2))
    sets.put_own(("acme-shop-prod", "redis"), deploying._entry(unseen))
    deploying.look()
    assert deploying.said("Ready").message == "redis has not been looked at yet"


def test_a_pod_of_an_earlier_state_of_the_service_fails_no_deploy_and_is_said_to_be_in_the_way() -> None:
    """A StatefulSet replaces none that is not ready, so that what mends it would never come."""
    deploying = stage(pod(REFUSED, labels={**LABELS, REVISION: "before"}))
    assert deploying.status.failure is None
    said = deploying.said("Ready").message
    assert "Pod redis-0 is of an earlier state and not ready (the image of redis cannot be pulled" in said
    assert "`kubectl --namespace acme-shop-prod delete pod redis-0`" in said
    assert stage(pod(REFUSED, deletion_timestamp="2026-01-01T00:00:00Z")).status.failure is None


def test_status_counts_the_pods_of_a_service_and_takes_none_for_one_of_the_app() -> None:
    deploying = stage(pod(restarts=2), ready=1)
    assert [(each.name, each.desired, each.ready, each.restarts) for each in deploying.status.workloads] == [
        ("shop", 3, 3, 0),
        ("redis", 1, 1, 2),
    ]
    assert deploying.status.serving == ("d-1",)


def test_a_service_that_breaks_later_is_told_of_and_fails_no_app_that_serves() -> None:
    """It is judged by whether it serves."""
    deployed = stage(pod(), ready=1)
    deployed.beside(pod(Held(reason="CrashLoopBackOff"), restarts=4), ready=0)
    deployed.look(times=2)
    deployed.pass_time(600)
    deployed.look(times=2)
    assert (deployed.status.phase, deployed.status.failure) == ("Ready", None)
    said = "Pod redis-0: the container redis ends again and again, 5 times so far"  # it was started anew 4 times
    assert said in deployed.said("RouteReady").message
    assert deployed.status.workloads[1].ready == 0


def test_an_operator_without_the_right_to_look_at_services_says_so_and_holds_up_no_other_app() -> None:
    """One of a newer image than its chart."""
    plain = Stage()
    plain.world.stores.stateful_sets.refused = "statefulsets.apps is forbidden"
    plain.deployed()
    lacking = stage(pod(), ready=1)
    lacking.world.stores.stateful_sets.refused = "statefulsets.apps is forbidden"
    lacking.look()
    assert lacking.status.phase == "Ready"
    assert "statefulsets.apps is forbidden" in lacking.said("RouteReady").message
    lacking.edit(vars={"A": "1"})
    assert lacking.look(times=3).after == 15.0
    assert lacking.said("Ready").reason == "Refused"
    assert lacking.said("Ready").message == "nobody can tell whether redis runs: statefulsets.apps is forbidden"
