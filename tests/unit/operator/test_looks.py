"""What a look at a KilterApp writes and what it leaves alone, who hears of it, and when the next one comes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from unit.operator.acting import DEPLOY, NAME, Cluster, Stage, forbidden, given
from unit.operator.test_lost_database import Server, deployed
from unit.operator.test_settled import crashing, with_redis

from kilter.api.crd import STATUS_RULE
from kilter.api.kilterapp import FINALIZER, NAMESPACE
from kilter.operator import kinds
from kilter.operator.effects import Change, Revision, Submit
from kilter.operator.kinds import Kind, Object
from kilter.operator.kube import KubeError
from kilter.operator.lease import Deposed
from kilter.operator.reconcile import Again, reconcile
from kilter.operator.steps.publish import NONE

LEAVING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2}


@dataclass
class Noted(Cluster):
    """A cluster that notes what is written of KilterApps: finalizers as they are asked for, status as a whole."""

    patches: list[Object] = field(default_factory=list)
    statuses: list[tuple[Object, bool]] = field(default_factory=list)
    logs: int = 0

    def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
        if subresource:
            self.statuses.append((thing, force))
        return super().apply(thing, force=force, subresource=subresource)

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        if kind == kinds.APP:
            self.patches.append(patch["metadata"])
        return super().merge(kind, namespace, name, patch)

    def log(self, *_: object, **__: object) -> str:
        self.logs += 1
        return f"read {self.logs} times"


@pytest.fixture
def noted() -> Noted:
    return Noted()


def written(stage: Stage, **metadata: Any) -> Object:
    """Somebody writes the metadata of the KilterApp; returns the object as it is then."""
    app = stage.cluster.things[("KilterApp", NAMESPACE, NAME)]
    stage.take(app | {"metadata": app["metadata"] | metadata})
    return stage.cluster.things[("KilterApp", NAMESPACE, NAME)]


def test_a_look_at_an_app_that_is_ready_writes_nothing_and_warns_of_nothing(
    noted: Noted, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(cluster=noted).deployed()
    version = stage.cluster.version
    assert reconcile(stage.world, NAME) == Again()
    assert stage.cluster.version == version
    assert caplog.text == ""


def test_an_app_that_is_suspended_is_left_as_it_is(noted: Noted) -> None:
    stage = Stage(given(suspended=True), cluster=noted)
    assert reconcile(stage.world, NAME) == Again()
    assert (noted.patches, noted.statuses) == ([], [])
    assert list(noted.things) == [("KilterApp", NAMESPACE, NAME)]


@pytest.mark.requirement("F24")
def test_a_spec_of_an_earlier_deploy_is_left_alone_and_told_of(noted: Noted, caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(given(sequence=2), cluster=noted).deployed()
    stage.edit(sequence=1)
    version = stage.cluster.version
    assert reconcile(stage.world, NAME) == Again()
    assert stage.cluster.version == version
    assert "a lower sequence is ignored" in [each.message for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.requirement("O4")
def test_owners_of_a_kilter_app_are_taken_off_and_finalizers_of_others_stay(noted: Noted) -> None:
    """With an owner that is gone the whole environment would be deleted."""
    stage = Stage(cluster=noted).deployed()
    noted.patches.clear()
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u9"}
    app = written(stage, ownerReferences=[owner], finalizers=["others.example/hold", FINALIZER])
    reconcile(stage.world, NAME)
    assert noted.patches == [
        {
            "finalizers": ["others.example/hold", FINALIZER],
            "ownerReferences": None,
            "resourceVersion": app["metadata"]["resourceVersion"],
        }
    ]


def test_of_an_app_that_is_deleted_only_kilters_own_finalizer_goes_and_nothing_more_is_done(
    noted: Noted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    stage = Stage(given(org="other"), cluster=noted)  # whose name is not this one: nothing was ever made
    reconcile(stage.world, NAME)
    submitted = Submit(NAME, Revision("u1", 2), Change("other", "shop", "prod", NAME, None))
    stage.world.publications.submit(submitted)
    written(stage, **LEAVING, finalizers=["others.example/hold", FINALIZER])
    noted.refused["Namespace"] = forbidden("what another environment has")
    assert reconcile(stage.world, NAME) == Again()
    assert reconcile(stage.world, NAME) == Again()
    assert [each.message[:8] for each in caplog.records].count("deleted:") == 1
    assert noted.patches[-1]["finalizers"] == ["others.example/hold"]
    assert stage.world.publications.state(NAME, submitted.revision) == NONE, "nothing is left of it"


@pytest.mark.requirement("F35")
def test_nothing_is_believed_of_an_app_that_comes_after_one_that_is_gone() -> None:
    stage = deployed(Server())
    assert NAME in stage.world.verified._seen
    stage.world.untold[NAME] = ["said of the one before"]
    stage.world.stores.apps.replace({}, stage.cluster.version)
    assert reconcile(stage.world, NAME) == Again()
    assert (stage.world.verified._seen, stage.world.untold) == ({}, {})


@pytest.mark.requirement("F35")
def test_a_database_that_was_in_order_is_not_asked_for_at_each_look() -> None:
    class Counted(Server):
        asked = 0

        def snapshot(self, *names: Any) -> Any:
            self.asked += 1
            return super().snapshot(*names)

    server = Counted()
    stage = deployed(server)
    asked = server.asked
    stage.look(times=3)
    assert server.asked == asked


@pytest.mark.requirement("F26")
@pytest.mark.parametrize("changes", [{}, {"vars": {"my-var": "1"}}])
def test_who_does_not_lead_writes_nothing_of_a_kilter_app(noted: Noted, changes: Object) -> None:
    stage = Stage(given(**changes), cluster=noted)
    stage.world.leadership.end()
    with pytest.raises(Deposed):
        reconcile(stage.world, NAME)
    assert (noted.patches, noted.statuses) == ([], [])


@pytest.mark.requirement("F26", "O6")
def test_status_is_taken_from_whoever_else_wrote_it_but_not_where_it_changed_meanwhile(noted: Noted) -> None:
    stage = Stage(cluster=noted)
    reconcile(stage.world, NAME)
    thing, force = noted.statuses[0]
    assert force
    assert thing["metadata"]["resourceVersion"] == "102", "that of the object as it was read, with its finalizer"


@pytest.mark.requirement("F26")
@pytest.mark.parametrize(
    ("code", "words", "error"),
    [(422, f"status: {STATUS_RULE[1]}", Deposed), (422, "status.phase: unknown", KubeError), (500, "away", KubeError)],
)
def test_only_the_rule_that_says_so_means_that_a_later_leader_writes_status(
    code: int, words: str, error: type[Exception]
) -> None:
    class Refusing(Cluster):
        def apply(self, thing: Object, *, force: bool = False, subresource: str = "") -> Object:
            if subresource:
                raise KubeError(code, "Invalid", words)
            return super().apply(thing, force=force, subresource=subresource)

    with pytest.raises(error) as caught:
        reconcile(Stage(cluster=Refusing()).world, NAME)
    assert isinstance(caught.value, Deposed) is (error is Deposed)


def test_an_answer_that_cannot_be_read_ends_the_look_and_is_looked_at_again(noted: Noted) -> None:
    """Somebody edits in what the schema lets pass, between the look and its write."""
    stage = Stage(cluster=noted)
    noted.things[("KilterApp", NAMESPACE, NAME)]["spec"] = given(vars={"my-var": "1"})["spec"]
    assert reconcile(stage.world, NAME) == Again(0.0, failed=True)
    assert noted.statuses == []


@pytest.mark.requirement("DP-Q45")
def test_a_deploy_that_fails_is_a_warning_in_the_log_and_shows_the_log_that_was_read_once(
    noted: Noted, caplog: pytest.LogCaptureFixture
) -> None:
    """Each look would else bring other lines, and write status anew for them."""
    caplog.set_level("INFO")
    stage = Stage(cluster=noted)
    stage.run(0, crashing("shop-9"))
    stage.look(times=6)
    assert stage.status.failure is not None
    assert stage.status.failure.log_tail == ("read 1 times",)
    assert noted.logs == 1
    assert [each.levelname for each in caplog.records if "CrashLoop" in each.message] == ["WARNING"]


def test_a_failure_at_another_thing_has_lines_of_its_own(noted: Noted) -> None:
    stage = Stage(cluster=noted)
    stage.run(0, crashing("shop-9"))
    stage.look(times=4)
    for number in range(3):
        stage.world.stores.pods.update((NAME, f"shop-{number}"), None, 1000)
    stage.world.stores.pods.update((NAME, "shop-9"), None, 1000)
    stage.cluster.version = 2000
    stage.run(0, crashing("shop-8"))
    stage.look(times=2)
    assert stage.status.failure is not None
    assert stage.status.failure.object == "Pod shop-8"
    assert stage.status.failure.log_tail == ("read 2 times",)


@pytest.mark.requirement("DP-Q39")
def test_a_deploy_that_waits_is_looked_at_again_right_after_its_deadline() -> None:
    """Nobody else tells that it has passed."""
    stage = Stage(given(timeouts={"ready": "4s"}))
    stage.run(ready=0)
    again = stage.look(times=4)
    assert stage.status.phase == "RollingOut"
    assert again.after is not None
    assert 1.0 <= again.after <= 5.0


@pytest.mark.requirement("DP-Q39")
def test_what_failed_at_its_deadline_is_looked_at_now_and_then() -> None:
    stage = Stage()
    stage.run(ready=0)
    stage.look(times=4)
    stage.pass_time(3600)
    assert stage.look() == Again(30.0)
    assert stage.status.phase == "Failed"


def test_a_secret_that_is_lost_midway_is_made_anew_without_going_back_to_the_publication() -> None:
    """The release is in Git already: it would look as if that were to be done again."""
    stage = Stage(given(services=[{"name": "redis", "kind": "redis", "mode": "scoped"}]), with_redis)
    stage.run(ready=0)
    stage.look(times=6)
    phases = [each.phase for each in stage.status.phases]
    assert (stage.status.phase, phases[-1]) == ("RollingOut", "RollingOut")
    stage.cluster.lose("Secret", "redis-variables")
    stage.look(times=2)
    assert stage.cluster.secret("redis-variables") is not None
    assert [each.phase for each in stage.status.phases] == phases
    assert stage.status.phase == "RollingOut"


def unreadable(stage: Stage, **changes: Any) -> Object:
    """Somebody edits in what the schema lets pass; returns the status that follows."""
    stage.edit(vars={"my-var": "1"}, **changes)
    assert reconcile(stage.world, NAME) == Again()
    status: Object = stage.cluster.things[("KilterApp", NAMESPACE, NAME)]["status"]
    return status


@pytest.mark.requirement("O3")
def test_an_object_that_cannot_be_read_keeps_the_phases_of_its_deploy_and_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage().deployed()
    phases = len(stage.status.phases)
    status = unreadable(stage)
    assert (status["deployId"], len(status["phases"])) == (DEPLOY, phases)
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == ["a KilterApp cannot be read"]


def lately(stage: Stage) -> None:
    """It was Ready."""
    stage.pass_time(3600)


def long_since(stage: Stage) -> None:
    """It was not Ready any more, for an hour."""
    stage.run(ready=0)
    stage.look()
    stage.pass_time(3600)
    assert stage.said("Ready").status == "False"


@pytest.mark.requirement("O3", "DP-Q45")
@pytest.mark.parametrize(("happens", "anew"), [(lately, True), (long_since, False)])
def test_since_when_an_object_that_cannot_be_read_is_not_ready_is_when_it_ceased_to_be(
    happens: Callable[[Stage], None], anew: bool
) -> None:
    stage = Stage().deployed()
    happens(stage)
    app = stage.cluster.things[("KilterApp", NAMESPACE, NAME)]
    before = {each["type"]: each for each in app["status"]["conditions"]}
    after = {each["type"]: each for each in unreadable(stage)["conditions"]}
    assert (after["Ready"]["lastTransitionTime"] != before["Ready"]["lastTransitionTime"]) is anew
    assert [key for key in before if after[key] != before[key]] == ["Ready"], "others are as they were"
