"""Two KilterApps of one environment, as a backup brings back one whose name the environment had once."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from unit.operator.acting import NAME, Stage, Writer, given

from kilter.api.kilterapp import FINALIZER, NAMESPACE, KilterApp
from kilter.gitops.model import Fence
from kilter.operator.effects import Change, DatabaseEffect
from kilter.operator.kinds import Object
from kilter.operator.postgres import Snapshot
from kilter.operator.publications import Receipt
from kilter.operator.reconcile import Again, reconcile
from kilter.operator.steps.database import DatabaseFact, RoleFact
from kilter.operator.views import Unreadable
from kilter.render import names
from kilter.render.names import Slot

pytestmark = pytest.mark.requirement("O2", "DP-Q25", "DP-Q33")
SECOND = names.object_names(Slot("acme", "shop", "prod"))[1]
MARK = "kilter:default:acme/shop/prod"


@dataclass
class Kept(Writer):
    """Notes what is handed in."""

    changes: list[Change] = field(default_factory=list)

    def submit(self, change: Change) -> "Future[Receipt]":
        self.changes.append(change)
        return super().submit(change)


@dataclass
class Server:
    """A database server that has all of the environment; notes what is done to it."""

    done: list[DatabaseEffect] = field(default_factory=list)

    def snapshot(self, roles: tuple[str, ...], databases: tuple[str, ...], member_of: tuple[str, str]) -> Snapshot:
        del member_of
        found = {role: RoleFact(MARK, can_login=role.endswith("_app")) for role in roles}
        return Snapshot(found, {databases[0]: DatabaseFact(roles[0], MARK, open_to_all=False)}, is_member=True)

    def expired(self, mark: str) -> dict[str, str]:
        del mark
        return {}

    def can_log_in(self, *_: object) -> bool:
        return True

    def perform(self, effect: DatabaseEffect, fence: Fence) -> None:
        del fence
        self.done.append(effect)


def second(stage: Stage, made: str, **metadata: Any) -> None:
    """There is another KilterApp of the environment, made at that time."""
    app = given(databaseOnDelete="drop", services=[{"name": "postgres", "kind": "postgres", "mode": "scoped"}])
    own = {"name": SECOND, "uid": "u9", "finalizers": [FINALIZER], "creationTimestamp": made}
    put(stage, app | {"metadata": app["metadata"] | own | metadata})


def put(stage: Stage, app: Object) -> None:
    stage.cluster.version += 1
    app = app | {"metadata": app["metadata"] | {"resourceVersion": str(stage.cluster.version)}}
    stage.cluster.things[("KilterApp", NAMESPACE, app["metadata"]["name"])] = app
    stage.world.stores.put(app)


@pytest.fixture
def stage() -> Stage:
    """An environment that runs, with a repository and a database server."""
    app = given()
    app["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
    made = Stage(app).deployed()
    made.world.databases, made.world.publications.writer = Server(), Kept()
    return made


def untouched(stage: Stage) -> bool:
    server, writer = stage.world.databases, stage.world.publications.writer
    assert isinstance(server, Server)
    assert isinstance(writer, Kept)
    return not server.done and not writer.changes


def test_the_younger_of_two_is_refused_and_makes_nothing(stage: Stage) -> None:
    second(stage, "2026-02-01T00:00:00Z")
    assert reconcile(stage.world, SECOND) == Again(60.0)
    found = stage.world.stores.apps.get(NAMESPACE, SECOND)
    assert isinstance(found, KilterApp)
    assert found.status.failure is not None
    assert found.status.failure.message == f"acme/shop/prod is the KilterApp {NAME} already; delete this one"
    assert untouched(stage)


@pytest.mark.parametrize("is_readable", [True, False])
def test_the_end_of_the_younger_of_two_takes_neither_database_nor_files_of_the_other(
    stage: Stage, is_readable: bool
) -> None:
    if not is_readable:
        app = stage.cluster.things[("KilterApp", NAMESPACE, NAME)]
        labels = {f"kilter.dev/{part}": app["spec"][part] for part in ("org", "app", "env")}
        put(
            stage,
            app | {"metadata": app["metadata"] | {"labels": labels}, "spec": app["spec"] | {"vars": {"my-var": "1"}}},
        )
        assert isinstance(stage.world.stores.apps.get(NAMESPACE, NAME), Unreadable)
    second(stage, "2026-02-01T00:00:00Z", deletionTimestamp="2026-03-01T00:00:00Z", generation=2)
    assert reconcile(stage.world, SECOND) == Again()
    assert untouched(stage)


def test_the_elder_goes_on_and_ends_as_if_it_were_alone(stage: Stage) -> None:
    second(stage, "2025-12-01T00:00:00Z", deletionTimestamp="2026-03-01T00:00:00Z", generation=2)
    for _ in range(3):
        reconcile(stage.world, SECOND)
    assert not untouched(stage)


def test_one_of_another_environment_under_the_other_name_is_nobodys_elder(stage: Stage) -> None:
    app = given(org="acme-shop", app="prod", env="x")
    put(stage, app | {"metadata": app["metadata"] | {"name": SECOND, "uid": "u8"}})
    stage.look()
    assert stage.status.phase == "Ready"
