"""Databases that deleted environments left behind: whose time is over, and what is dropped of it (DP-Q25)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from kilter.api.kilterapp import NAMESPACE
from kilter.gitops.model import Fence
from kilter.operator import effects, expiry, kinds
from kilter.operator.effects import DatabaseEffect
from kilter.operator.kinds import Object
from kilter.operator.kube import KubeError
from kilter.operator.lease import Deposed, Leadership
from kilter.operator.logs import JsonLines
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.publications import ClosedWriter, Publications
from kilter.operator.reconcile import reconcile
from kilter.operator.settings import Database, Settings
from kilter.operator.stores import Stores
from kilter.operator.world import World
from kilter.render import names
from kilter.render.names import Slot

pytestmark = pytest.mark.requirement("DP-Q25")
SLOT = Slot("acme", "shop", "main")
NAME = "acme-shop-main"
MARK = "kilter:default:acme/shop/main"
LOGIN = names.database(SLOT).app


@dataclass
class Databases:
    """A server with closed roles whose time is over; it may be away."""

    roles: dict[str, str] = field(default_factory=lambda: {LOGIN: MARK})
    performed: list[DatabaseEffect] = field(default_factory=list)
    away: bool = False
    fault: Exception | None = None

    def expired(self, mark: str) -> dict[str, str]:
        if self.away:
            raise DatabaseUnavailable("the database server did not do it", why="it is away")
        if self.fault is not None:
            raise self.fault
        return {role: said for role, said in self.roles.items() if said.startswith(mark)}

    def perform(self, effect: DatabaseEffect, fence: Fence) -> None:
        assert fence.number == 1
        assert isinstance(effect, effects.ExpireDatabase)
        self.roles.pop(effect.login)
        self.performed.append(effect)


@dataclass
class Cluster:
    """The KilterApps that the API server has, by name."""

    apps: dict[str, Object] = field(default_factory=dict)

    def request(self, method: str, path: str, *, params: Mapping[str, str]) -> Object:
        assert (method, path) == ("GET", kinds.APP.path(NAMESPACE))
        name = params["fieldSelector"].removeprefix("metadata.name=")
        return {"items": [self.apps[name]] if name in self.apps else []}


def world(databases: Databases | None, cluster: Cluster | None = None, days: int = 7) -> World:
    leadership = Leadership()
    leadership.hold(Fence(1, "me"), float("inf"))
    nothing: Any = None
    kube: Any = cluster or Cluster()
    publications = Publications(ClosedWriter(), nothing)
    settings = Settings(database=Database(keep_days=days))
    return World(settings, kube, Stores(), leadership, publications, nothing, nothing, databases)  # type: ignore[arg-type]


def test_a_database_whose_time_is_over_is_dropped_when_its_name_is_looked_at() -> None:
    databases = Databases()
    here = world(databases)
    assert expiry.due(here) == [NAME]
    assert databases.performed == []
    reconcile(here, NAME)
    own = names.database(SLOT)
    assert databases.performed == [
        effects.ExpireDatabase(own.name, own.owner, own.app, MARK, f"{own.name}__gone_expired")
    ]
    reconcile(here, NAME)
    assert len(databases.performed) == 1


@pytest.mark.requirement("S24")
def test_the_log_names_the_database_that_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    here = world(Databases())
    expiry.due(here)
    reconcile(here, NAME)
    (line,) = (json.loads(JsonLines().format(each)) for each in caplog.records if "dropping" in each.message)
    assert (line["app"], line["database"]) == (NAME, names.database(SLOT).name)


@pytest.mark.parametrize(
    ("role", "mark"),
    [
        (LOGIN, "kilter:other:acme/shop/main"),
        (LOGIN, "kilter:default:acme/shop"),
        (LOGIN, "kilter:default:acme/shop/Main"),
        (LOGIN, "kilter:default:acme/other/main"),
        (LOGIN, "somebody's"),
        ("somebody", MARK),
        (names.database(SLOT).owner, MARK),
    ],
)
def test_a_role_that_is_no_login_of_this_clusters_environments_means_nothing(role: str, mark: str) -> None:
    assert expiry.due(world(Databases({role: mark}))) == []


@pytest.mark.parametrize("name", names.object_names(SLOT))
@pytest.mark.parametrize("spec", [{"org": "acme", "app": "shop", "env": "main"}, {"org": "acme"}, {}, None])
def test_nothing_is_dropped_of_an_environment_that_has_come_back_or_may_have(
    name: str, spec: dict[str, str] | None
) -> None:
    databases = Databases()
    here = world(databases, Cluster({name: {"metadata": {"name": name}, "spec": spec}}))
    expiry.due(here)
    expiry.drop(here, NAME)
    assert databases.performed == []


def test_the_name_alone_makes_no_environment_of_another_project_its_own() -> None:
    databases = Databases()
    other = {"spec": {"org": "acme-shop", "app": "main", "env": "dev"}}
    here = world(databases, Cluster({NAME: other}))
    expiry.due(here)
    expiry.drop(here, NAME)
    assert len(databases.performed) == 1


def test_a_server_that_is_away_is_told_of_and_asked_again_later(caplog: pytest.LogCaptureFixture) -> None:
    databases = Databases()
    here = world(databases)
    expiry.due(here)
    databases.away = True
    expiry.drop(here, NAME)
    assert expiry.due(here) == []
    assert caplog.text.count("it is away") == 2
    databases.away = False
    assert expiry.due(here) == [NAME]


def test_whatever_goes_wrong_with_the_question_is_told_and_does_not_end_the_operator(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert expiry.due(world(Databases(fault=UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")))) == []
    assert [(each.levelname, each.message) for each in caplog.records] == [
        ("ERROR", "cannot tell which kept databases are to go")
    ]


def test_where_there_is_no_database_server_nothing_is_due_nor_told_of(caplog: pytest.LogCaptureFixture) -> None:
    assert expiry.due(world(None)) == []
    assert caplog.text == ""


def test_where_databases_are_kept_for_good_from_now_on_none_that_was_noted_is_dropped() -> None:
    assert expiry.due(world(Databases(), days=0)) == []


def test_what_was_taken_up_again_since_it_was_noted_is_not_dropped_nor_said_to_be(
    caplog: pytest.LogCaptureFixture,
) -> None:
    databases = Databases()
    here = world(databases)
    expiry.due(here)
    databases.roles.clear()
    with caplog.at_level("INFO"):
        expiry.drop(here, NAME)
    assert databases.performed == []
    assert caplog.text == ""


def test_a_note_of_an_environment_that_is_there_again_is_forgotten() -> None:
    """It must not count when that one is deleted in its turn, whose database has days of its own."""
    databases, cluster = Databases(), Cluster({NAME: {"spec": {"org": "acme", "app": "shop", "env": "main"}}})
    here = world(databases, cluster)
    expiry.due(here)
    expiry.drop(here, NAME)
    cluster.apps.clear()
    expiry.drop(here, NAME)
    assert databases.performed == []


def test_two_environments_that_would_have_one_name_are_both_dropped() -> None:
    slots = (Slot("acme", "shop-main", "x"), Slot("acme-shop", "main", "x"))
    databases = Databases({names.database(slot).app: f"kilter:default:{slot}" for slot in slots})
    here = world(databases)
    [name] = expiry.due(here)
    expiry.drop(here, name)
    assert len(databases.performed) == 2


def test_a_cluster_that_fails_is_asked_again() -> None:
    class Failing(Cluster):
        def request(self, method: str, path: str, *, params: Mapping[str, str]) -> Object:
            raise KubeError(503, "Unavailable", "away")

    here = world(Databases(), Failing())
    expiry.due(here)
    with pytest.raises(KubeError):
        expiry.drop(here, NAME)
    assert here.expired == {NAME: {SLOT}}


def test_a_deposed_operator_drops_nothing() -> None:
    databases = Databases()
    here = world(databases)
    expiry.due(here)
    here.leadership.end()
    with pytest.raises(Deposed):
        expiry.drop(here, NAME)
    assert databases.performed == []


def test_without_a_database_server_nothing_is_due() -> None:
    assert expiry.due(world(None)) == []
