"""How effects leave the operator: only while it leads, only at the very object they are meant for, and told of."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from kilter.gitops.flux import REQUESTED_AT
from kilter.gitops.model import Fence
from kilter.operator import effects, kinds
from kilter.operator.effects import Effect
from kilter.operator.kinds import Kind, Object
from kilter.operator.kube import Conflict, Kube, KubeError, Missing
from kilter.operator.lease import Deposed, Leadership
from kilter.operator.perform import perform
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.publications import ClosedWriter, Publications
from kilter.operator.settings import Settings
from kilter.operator.stores import Stores
from kilter.operator.world import World

NAME = "acme-shop-dev"
QUOTA: Object = {
    "apiVersion": "v1", "kind": "ResourceQuota",
    "metadata": {"name": "kilter.dev", "namespace": NAME, "uid": "u1", "resourceVersion": "7"},
}  # fmt: skip
TAKEN = 'Apply failed with 1 conflict: conflict with "kubectl-edit": .spec.hard'
NOTE = effects.Annotate(kinds.POD, NAME, "shop-1", "u1", "kilter.dev/seen", "yes")


@dataclass
class Asked:
    """An API server that keeps what it is asked, and answers it with its errors first, one each."""

    errors: list[KubeError] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    leadership: Leadership = field(default_factory=Leadership)
    deposes: bool = False  # whether another one leads once an error was answered

    def apply(self, thing: Object, *, force: bool = False) -> Object:
        self._note("apply", thing, force)
        return thing

    def merge(self, kind: Kind, namespace: str, name: str, patch: Object) -> Object:
        self._note("merge", (kind, namespace, name), patch)
        return QUOTA

    def delete(self, *place: object) -> bool:
        self._note("delete", place, None)
        return True

    def _note(self, verb: str, about: object, how: object) -> None:
        self.asked.append((verb, about, how))
        if self.errors:
            if self.deposes:
                self.leadership.end()
            raise self.errors.pop(0)


@pytest.fixture
def cluster() -> Asked:
    found = Asked()
    found.leadership.hold(Fence(1, "me"), float("inf"))
    return found


@pytest.fixture
def world(cluster: Asked) -> World:
    nothing: Any = None
    publications = Publications(ClosedWriter(), lambda _: None)
    return World(Settings(), cast("Kube", cluster), Stores(), cluster.leadership, publications, nothing, nothing)


@pytest.mark.requirement("F26")
@pytest.mark.parametrize(
    "effect",
    [
        effects.Apply(QUOTA),
        effects.Delete(kinds.POD, NAME, "shop-1", "u1"),
        NOTE,
        effects.Disown(QUOTA),
        effects.PokeSource("c" * 40),
    ],
)
def test_who_does_not_lead_any_more_asks_the_cluster_for_nothing(world: World, cluster: Asked, effect: Effect) -> None:
    world.leadership.end()
    with pytest.raises(Deposed):
        perform(world, effect)
    assert cluster.asked == []


@pytest.mark.requirement("O6")
def test_fields_that_others_took_are_taken_back_and_that_is_told_also_in_the_log(
    world: World, cluster: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.errors = [Conflict(409, "Conflict", TAKEN)]
    said = perform(world, effects.Apply(QUOTA))
    assert cluster.asked == [("apply", QUOTA, False), ("apply", QUOTA, True)]
    assert said == f"ResourceQuota kilter.dev: what others had changed is as kilter wants it again ({TAKEN})"
    assert [(each.levelname, each.message) for each in caplog.records] == [("WARNING", said)]


@pytest.mark.requirement("F30")
@pytest.mark.parametrize(
    "error",
    [
        Conflict(409, "Conflict", "the object has been modified"),
        Conflict(409, "AlreadyExists", 'resourcequotas "conflict" already exists'),
    ],
)
def test_a_refusal_that_is_about_no_field_is_not_overruled(world: World, cluster: Asked, error: Conflict) -> None:
    cluster.errors = [error]
    with pytest.raises(Conflict):
        perform(world, effects.Apply(QUOTA))
    assert cluster.asked == [("apply", QUOTA, False)]


@pytest.mark.requirement("F26")
def test_nothing_is_taken_back_by_who_was_deposed_while_it_asked(world: World, cluster: Asked) -> None:
    cluster.errors, cluster.deposes = [Conflict(409, "Conflict", TAKEN)], True
    with pytest.raises(Deposed):
        perform(world, effects.Apply(QUOTA))
    assert cluster.asked == [("apply", QUOTA, False)]


@pytest.mark.requirement("O4")
def test_owners_are_taken_off_the_object_as_it_was_seen_and_that_is_told(
    world: World, cluster: Asked, caplog: pytest.LogCaptureFixture
) -> None:
    said = perform(world, effects.Disown(QUOTA))
    patch = {"metadata": {"ownerReferences": None, "resourceVersion": "7"}}
    assert cluster.asked == [("merge", (kinds.RESOURCE_QUOTA, NAME, "kilter.dev"), patch)]
    assert said.startswith("ResourceQuota kilter.dev: owners that others had given it are taken off")
    assert [(each.levelname, each.message) for each in caplog.records] == [("WARNING", said)]
    assert world.stores.quotas.get(NAME, "kilter.dev") == QUOTA, "the next look does not see the owners again"


@pytest.mark.parametrize("error", [None, Missing(404, "NotFound", "gone"), Conflict(409, "Conflict", "another uid")])
def test_an_annotation_is_for_the_very_object_and_one_that_is_gone_fails_nothing(
    world: World, cluster: Asked, error: KubeError | None
) -> None:
    cluster.errors = [error] if error else []
    assert perform(world, NOTE) == ""
    patch = {"metadata": {"uid": "u1", "annotations": {"kilter.dev/seen": "yes"}}}
    assert cluster.asked == [("merge", (kinds.POD, NAME, "shop-1"), patch)]


def test_flux_is_asked_once_per_commit_and_again_where_it_did_not_hear(world: World, cluster: Asked) -> None:
    one, two = "1" * 40, "2" * 40
    cluster.errors = [KubeError(0, "ReadTimeout", "")]
    with pytest.raises(KubeError):
        perform(world, effects.PokeSource(one))
    for commit in (one, one, two):
        perform(world, effects.PokeSource(commit))
    source = (kinds.GIT_REPOSITORY, "flux-system", "kilter")
    heard = [{"metadata": {"annotations": {REQUESTED_AT: commit}}} for commit in (one, one, two)]
    assert cluster.asked == [("merge", source, patch) for patch in heard]


def test_what_is_for_a_database_server_says_where_there_is_none(world: World) -> None:
    with pytest.raises(DatabaseUnavailable, match="no database server is configured"):
        perform(world, effects.DropDatabase("retired"))


def test_a_secret_is_in_no_effect_that_is_printed() -> None:
    canary = "canary"
    thing = {"kind": "Secret", "data": {"password": canary}}
    change = effects.Change("acme", "shop", "dev", NAME, {"a.yaml": canary}, {"b.yaml": canary})
    found: list[object] = [effects.Apply(thing), effects.Disown(thing), effects.SetPassword("role", canary), change]
    assert not [each for each in found if canary in repr(each)]
