"""What becomes of a look at one KilterApp that something does not allow: the cluster, a tool, somebody's edit."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from unit.operator.acting import Cluster, Stage, forbidden, given

from kilter.api.crd import STATUS_RULE
from kilter.api.kilterapp import API_VERSION, FINALIZER, KIND, NAMESPACE, KilterApp, Spec
from kilter.errors import TimedOut
from kilter.gitops.model import Fence
from kilter.operator import kinds, observe
from kilter.operator.kinds import Kind, Object
from kilter.operator.kube import Conflict, Kube, KubeError, Missing
from kilter.operator.lease import Deposed, Leadership
from kilter.operator.loop import Loop
from kilter.operator.metrics import Metrics
from kilter.operator.publications import ClosedWriter, Publications
from kilter.operator.reconcile import Again, reconcile
from kilter.operator.settings import Settings
from kilter.operator.steps.base import Target
from kilter.operator.steps.publish import Rendered
from kilter.operator.steps.route import Answer
from kilter.operator.store import Entry
from kilter.operator.stores import Stores
from kilter.operator.world import Observed, World

NAME = "acme-shop-dev"
LEAVING = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": {
        "name": NAME, "namespace": NAMESPACE, "uid": "u1", "generation": 2, "resourceVersion": "2",
        "finalizers": [FINALIZER], "deletionTimestamp": "2026-01-01T00:00:00Z",
    },
    "spec": {
        "org": "acme", "app": "shop", "env": "dev", "deployId": "d-1", "sequence": 1, "actor": "mia", "port": 80,
        "image": "registry.example.com/acme/shop@sha256:" + "1" * 64,
    },
}  # fmt: skip


@dataclass
class Guarded:
    """A cluster with a namespace in which the operator may not look at claims."""

    written: list[dict[str, Any]] = field(default_factory=list)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        del namespace
        return {"metadata": {"name": name, "uid": "u2"}} if kind == kinds.NAMESPACE else None

    def list(self, kind: Kind, namespace: str) -> list[Object]:
        if kind == kinds.CLAIM:
            raise KubeError(403, "Forbidden", f"claims in {namespace} are not for kilter-operator")
        return []

    def apply(self, thing: Object, **_: object) -> Object:
        self.written.append(thing["status"])
        return LEAVING | {"status": thing["status"]}


def test_a_deletion_that_lacks_a_right_says_so_on_the_object() -> None:
    """An operator of a newer image than its chart, which gives fewer rights."""
    cluster, stores, leadership = Guarded(), Stores(), Leadership()
    nothing: Any = None
    leadership.hold(Fence(1, "me"), float("inf"))
    stores.apps.put_own((NAMESPACE, NAME), Entry(1, msgspec.convert(LEAVING, KilterApp)))
    publications = Publications(ClosedWriter(), lambda _: None)
    world = World(Settings(), cast("Kube", cluster), stores, leadership, publications, nothing, nothing)
    assert reconcile(world, NAME) == Again(15.0)
    (status,) = cluster.written
    (ready,) = (each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "Refused"
    assert "403 Forbidden: claims in acme-shop-dev are not for kilter-operator" in ready["message"]


def late(*_: object) -> Any:
    raise TimedOut("`helm template` did not end within 60 seconds")


def not_text(stage: Stage) -> None:
    """Somebody puts bytes into the operator's own Secret of passwords."""
    metadata = {"name": "credentials.kilter.dev", "namespace": "acme-shop-prod"}
    stage.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"redis": "/////w=="}})


def told(stage: Stage) -> tuple[str, str]:
    """Why the environment is not Ready."""
    ready = stage.said("Ready")
    return ready.reason, ready.message


@pytest.mark.requirement("DP-Q40", "O3")
def test_a_look_that_may_not_read_something_says_so_and_runs_into_the_deadline() -> None:
    stage = Stage()
    stage.cluster.refused["Namespace"] = forbidden("namespaces")
    assert stage.look() == Again(15.0)
    assert told(stage) == ("Refused", "the API server answered 403 Forbidden: namespaces is not for kilter-operator")
    stage.pass_time(3600)
    stage.look()
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "DeadlineExceeded"
    stage.cluster.refused.clear()
    stage.deployed()


@pytest.mark.requirement("DP-Q40", "O3")
def test_a_tool_that_does_not_end_is_told_of_and_tried_again() -> None:
    stage = Stage(render=late)
    stage.run()
    stage.look(times=3)
    assert told(stage)[1] == "`helm template` did not end within 60 seconds"
    stage.pass_time(3600)
    stage.look()
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "DeadlineExceeded"


@pytest.mark.requirement("DP-Q40", "O3")
def test_a_secret_that_somebody_put_bytes_into_is_told_of() -> None:
    stage = Stage(given(services=[{"name": "redis", "kind": "redis", "mode": "scoped"}]))
    not_text(stage)
    stage.look(times=2)
    assert told(stage) == ("Unreadable", "a value of a Secret of kilter's is no text")


@pytest.mark.requirement("F30")
def test_what_changes_while_it_is_looked_at_is_looked_at_again_at_once_and_then_later_each_time() -> None:
    """The watch may have fallen silent: what it would bring is not there for the next look either."""
    stage = Stage()
    stage.cluster.refused["Namespace"] = Conflict(409, "Conflict", "the object has been modified")
    assert stage.look() == Again(0.0, failed=True)
    loop = Loop(1, Metrics())
    waits = []
    for _ in range(4):
        loop._account("shop", Again(0.0, failed=True), 0.1)
        due = loop.queue.next_due()
        assert due is not None
        waits.append(round(due - time.monotonic(), 1))
        loop.queue.take(due)
        loop.queue.done("shop")
    assert waits == [0.0, 1.0, 2.0, 4.0]


@pytest.mark.requirement("F35")
def test_each_look_as_a_matter_of_routine_asks_for_the_database_anew() -> None:
    assert Stage().world.verified.lifetime < Settings().resync


@pytest.mark.requirement("F35")
def test_what_is_believed_of_a_database_is_not_believed_for_longer_because_it_is_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where looks come often, as while pods of it are not ready, nobody would ever ask for it again."""
    stage, now = Stage(), [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(observe, "_circumstances", lambda *_: ("as it was",))
    target = Target(msgspec.convert(given(), KilterApp), stage.world.settings, datetime.now(UTC))
    asked = 0
    for _ in range(20):
        asked += not stage.world.verified.holds(target.name, ("as it was",))
        observe.verified_database(stage.world, target)
        now[0] += stage.world.verified.lifetime / 4
    assert asked == 5


class Contested(Cluster):
    """An API server with a quota that somebody has edited, and which does not answer right after that is taken back."""

    is_edited, is_away = True, False

    def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
        if thing["kind"] == "ResourceQuota" and self.is_edited:
            if not force:
                raise Conflict(
                    409, "Conflict", 'Apply failed with 1 conflict: conflict with "kubectl-edit": .spec.hard'
                )
            self.is_edited, self.is_away = False, True
        if subresource and self.is_away:
            self.is_away = False
            raise KubeError(0, "ReadTimeout", "")
        return super().apply(thing, force=force, subresource=subresource)


@pytest.mark.requirement("O6")
def test_what_was_taken_back_is_said_also_where_the_look_that_did_it_came_to_no_end() -> None:
    stage = Stage(cluster=Contested())
    with pytest.raises(KubeError):
        stage.look()
    stage.look(times=2)
    [said] = stage.status.warnings
    assert said.startswith("ResourceQuota kilter.dev: what others had changed is as kilter wants it again")
    assert stage.world.untold == {}


class Sourceless(Cluster):
    """A cluster whose Flux somebody has taken away, with its source."""

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        if kind == kinds.GIT_REPOSITORY:
            raise Missing(404, "NotFound", f'gitrepositories "{name}" not found', named=True)
        return super().merge(kind, namespace, name, patch)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> bool:
        del uid
        self.things[(kind.kind, namespace, name)]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        return True


@pytest.mark.requirement("O4")
def test_a_deletion_that_waits_for_a_flux_that_is_gone_says_what_helps() -> None:
    stage = Stage().deployed()
    stage.cluster.__class__, stage.world.poked = Sourceless, ""
    app = stage.cluster.things[("KilterApp", NAMESPACE, "acme-shop-prod")]
    stage.take(app | {"metadata": app["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2}})
    for _ in range(3):
        reconcile(stage.world, "acme-shop-prod")
    said = stage.said("Ready").message
    assert 'gitrepositories "kilter" not found' in said
    assert "if there is no Flux any more: kubectl -n flux-system patch kustomization acme-shop-prod" in said


class Hooked(Cluster):
    """A cluster with a webhook that nobody serves, which is asked about every quota."""

    def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
        if thing["kind"] == "ResourceQuota":
            raise KubeError(500, "InternalError", 'failed calling webhook "policy.example.com"')
        return super().apply(thing, force=force, subresource=subresource)


def read_fails(stage: Stage) -> None:
    stage.cluster.refused["ServiceAccount"] = KubeError(500, "InternalError", "etcdserver: request timed out")


def write_fails(stage: Stage) -> None:
    stage.cluster.__class__ = Hooked


def nobody_foresaw(stage: Stage) -> None:
    def render(spec: Spec, observed: Observed) -> Rendered:
        raise RecursionError("canary")

    stage.world.render_release = render


@pytest.mark.requirement("F32")
def test_a_repository_that_is_out_of_reach_is_a_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()
    stage.world.publications.open(ClosedWriter())
    for _ in range(2):
        stage.look()
    assert told(stage)[0] == "NotPublished"
    assert [each.levelname for each in caplog.records if "NotPublished" in each.message] == ["WARNING"], "once"


@pytest.mark.requirement("DP-Q40", "DP-Q45", "O3")
@pytest.mark.parametrize(
    ("breaks", "reason", "words"),
    [
        (read_fails, "ApiServerFailed", "the API server answered 500 InternalError: etcdserver: request timed out"),
        (write_fails, "ApiServerFailed", 'answered 500 InternalError: failed calling webhook "policy.example.com"'),
        (nobody_foresaw, "Unforeseen", "the operator itself failed at this, which its log has more of: RecursionError"),
    ],
)
def test_what_fails_again_and_again_is_told_tried_later_each_time_and_ended_by_the_deadline(
    breaks: Callable[[Stage], None], reason: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    breaks(stage)
    assert stage.look() == Again(failed=True)
    assert told(stage)[0] == reason
    assert words in told(stage)[1]
    assert "canary" not in str(stage.status)
    assert [each.levelname for each in caplog.records if reason in each.message] == ["WARNING"], "once"
    stage.pass_time(3600)
    stage.look()
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "DeadlineExceeded"
    assert words in stage.status.failure.message


@pytest.mark.requirement("F30")
def test_what_fails_at_one_thing_is_judged_by_whether_it_serves_all_the_same() -> None:
    stage = Stage().deployed()
    write_fails(stage)
    stage.world.stores.quotas.replace({}, stage.cluster.version)
    stage.run(ready=0)
    stage.look()
    stage.pass_time(180)
    stage.look()
    assert stage.said("NamespaceReady").reason == "ApiServerFailed"
    assert stage.status.failure is not None
    assert stage.status.failure.reason == "NotServing"


@pytest.mark.requirement("O3")
def test_a_deletion_says_also_what_the_cluster_fails_at() -> None:
    stage = Stage().deployed()
    app = stage.cluster.things[("KilterApp", NAMESPACE, "acme-shop-prod")]
    stage.take(app | {"metadata": app["metadata"] | {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2}})
    read_fails(stage)
    assert reconcile(stage.world, "acme-shop-prod") == Again(failed=True)
    assert told(stage) == (
        "ApiServerFailed",
        "the API server answered 500 InternalError: etcdserver: request timed out",
    )


@pytest.mark.requirement("DP-Q39", "O3")
@pytest.mark.parametrize(("limit", "reason"), [("0s", "Invalid"), ("999999999h", "RollingOut")])
def test_a_limit_of_time_that_somebody_edits_in_keeps_no_status_from_being_written(limit: str, reason: str) -> None:
    stage = Stage(given(timeouts={"ready": limit}))
    stage.look(times=3)
    assert told(stage)[0] == reason


@pytest.mark.requirement("O3", "F26", "DP-Q45")
def test_what_cannot_be_read_fails_its_own_deploy_loses_nothing_and_leaves_no_failure_once_it_can_be() -> None:
    """Somebody edits in a name that the schema lets pass and no variable may have."""
    stage = Stage().deployed()
    stage.edit(vars={"my-var": "1"}, deployId="d-2", sequence=2)
    assert reconcile(stage.world, "acme-shop-prod") == Again()
    status = stage.cluster.things[("KilterApp", NAMESPACE, "acme-shop-prod")]["status"]
    assert (status["phase"], status["failure"]["reason"], status["deployId"]) == ("Failed", "Unreadable", "d-2")
    assert (status["fence"], status["git"]["commit"], status["release"]["deployId"]) == (1, "c" * 40, "d-1")
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Unreadable"), "beside Failed nothing says Ready"
    version = stage.cluster.version
    reconcile(stage.world, "acme-shop-prod")
    assert stage.cluster.version == version, "it is said once"
    stage.edit(vars={})
    stage.run(deploy="d-2")
    stage.gateway.answer = Answer(200, "d-2")
    stage.look(times=6)
    assert (stage.status.phase, stage.status.failure, stage.status.sequence) == ("Ready", None, 2)


@pytest.mark.requirement("O3")
@pytest.mark.parametrize("conditions", [{"Ready": True}, ["Ready", {"type": 1}, {"type": "Ready"}], None])
def test_conditions_of_no_known_form_stay_beside_the_word_that_an_object_cannot_be_read(conditions: object) -> None:
    stage = Stage(given(vars={"my-var": "1"}) | {"status": {"phase": "Dreaming", "conditions": conditions}})
    assert reconcile(stage.world, "acme-shop-prod") == Again()
    status = stage.cluster.things[("KilterApp", NAMESPACE, "acme-shop-prod")]["status"]
    assert status["failure"]["reason"] == "Unreadable"
    assert len(status["conditions"] or ()) == len(conditions or ())  # type: ignore[arg-type]


@pytest.mark.requirement("F26")
def test_a_later_leaders_status_is_not_overwritten_by_one_who_cannot_read_the_object() -> None:
    class Led(Cluster):
        def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
            if subresource:
                raise KubeError(422, "Invalid", f"status: {STATUS_RULE[1]}")
            return super().apply(thing, force=force, subresource=subresource)

    stage = Stage(given(vars={"my-var": "1"}), cluster=Led())
    with pytest.raises(Deposed):
        reconcile(stage.world, "acme-shop-prod")


@pytest.mark.requirement("F30", "F33")
@pytest.mark.parametrize(("is_installed", "reason"), [(True, "Refused"), (False, "FluxMissing")])
def test_a_server_that_does_not_serve_flux_yet_fails_no_deploy(is_installed: bool, reason: str) -> None:
    stage = Stage()
    stage.look(times=3)
    stage.world.flux_known.clear()
    stage.world.stores.kustomizations.replace({}, stage.cluster.version)
    stage.cluster.refused["Kustomization"] = Missing(404, "NotFound", "404 page not found")
    if is_installed:
        crd = "kustomizations.kustomize.toolkit.fluxcd.io"
        stage.cluster.things[("CustomResourceDefinition", "", crd)] = {"metadata": {"name": crd}}
    stage.look()
    assert told(stage)[0] == reason
    assert (stage.status.phase == "Failed") is not is_installed
