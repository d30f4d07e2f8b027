"""A database that is gone from its server: an empty one takes its place, and that is told until a deploy succeeds."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.operator.acting import Stage, given

from kilter.gitops.model import Fence
from kilter.operator import effects, lasting
from kilter.operator.effects import DatabaseEffect
from kilter.operator.postgres import DatabaseUnavailable, Snapshot
from kilter.operator.steps.database import DatabaseFact, RoleFact
from kilter.operator.steps.route import Answer

POSTGRES = {"services": [{"name": "postgres", "kind": "postgres", "mode": "scoped"}]}
BASE = "acme__shop__prod"
IS_GONE = f"the database {BASE} is gone, and an empty one is made in its place: restore it from your backup"
WAS_GONE = re.compile(
    rf"the database {BASE} was gone, and an empty one was made at \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, "
    "unless somebody brought it back just then; restore it from your backup"
)
NEXT: dict[str, Any] = {"deployId": "d-2", "sequence": 2}


class Killed(BaseException):
    """The operator ends at once."""


@dataclass
class Server:
    """The database server, as far as names go; `refuses` is the effect that it cannot carry out."""

    roles: dict[str, RoleFact] = field(default_factory=dict)
    databases: dict[str, DatabaseFact] = field(default_factory=dict)
    refuses: type[Any] | None = None
    kills: bool = False  # the operator, as soon as a database is made
    made: int = 0

    def snapshot(self, roles: tuple[str, ...], databases: tuple[str, ...], member_of: tuple[str, str]) -> Snapshot:
        del roles, databases
        return Snapshot(dict(self.roles), dict(self.databases), member_of[0] in self.roles)

    def expired(self, mark: str) -> dict[str, str]:
        del mark
        return {}

    def can_log_in(self, *_: str) -> bool:
        return True

    def perform(self, effect: DatabaseEffect, fence: Fence) -> None:
        del fence
        if self.refuses is not None and isinstance(effect, self.refuses):
            raise DatabaseUnavailable("the database server did not do it", why="no space left on device")
        match effect:
            case effects.CreateRole(name, mark):
                self.roles[name] = RoleFact(mark)
            case effects.SetPassword(role):
                self.roles[role] = RoleFact(self.roles[role].mark, can_login=True)
            case effects.CreateDatabase(name, owner):
                self.databases[name] = DatabaseFact(owner, "", open_to_all=True)
                self.made += 1
                if self.kills:
                    raise Killed
            case effects.SealDatabase(name, owner, mark):
                self.databases[name] = DatabaseFact(owner, mark, open_to_all=False)

    def lose(self) -> None:
        """An empty server takes the place of this one."""
        self.roles, self.databases = {}, {}


def begun(server: Server, **changes: Any) -> Stage:
    stage = Stage(given(**(POSTGRES | changes)))
    stage.world.databases = server
    stage.run()
    return stage


def deployed(server: Server) -> Stage:
    stage = begun(server)
    stage.look(times=6)
    assert stage.status.phase == "Ready", stage.status
    return stage


def lost(server: Server, stage: Stage) -> None:
    server.lose()
    stage.world.verified.forget("acme-shop-prod")  # as it does by itself within minutes


@pytest.mark.parametrize("settled", [True, False])
def test_an_empty_database_that_takes_the_place_of_a_lost_one_is_told_and_logged_as_an_error(
    settled: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where no deploy was ever Ready: what the app had written before that is lost all the same."""
    server = Server()
    stage = deployed(server) if settled else begun(server)
    if not settled:
        stage.run(ready=0)
        stage.look(times=4)
    lost(server, stage)
    stage.look(times=4)
    assert list(server.databases) == [BASE]
    (told,) = stage.status.warnings
    assert WAS_GONE.fullmatch(told)
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [IS_GONE, told]
    stage.run()
    stage.look(times=4)
    assert stage.status.phase == "Ready"
    assert stage.status.warnings == (told,)


def test_a_first_database_takes_the_place_of_none_however_often_it_is_tried() -> None:
    server = Server(refuses=effects.CreateDatabase)
    stage = begun(server)
    stage.look(times=6)
    server.refuses = None
    stage.look(times=6)
    assert stage.status.phase == "Ready"
    assert stage.status.warnings == ()


def test_a_database_that_a_later_deploy_asks_for_first_takes_the_place_of_none() -> None:
    server = Server(refuses=effects.CreateDatabase)
    stage = begun(server, services=[])
    stage.look(times=6)
    assert stage.status.phase == "Ready"
    stage.edit(**POSTGRES, **NEXT)
    stage.look(times=4)
    server.refuses = None
    stage.look(times=4)
    assert server.made == 1
    assert stage.status.database is not None
    assert stage.status.warnings == ()


@pytest.mark.requirement("F23")
def test_that_a_database_was_lost_is_told_also_by_who_comes_after_a_kill() -> None:
    server = Server()
    stage = deployed(server)
    lost(server, stage)
    server.kills = True
    with pytest.raises(Killed):
        stage.look(times=4)
    assert stage.status.warnings == (IS_GONE,)
    server.kills = False
    stage.look(times=3)
    assert [bool(WAS_GONE.fullmatch(each)) for each in stage.status.warnings] == [True]
    assert server.made == 2


def test_a_lost_database_is_told_until_the_next_deploy_has_succeeded() -> None:
    server = Server()
    stage = deployed(server)
    lost(server, stage)
    stage.look(times=4)
    (told,) = stage.status.warnings
    stage.edit(**NEXT)
    stage.run(ready=0, deploy="d-2")
    stage.look(times=4)
    stage.pass_time(3600)
    stage.look(times=2)
    failed = stage.status
    assert failed.phase == "Failed"
    (still,) = failed.warnings
    assert still.startswith("before this deploy: the database ")
    assert told.split(" at ")[0] in still
    stage.edit(deployId="d-3", sequence=3)
    stage.run(deploy="d-3")
    stage.look(times=1)
    (_,) = stage.status.warnings
    stage.world.gateway.ask = lambda host: Answer(200, "d-3")  # type: ignore[method-assign]
    stage.look(times=4)
    assert stage.status.phase == "Ready"
    assert stage.status.warnings == ()


def test_a_database_that_is_lost_twice_is_told_of_twice() -> None:
    server = Server()
    stage = deployed(server)
    lost(server, stage)
    stage.look(times=4)
    stage.pass_time(600)
    lost(server, stage)
    stage.look()
    assert IS_GONE in stage.status.warnings
    stage.look(times=3)
    assert IS_GONE not in stage.status.warnings
    assert server.made == 3


def test_no_number_of_other_warnings_pushes_out_that_a_database_was_lost() -> None:
    others = [f"warning {number}" for number in range(20)]
    kept = lasting.bounded((lasting.gone(BASE), *others))
    assert kept == (IS_GONE, *others[-9:])
    assert lasting.bounded(kept) == kept


def test_only_a_warning_of_a_database_that_was_lost_outlives_its_deploy() -> None:
    """Another one that begins like it says nothing of what is lost."""
    lost, other = lasting.gone(BASE), f"the database {BASE} is nearly full"
    told = f"a pod says: {lost}"
    assert lasting.carried((other, lost, told)) == (lost,)
    assert lasting.fresh((), (other, lost, told)) == (lost,)
    assert lasting.fresh((lost,), (lost,)) == ()
    now = datetime(2026, 5, 1, tzinfo=UTC)
    (after,) = lasting.made_anew((lost,), BASE, now)
    assert lasting.made_anew((other,), BASE, now) == (other,)
    (carried,) = lasting.carried((after,))
    assert carried == f"before this deploy: {after}"
    assert lasting.carried((carried,)) == (carried,)
    assert lasting.fresh((), (carried, after)) == (after,)
    assert lasting.outlived((carried, after, other)) == (after, other)
    assert lasting.bounded((other, other, lost)) == (other, lost)
