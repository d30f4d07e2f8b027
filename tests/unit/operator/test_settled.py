"""What becomes of an environment that was Ready: whatever is lost or changes later, and what it tells of that."""

import base64
from typing import Any

import msgspec
import pytest
from unit.operator.acting import DEPLOY, NAME, Stage, given

from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.route import Answer
from kilter.operator.steps.services import CREDENTIALS
from kilter.operator.views import Condition, Container, ContainerState, Held, Meta, Pod, PodStatus
from kilter.operator.world import Observed
from kilter.render import names

REDIS = {"services": [{"name": "redis", "kind": "redis", "mode": "scoped"}]}
OWN = {
    "app.kubernetes.io/managed-by": "kilter-operator",
    "kilter.dev/org": "acme", "kilter.dev/app": "shop", "kilter.dev/env": "prod",
}  # fmt: skip
OF_REDIS = ("redis-variables", "redis-credentials")


def with_redis(spec: Any, observed: Observed) -> Rendered:
    """Render the Secrets of a redis."""
    del spec
    data = {"password": base64.b64encode(observed.passwords["redis"].encode()).decode()}
    secrets = tuple(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "data": data,
            "metadata": {"name": name, "namespace": NAME, "labels": OWN},
        }
        for name in OF_REDIS
    )
    return Rendered({"a.yaml": "kind: ConfigMap"}, secrets)


def passwords(stage: Stage) -> list[str]:
    """What the Secrets hold: the operator's own, the app's, the server's."""
    found = [((stage.cluster.secret(name) or {}).get("data") or {}) for name in (CREDENTIALS, *OF_REDIS)]
    return [each.get("redis") or each.get("password", "") for each in found]


@pytest.mark.requirement("F37")
@pytest.mark.parametrize("name", OF_REDIS)
def test_a_secret_of_a_service_that_somebody_deletes_is_made_anew_as_it_was(name: str) -> None:
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    stage.cluster.lose("Secret", name)
    stage.look(times=2)
    assert stage.status.phase == "Ready"
    assert passwords(stage) == before
    assert len(set(before)) == 1


def foreign(name: str, **labels: str) -> dict[str, Any]:
    """A Secret that somebody else has made in the environment's namespace."""
    metadata = {"name": name, "namespace": NAME, "resourceVersion": "5", "labels": labels}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"other": "eA=="}}


@pytest.mark.requirement("O2", "C2")
@pytest.mark.parametrize("name", OF_REDIS)
@pytest.mark.parametrize("labels", [{"team": "data"}, OWN | {"kilter.dev/env": "dev"}])
def test_a_deploy_leaves_a_secret_alone_that_was_not_made_by_kilter_and_says_which(
    name: str, labels: dict[str, str]
) -> None:
    stage = Stage(given(**REDIS), with_redis)
    theirs = foreign(name, **labels)
    stage.cluster.things[("Secret", NAME, name)] = theirs
    stage.run()
    stage.look(times=6)
    assert stage.cluster.secret(name) == theirs
    failure = stage.status.failure
    assert failure is not None
    assert (stage.status.phase, failure.reason, failure.object) == ("Failed", "SecretTaken", f"Secret {name}")
    assert failure.message == f"acme/shop/prod needs the Secret {name}, which was not made by kilter for it"
    stage.cluster.lose("Secret", name)
    stage.look(times=6)
    assert stage.status.phase == "Ready"


@pytest.mark.requirement("O2", "F37")
def test_a_secret_that_is_made_anew_brings_nothing_of_kilters_into_one_beside_it_that_is_not() -> None:
    stage = Stage(given(**REDIS), with_redis).deployed()
    lost, other = OF_REDIS
    theirs = foreign(other, team="data")
    stage.cluster.things[("Secret", NAME, other)] = theirs
    stage.cluster.lose("Secret", lost)
    stage.look(times=2)
    assert stage.cluster.secret(other) == theirs
    assert stage.status.phase == "Ready"
    assert stage.said("Published").reason == "SecretTaken"


FLUX = "flux-system"
THEIRS: dict[str, Any] = {
    "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
    "kind": "Kustomization",
    "metadata": {"name": NAME, "namespace": FLUX, "resourceVersion": "5", "labels": {"team": "shop"}},
    "spec": {"path": "./legacy/shop", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "fleet"}},
}


@pytest.mark.requirement("O2", "C2")
def test_a_deploy_leaves_a_kustomization_alone_that_was_not_made_by_kilter_and_commits_nothing_over_it() -> None:
    """What lies in Git Flux itself would put over it, and what that has applied would be pruned."""
    stage = Stage(given())
    stage.cluster.things[("Kustomization", FLUX, NAME)] = THEIRS
    stage.run()
    stage.look(times=6)
    assert stage.cluster.things[("Kustomization", FLUX, NAME)] == THEIRS
    failure = stage.status.failure
    assert failure is not None
    assert (failure.reason, failure.object) == ("KustomizationTaken", f"Kustomization {NAME}")
    assert "in flux-system, which was not made by kilter for it" in failure.message
    assert stage.status.git is None
    del stage.cluster.things[("Kustomization", FLUX, NAME)]
    stage.look(times=6)
    assert stage.status.phase == "Ready"


@pytest.mark.requirement("O2", "F37")
def test_a_kustomization_of_somebody_else_in_place_of_a_lost_one_is_left_alone() -> None:
    stage = Stage(given()).deployed()
    stage.cluster.things[("Kustomization", FLUX, NAME)] = THEIRS
    stage.look(times=3)
    assert stage.cluster.things[("Kustomization", FLUX, NAME)] == THEIRS
    assert stage.said("Reconciled").reason == "KustomizationTaken"


@pytest.mark.requirement("F37")
def test_secrets_that_go_with_their_namespace_come_back_with_one_new_password() -> None:
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    for name in (CREDENTIALS, *OF_REDIS):
        stage.cluster.lose("Secret", name)
    stage.look(times=2)
    assert len(set(passwords(stage))) == 1
    assert "" not in passwords(stage)
    assert passwords(stage) != before


@pytest.mark.requirement("F37")
def test_a_service_keeps_the_password_that_it_runs_with_when_the_operators_own_secret_is_deleted() -> None:
    """Its pods read a new one only when they start again, and those of the app at another time."""
    stage = Stage(given(**REDIS), with_redis).deployed()
    before = passwords(stage)
    stage.cluster.lose("Secret", CREDENTIALS)
    stage.look(times=2)
    assert passwords(stage) == before


@pytest.mark.requirement("F37")
def test_nothing_is_rendered_while_the_secrets_are_there() -> None:
    rendered = []

    def counted(spec: Any, observed: Observed) -> Rendered:
        rendered.append(observed.namespace)
        return with_redis(spec, observed)

    stage = Stage(given(**REDIS), counted).deployed()
    stage.look(times=5)
    assert len(rendered) == 1


def test_an_app_that_was_ready_and_serves_no_more_is_failed_after_two_minutes_and_ready_once_it_serves() -> None:
    stage = Stage().deployed()
    stage.run(ready=0)
    stage.look()
    stage.pass_time(100)
    stage.look()
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)
    stage.pass_time(30)
    stage.look(times=3)
    failure = stage.status.failure
    assert failure is not None
    assert (stage.status.phase, failure.reason, failure.phase) == ("Failed", "NotServing", "Ready")
    assert "shop: 0 of 3 pods are ready" in failure.message
    assert f"{stage.said('RouteReady').last_transition_time:%Y-%m-%d %H:%M:%S} UTC" in failure.message
    assert (stage.said("Ready").status, stage.said("Ready").reason) == ("False", "NotServing")
    stage.run()
    stage.look()
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)


def test_an_app_that_served_for_long_is_not_failed_by_one_look_at_which_it_does_not() -> None:
    stage = Stage().deployed()
    stage.pass_time(86400)
    stage.run(ready=0)
    stage.look()
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)


def test_an_app_of_which_one_process_runs_no_more_is_failed_and_said_to_serve() -> None:
    stage = Stage(given(processes={"worker": {"command": ["work"]}}))
    stage.run(worker=3)
    stage.look(times=6)
    assert stage.status.phase == "Ready"
    stage.run(worker=0)
    stage.look()
    stage.pass_time(130)
    stage.look(times=2)
    failure = stage.status.failure
    assert failure is not None
    assert (stage.status.phase, failure.reason) == ("Failed", "NotRunning")
    assert "shop-worker: 0 of 3 pods are ready" in failure.message
    stage.run(worker=1)
    stage.look()
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)


def fallen_silent(stage: Stage) -> Stage:
    """Let it stay as it is until it is said to be in order no more."""
    stage.look()
    stage.pass_time(130)
    stage.look(times=2)
    assert stage.status.phase == "Failed"
    return stage


def test_a_process_that_only_just_started_does_not_make_an_app_ready_again() -> None:
    """One that ends again and again is ready for a moment each time: only what stays ready is available."""
    stage = Stage(given(processes={"worker": {"command": ["work"]}}))
    stage.run(worker=3)
    stage.look(times=6)
    stage.run(worker=0)
    fallen_silent(stage)
    stage.run(worker=1, available=0)
    stage.look()
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "NotRunning"
    assert "shop-worker: 0 of 3 pods are ready for long enough" in stage.status.failure.message
    stage.run(worker=1)
    stage.look()
    assert stage.status.phase == "Ready"


@pytest.mark.requirement("DP-8")
@pytest.mark.parametrize("answer", [Answer(503, DEPLOY), Answer(200, "d-0"), Answer(0, why="ConnectTimeout")])
def test_an_app_that_served_no_more_is_ready_again_once_the_gateway_brings_its_answer(answer: Answer) -> None:
    stage = Stage().deployed()
    stage.run(ready=0)
    fallen_silent(stage)
    stage.run()
    stage.gateway.answer = answer
    assert stage.look().after == 10.0
    failure = stage.status.failure
    assert failure is not None
    assert (stage.status.phase, failure.reason) == ("Failed", "NotServing")
    stage.gateway.answer = Answer(200, DEPLOY)
    stage.look()
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)
    assert stage.said("RouteReady").message == "the release answers at shop.x.test"


def test_while_it_is_ready_nobody_asks_the_gateway_and_nobody_says_so() -> None:
    stage = Stage().deployed()
    asked = len(stage.gateway.asked)
    stage.look(times=3)
    assert len(stage.gateway.asked) == asked
    said = stage.said("RouteReady").message
    assert said == "the Gateway has accepted the route of shop.x.test, and ready pods of the release stand behind it"


@pytest.mark.requirement("DP-8")
def test_every_public_address_is_asked_for_and_a_process_that_is_met_no_more_is_told_of() -> None:
    stage = Stage(given(processes={"admin": {"command": ["admin"], "port": 9000, "public": True}}))
    stage.public("admin")
    stage.deployed()
    assert set(stage.gateway.asked) == {"shop.x.test", "shop--admin.x.test"}
    stage.public("admin", ready=False)
    fallen_silent(stage)
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "NotRunning", "the app serves on"
    assert "no pod stands behind the Service shop-admin yet" in stage.status.failure.message
    stage.public("admin")
    stage.look()
    assert stage.status.phase == "Ready"


def test_a_moment_without_a_ready_pod_is_forgotten_once_one_is_there() -> None:
    stage = Stage().deployed()
    for _ in range(5):
        stage.run(ready=0)
        stage.look()
        stage.pass_time(60)
        stage.run(ready=1)
        stage.look()
        assert stage.status.phase == "Ready"


def crashing(name: str) -> Pod:
    """A pod of the release whose container ends again and again."""
    held = ContainerState(waiting=Held(reason="CrashLoopBackOff"))
    status = PodStatus(phase="Running", container_statuses=(Container(name="app", restart_count=4, state=held),))
    return Pod(metadata=Meta(name=name, namespace=NAME, labels={names.RELEASE: DEPLOY}), status=status)


def unschedulable(name: str) -> Pod:
    """A pod of the release that no node has room for."""
    full = Condition(type="PodScheduled", status="False", reason="Unschedulable", message="0/3 nodes are available")
    status = PodStatus(phase="Pending", conditions=(full,))
    return Pod(metadata=Meta(name=name, namespace=NAME, labels={names.RELEASE: DEPLOY}), status=status)


@pytest.mark.requirement("DP-Q45")
@pytest.mark.parametrize(
    ("pod", "said"), [(crashing("shop-9"), "ends again"), (unschedulable("shop-9"), "no node has")]
)
def test_one_pod_that_cannot_run_fails_no_app_that_serves(pod: Pod, said: str) -> None:
    stage = Stage().deployed()
    stage.run(2, pod)
    stage.look(times=2)
    stage.pass_time(600)
    stage.look(times=2)
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)
    assert stage.said("RouteReady").status == "True"
    assert f"Pod shop-9: {said}" in stage.said("RouteReady").message.replace("the container app ", "")


@pytest.mark.requirement("DP-Q45")
def test_a_pod_that_cannot_run_fails_an_app_of_which_none_is_ready() -> None:
    stage = Stage().deployed()
    stage.run(0, crashing("shop-9"))
    stage.look()
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "CrashLoop"


@pytest.mark.requirement("DP-Q45")
def test_a_pod_that_cannot_run_fails_a_deploy_that_was_not_ready_yet() -> None:
    stage = Stage()
    stage.run(2, crashing("shop-9"))
    stage.look(times=6)
    assert stage.status.phase == "Failed"


@pytest.mark.requirement("DP-Q40")
def test_a_spec_that_is_edited_long_after_it_was_ready_has_a_time_limit_of_its_own() -> None:
    stage = Stage().deployed()
    stage.pass_time(86400)
    stage.run(ready=0)
    stage.edit(vars={"A": "1"})
    stage.look(times=4)
    assert (stage.status.phase, stage.status.failure) == ("RollingOut", None)
    stage.pass_time(3600)
    stage.look()
    failure = stage.status.failure
    assert failure is not None
    assert failure.reason == "DeadlineExceeded"
    stage.run()
    stage.look(times=2)
    assert (stage.status.phase, stage.status.failure) == ("Ready", None)


@pytest.mark.requirement("F40")
def test_an_image_that_somebody_edits_in_is_the_one_of_the_release() -> None:
    """By that record an image is known to be needed, so that it is not removed from the registry."""
    stage = Stage().deployed()
    known, image = stage.status.release, "registry.example.com/acme/shop@sha256:" + "2" * 64
    stage.edit(image=image)
    stage.look(times=6)
    release = stage.status.release
    assert known is not None
    assert (release, stage.status.last_good_release) == (msgspec.structs.replace(known, image=image), release)


@pytest.mark.requirement("DP-Q40")
def test_a_look_that_is_repeated_starts_no_clock_anew() -> None:
    stage = Stage().deployed()
    stage.edit(vars={"A": "1"})
    stage.look()
    began = stage.status.deadline_at
    stage.look(times=3)
    assert stage.status.deadline_at == began


def test_status_says_what_serves_also_of_a_deploy_that_fails_before_it_publishes_anything() -> None:
    stage = Stage().deployed()
    assert (stage.status.serving, stage.status.workloads[0].ready) == ((DEPLOY,), 3)
    stage.edit(deployId="d-2", sequence=2, appSecrets=["api-key"])
    stage.look(times=2)
    assert stage.status.failure is not None
    assert (stage.status.failure.reason, stage.status.serving) == ("Unprovided", (DEPLOY,))
    assert stage.status.workloads[0].ready == 3
    stage.run(ready=0)
    stage.look()
    assert (stage.status.serving, stage.status.workloads[0].ready) == ((), 0)
