"""The database step against a real PostgreSQL, as a role without a superuser's rights."""

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql

from kilter.api.kilterapp import KilterApp, Metadata, Spec
from kilter.api.kilterapp_parts import Service
from kilter.gitops.model import Fence
from kilter.operator import effects
from kilter.operator.effects import Effect
from kilter.operator.lease import Deposed
from kilter.operator.postgres import DatabaseUnavailable, Postgres
from kilter.operator.settings import Database, Settings
from kilter.operator.steps import cleanup, database
from kilter.operator.steps.base import Done, Failed, Target
from kilter.operator.steps.publish import Submission
from kilter.render import names

from .postgres import Server, server

IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
FENCE = Fence(7, "me")
OURS = "kilter:default:"  # what the comments of this platform's roles begin with


@pytest.fixture(scope="module")
def there() -> Iterator[Server]:
    with server() as found:
        yield found


@pytest.fixture
def platform(there: Server) -> Iterator[Postgres]:
    postgres = Postgres(there.operator)
    with there.connect(dbname=str(psycopg.conninfo.conninfo_to_dict(there.operator)["dbname"])) as connection:
        connection.execute("DROP SCHEMA IF EXISTS kilter CASCADE")
    yield postgres
    postgres.close()


class World:
    """The database step's world: a server, and the one Secret of the namespace."""

    def __init__(
        self, there: Server, postgres: Postgres, app: str = "", env: str = "prod", settings: Settings | None = None
    ) -> None:
        self.postgres = postgres
        self.secret: dict[str, Any] | None = None
        app = app or f"a{secrets.token_hex(4)}"
        service = Service(name="postgres", kind="postgres")
        spec = Spec(
            org="acme",
            app=app,
            env=env,
            deploy_id="d1",
            sequence=1,
            actor="mia",
            image=IMAGE,
            port=80,
            services=(service,),
        )
        host, port = there.address
        given = settings or Settings(database=Database(there.operator, host, port))
        metadata = Metadata(name=f"acme-{app}-{env}", uid=secrets.token_hex(8))
        self.target = Target(KilterApp(metadata=metadata, spec=spec), given, datetime.now(UTC))
        self.names = names.database(self.target.slot)

    def facts(self) -> database.Facts:
        own = self.names
        found = self.postgres.snapshot((own.owner, own.app), (own.name,), (own.owner, own.app))
        login, password = found.roles.get(own.app), database.password_of(self.secret)
        works = bool(password and login and login.can_login and own.name in found.databases)
        return database.Facts(
            owner=found.roles.get(own.owner),
            login=login,
            is_member=found.is_member,
            database=found.databases.get(own.name),
            secret=self.secret,
            login_works=works and self.postgres.can_log_in(own.app, password, own.name),
            fresh_password=secrets.token_urlsafe(16),
        )

    def left(self) -> cleanup.Facts:
        own, retired, expired = self.names, cleanup.retired_name(self.target), cleanup.expired_name(self.target.slot)
        found = self.postgres.snapshot((own.owner, own.app), (own.name, retired, expired), (own.owner, own.app))
        return cleanup.Facts(
            submission=Submission("published"),
            owner=found.roles.get(own.owner),
            login=found.roles.get(own.app),
            database=found.databases.get(own.name),
            retired=retired in found.databases,
            expired=expired in found.databases,
        )

    def perform(self, effect: Effect, fence: Fence = FENCE) -> None:
        if isinstance(effect, effects.Apply):
            self.secret = effect.thing
        else:
            self.postgres.perform(effect, fence)  # type: ignore[arg-type]

    def provision(self) -> list[Effect]:
        """Run the step until it has nothing left to do; returns what it did."""
        done: list[Effect] = []
        for _ in range(4):
            decision = database.decide(self.target, self.facts())
            assert isinstance(decision.verdict, Done), decision.verdict
            if not decision.effects:
                return done
            for effect in decision.effects:
                self.perform(effect)
            done += decision.effects
        raise AssertionError("it never comes to an end")

    def leave(self) -> None:
        for _ in range(6):
            decision = cleanup.decide(self.target, self.left())
            if isinstance(decision.verdict, Done):
                return
            for effect in decision.effects:
                self.perform(effect)
        raise AssertionError("it never comes to an end")

    def policy(self, said: str) -> None:
        app = self.target.app
        metadata = msgspec.structs.replace(app.metadata, annotations={cleanup.POLICY: said})
        self.target = replace(self.target, app=KilterApp(metadata=metadata, spec=app.spec))

    def made(self, class_: str) -> None:
        """Have the environment's KilterApp made anew, with this class."""
        app = self.target.app
        metadata = Metadata(name=app.metadata.name, uid=secrets.token_hex(8))
        spec = msgspec.structs.replace(app.spec, class_=class_)
        self.target = replace(self.target, app=KilterApp(metadata=metadata, spec=spec))
        self.secret = None  # it went with the namespace

    def deleted(self) -> None:
        """Delete the KilterApp now, and have the operator do what it then does."""
        app = self.target.app
        metadata = msgspec.structs.replace(app.metadata, deletion_timestamp=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
        self.target = replace(self.target, app=KilterApp(metadata=metadata, spec=app.spec))
        self.leave()

    def login(self, there: Server, dbname: str = "") -> "psycopg.Connection[tuple[object, ...]]":
        password = database.password_of(self.secret)
        return there.connect(user=self.names.app, password=password, dbname=dbname or self.names.name)


@pytest.mark.requirement("DP-25", "O7", "B8")
def test_an_app_gets_a_database_of_its_own_that_no_other_app_can_open(there: Server, platform: Postgres) -> None:
    one, other = World(there, platform), World(there, platform)
    one.provision()
    other.provision()
    with one.login(there) as connection:
        connection.execute("CREATE TABLE orders (id int)")
        connection.execute("CREATE SCHEMA more")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE ROLE mine")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(other.names.owner)))
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        one.login(there, dbname=other.names.name)
    assert there.scalar("SELECT rolsuper FROM pg_roles WHERE rolname = %s", one.names.app) is False


@pytest.mark.requirement("F23", "F36")
def test_a_kill_after_any_write_leaves_what_the_next_run_completes(there: Server, platform: Postgres) -> None:
    whole = World(there, platform)
    steps = [type(effect).__name__ for effect in whole.provision()]
    assert steps == [
        *("CreateRole", "CreateRole", "AdmitRole", "CreateDatabase", "SealDatabase", "Apply", "SetPassword"),
    ]
    for survived in range(len(steps)):
        world = World(there, platform)
        for effect in database.decide(world.target, world.facts()).effects[:survived]:
            world.perform(effect)
        kept = database.password_of(world.secret)
        assert isinstance(world.provision()[-1], effects.SetPassword)
        assert not kept or database.password_of(world.secret) == kept, "a password that was given out stays"
        with world.login(there) as connection:
            connection.execute("CREATE TABLE t (id int)")
    assert world.provision() == []


@pytest.mark.requirement("F23")
def test_every_effect_may_be_carried_out_twice(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    for effect in database.decide(world.target, world.facts()).effects:
        world.perform(effect)
        world.perform(effect)
    assert world.provision() == []
    world.policy("drop")
    for effect in cleanup.decide(world.target, world.left()).effects:
        world.perform(effect)
        world.perform(effect)
    assert there_is(there, world) == (0, 0)


@pytest.mark.requirement("F36")
def test_a_password_that_differs_from_the_secret_is_made_equal_to_it(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    platform.perform(effects.SetPassword(world.names.app, "something else"), FENCE)
    assert [type(effect).__name__ for effect in world.provision()] == ["SetPassword"]
    world.login(there).close()


@pytest.mark.requirement("SC-8")
def test_no_statement_holds_the_password(there: Server, platform: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    execute = psycopg.Connection.execute

    def recording(self: Any, query: Any, params: Any = None, **rest: Any) -> Any:
        said.append(f"{query.as_string(self) if isinstance(query, sql.Composable) else query} {params}")
        return execute(self, query, params, **rest)

    monkeypatch.setattr(psycopg.Connection, "execute", recording)
    world = World(there, platform)
    world.provision()
    assert any("SCRAM-SHA-256$" in each for each in said)
    assert not any(database.password_of(world.secret) in each for each in said)


@pytest.mark.requirement("O2", "C2")
def test_what_kilter_did_not_make_is_refused_naming_both_owners(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    with there.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(world.names.owner)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(world.names.name)))
    try:
        verdict = database.decide(world.target, world.facts()).verdict
        assert isinstance(verdict, Failed)
        assert verdict.message == (
            f"{world.target.slot} needs the role {world.names.owner}, which was not made by kilter"
        )
        with there.connect() as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(world.names.owner)))
        verdict = database.decide(world.target, world.facts()).verdict
        assert isinstance(verdict, Failed)
        assert verdict.reason == "DatabaseTaken"
        assert "is owned by postgres" in verdict.message
        world.policy("drop")
        world.leave()
        assert there.scalar("SELECT count(*) FROM pg_database WHERE datname = %s", world.names.name) == 1
    finally:
        with there.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(world.names.name)))


@pytest.mark.requirement("O2")
def test_the_database_of_another_cluster_on_the_same_server_is_refused(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    elsewhere = replace(world.target, settings=replace(world.target.settings, cluster="second"))
    verdict = database.decide(elsewhere, world.facts()).verdict
    assert isinstance(verdict, Failed)
    assert f"belongs to default:{world.target.slot}" in verdict.message


def test_a_tenant_that_rewrites_the_comment_of_its_database_changes_nothing(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    with world.login(there) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(world.names.owner)))
        said = "COMMENT ON DATABASE {} IS 'kilter:default:acme/other/prod'"
        connection.execute(sql.SQL(said).format(sql.Identifier(world.names.name)))
    assert [type(effect).__name__ for effect in world.provision()] == ["SealDatabase"]


@pytest.mark.requirement("DP-Q25", "F37")
def test_a_kept_database_is_closed_and_is_the_same_one_when_the_environment_comes_back(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.provision()
    with world.login(there) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id")
        world.leave()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        world.login(there)
    world.secret = None  # it went with the namespace
    world.provision()
    with world.login(there) as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]


def expiring(world: World) -> effects.ExpireDatabase:
    own = world.names
    last = cleanup.expired_name(world.target.slot)
    return effects.ExpireDatabase(own.name, own.owner, own.app, database.mark(world.target), last)


def over(there: Server, world: World) -> None:
    """Let a closed database's time be over."""
    with there.connect() as connection:
        said = "ALTER ROLE {} VALID UNTIL {}"
        past = str(datetime.now(UTC) - timedelta(seconds=1))
        connection.execute(sql.SQL(said).format(sql.Identifier(world.names.app), sql.Literal(past)))


def kept_for(there: Server, world: World) -> object:
    """Return what the server has noted on the login role, as days from now."""
    question = "SELECT CASE WHEN isfinite(rolvaliduntil) THEN round(extract(epoch FROM rolvaliduntil - now()) / 86400)"
    question += " || ' days' ELSE rolvaliduntil::text END FROM pg_roles WHERE rolname = %s"
    return there.scalar(question, world.names.app)


def there_is(there: Server, world: World) -> tuple[object, object]:
    """Return how many databases and roles of the environment there are."""
    like = f"{world.names.name}%"
    databases = there.scalar("SELECT count(*) FROM pg_database WHERE datname LIKE %s", like)
    return databases, there.scalar("SELECT count(*) FROM pg_roles WHERE rolname LIKE %s", like)


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(
    ("class_", "days", "expected"),
    [("standard", 7, "7 days"), ("ephemeral", 3, "3 days"), ("standard", 0, "infinity"), ("protected", 7, "infinity")],
)
def test_the_server_notes_until_when_a_database_is_kept(
    there: Server, platform: Postgres, class_: str, days: int, expected: str
) -> None:
    host, port = there.address
    world = World(there, platform, settings=Settings(database=Database(there.operator, host, port, keep_days=days)))
    world.made(class_)
    world.provision()
    world.deleted()
    assert kept_for(there, world) == expected
    assert platform.expired(database.mark(world.target)) == {}
    platform.perform(expiring(world), FENCE)
    assert there_is(there, world) == (1, 2)


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(("class_", "expected"), [("standard", "7 days"), ("protected", "infinity")])
def test_a_second_deletion_counts_anew_also_where_the_environment_came_back_without_its_database(
    there: Server, platform: Postgres, class_: str, expected: str
) -> None:
    world = World(there, platform)
    world.made("standard")
    world.provision()
    world.deleted()
    over(there, world)
    world.made(class_)
    world.deleted()
    assert kept_for(there, world) == expected
    platform.perform(expiring(world), FENCE)
    assert there_is(there, world) == (1, 2)


@pytest.mark.requirement("DP-Q25")
def test_what_is_kept_for_good_stays_so_when_the_environment_comes_back_without_it_and_goes_again(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.made("protected")
    world.provision()
    world.deleted()
    for _ in range(2):
        world.made("standard")
        world.deleted()
        assert kept_for(there, world) == "infinity"
        assert cleanup.decide(world.target, world.left()).verdict == Done("nothing of it is left, its database is kept")
    world.made("standard")
    world.provision()
    world.deleted()
    assert kept_for(there, world) == "7 days"
    said = Done("nothing of it is left, its database is kept for 7 days")
    assert cleanup.decide(world.target, world.left()).verdict == said


@pytest.mark.requirement("DP-Q25", "F23")
def test_the_database_of_a_login_that_was_never_opened_is_kept_for_good(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    for effect in database.decide(world.target, world.facts()).effects[:-1]:  # then it was killed
        world.perform(effect)
    world.deleted()
    assert kept_for(there, world) is None


@pytest.mark.requirement("DP-Q25")
def test_days_are_counted_from_the_last_deletion_to_within_minutes_whatever_the_clocks_say(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.provision()
    world.deleted()
    note = "ALTER ROLE {} VALID UNTIL {}"
    with there.connect() as connection:
        earlier = str(datetime.now(UTC) + timedelta(days=7, hours=-1))
        connection.execute(sql.SQL(note).format(sql.Identifier(world.names.app), sql.Literal(earlier)))
    assert not isinstance(cleanup.decide(world.target, world.left()).verdict, Done)
    world.target = replace(world.target, now=datetime.now(UTC) + timedelta(hours=1))  # that long ago it was deleted
    assert isinstance(cleanup.decide(world.target, world.left()).verdict, Done)
    world.target = replace(world.target, now=datetime.now(UTC) - timedelta(hours=2))  # a clock that is behind
    world.leave()


@pytest.mark.requirement("DP-Q25", "F23")
def test_what_a_killed_expiry_left_goes_with_the_environment_that_is_dropped(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    world.deleted()
    over(there, world)
    effect = expiring(world)
    platform.perform(effects.RetireDatabase(effect.name, effect.owner, effect.retired), FENCE)  # then it was killed
    world.made("standard")
    world.provision()
    world.policy("drop")
    assert world.left().expired
    world.deleted()
    assert there_is(there, world) == (0, 0)


@pytest.mark.requirement("DP-Q25", "F23")
def test_a_database_whose_time_is_over_goes_with_its_roles_whatever_an_earlier_try_left(
    there: Server, platform: Postgres
) -> None:
    world, neighbour = World(there, platform), World(there, platform)
    for each in (world, neighbour):
        each.provision()
        with each.login(there) as connection:
            connection.execute("CREATE TABLE orders (id int)")
        each.leave()
    over(there, world)
    assert platform.expired(OURS) == {world.names.app: database.mark(world.target)}
    effect = expiring(world)
    platform.perform(effects.RetireDatabase(effect.name, effect.owner, effect.retired), FENCE)  # then it was killed
    for _ in range(2):
        platform.perform(effect, FENCE)
        assert there_is(there, world) == (0, 0)
    assert platform.expired(OURS) == {}
    assert there_is(there, neighbour) == (1, 2)
    world.secret = None
    world.provision()
    world.login(there).close()


@pytest.mark.requirement("DP-Q25")
def test_a_database_that_was_taken_up_again_is_not_dropped_and_its_next_end_has_a_time_of_its_own(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.provision()
    with world.login(there) as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS id")
    world.leave()
    over(there, world)
    world.secret = None
    world.provision()
    platform.perform(expiring(world), FENCE)
    with world.login(there) as connection:
        assert connection.execute("SELECT id FROM orders").fetchall() == [(1,)]
    world.leave()
    assert world.names.app not in platform.expired(OURS)


@pytest.mark.requirement("DP-Q25", "F26")
def test_a_leader_that_was_deposed_drops_no_database_whose_time_is_over(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    world.leave()
    over(there, world)
    later = Postgres(there.operator)
    later.lead(Fence(8, "next"))
    with pytest.raises(Deposed):
        platform.perform(expiring(world), FENCE)
    assert there_is(there, world) == (1, 2)
    later.perform(expiring(world), Fence(8, "next"))
    assert there_is(there, world) == (0, 0)
    later.close()


@pytest.mark.requirement("DP-Q25", "F23")
def test_a_dropped_environment_leaves_no_database_and_no_role_whenever_it_is_killed(
    there: Server, platform: Postgres
) -> None:
    for survived in range(5):
        world = World(there, platform)
        world.provision()
        world.policy("drop")
        with world.login(there):
            for effect in cleanup.decide(world.target, world.left()).effects[:survived]:
                world.perform(effect)
            world.leave()
        assert there_is(there, world) == (0, 0)


@pytest.mark.requirement("F26")
def test_a_deposed_leader_is_refused_by_the_server_itself(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    later = Postgres(there.operator)
    later.lead(Fence(8, "next"))
    every: tuple[Any, ...] = (
        effects.CreateRole(f"{world.names.name}_x", "kilter:default:x"),
        effects.SetPassword(world.names.app, "stolen"),
        effects.CreateDatabase(f"{world.names.name}_x", world.names.owner),
        effects.RetireDatabase(world.names.name, world.names.owner, cleanup.retired_name(world.target)),
        effects.DropDatabase(cleanup.retired_name(world.target)),
        effects.DropRole(world.names.app, database.mark(world.target)),
    )
    for effect in every:
        with pytest.raises(Deposed):
            platform.perform(effect, FENCE)
    earlier = Postgres(there.operator)
    with pytest.raises(Deposed):
        earlier.lead(FENCE)
    earlier.close()
    world.login(there).close()
    later.close()


@pytest.mark.requirement("F26", "F35")
@pytest.mark.parametrize(
    "lost", ["DROP SCHEMA kilter CASCADE", "DELETE FROM kilter.fence", "UPDATE kilter.fence SET number = 3"]
)
def test_a_server_that_lost_the_leaders_number_is_led_anew(there: Server, platform: Postgres, lost: str) -> None:
    """It came in the place of the one that was led, or back from a backup."""
    world = World(there, platform)
    world.provision()
    fence = str(psycopg.conninfo.conninfo_to_dict(there.operator)["dbname"])
    with there.connect(dbname=fence) as connection:
        connection.execute(lost)
    other = World(there, platform)
    other.provision()
    other.policy("drop")
    other.leave()
    assert there_is(there, other) == (0, 0)
    with there.connect(dbname=fence) as connection:
        assert connection.execute("SELECT number FROM kilter.fence").fetchall() == [(FENCE.number,)]
        connection.execute("UPDATE kilter.fence SET number = 8")
    with pytest.raises(Deposed):
        World(there, platform).provision()


@pytest.mark.requirement("F26", "F35")
def test_changes_that_meet_a_lost_number_at_once_are_all_carried_out(there: Server, platform: Postgres) -> None:
    worlds = [World(there, platform) for _ in range(4)]
    worlds[0].provision()
    with there.connect(dbname=str(psycopg.conninfo.conninfo_to_dict(there.operator)["dbname"])) as connection:
        connection.execute("DROP SCHEMA kilter CASCADE")
    with ThreadPoolExecutor(len(worlds)) as threads:
        done = list(threads.map(World.provision, worlds))
    assert [len(each) for each in done] == [0, 7, 7, 7]


@pytest.mark.requirement("F26")
def test_a_leader_that_is_paused_within_a_transaction_holds_nobody_up_and_changes_nothing(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.provision()
    paused, resumed = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def old_leader() -> None:
        try:
            with platform._fenced(FENCE) as connection:
                paused.set()
                resumed.wait(60)
                connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(world.names.app)))
        except (Deposed, DatabaseUnavailable, psycopg.Error) as error:
            errors.append(error)

    thread = threading.Thread(target=old_leader)
    thread.start()
    paused.wait(10)
    later, began = Postgres(there.operator), time.monotonic()
    while True:
        try:
            later.lead(Fence(9, "next"))
            break
        except DatabaseUnavailable:
            assert time.monotonic() - began < 20
    resumed.set()
    thread.join(20)
    assert len(errors) == 1
    world.login(there).close()
    later.close()


@pytest.mark.requirement("F35")
def test_a_server_that_is_away_is_said_to_be_and_found_again(there: Server, platform: Postgres) -> None:
    world = World(there, platform)
    world.provision()
    with there.connect() as connection:
        killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
        connection.execute(killed, (psycopg.conninfo.conninfo_to_dict(there.operator)["user"],))
    assert world.provision() == []
    gone = Postgres("postgresql://nobody:secret@127.0.0.1:9/none")
    with pytest.raises(DatabaseUnavailable) as caught:
        gone.lead(FENCE)
    assert "secret" not in f"{caught.value.what} {caught.value.why}"


@pytest.mark.requirement("F35")
def test_a_role_whose_connections_are_all_in_use_is_told_from_one_with_another_password(
    there: Server, platform: Postgres
) -> None:
    world = World(there, platform)
    world.provision()
    own = world.names
    with there.connect() as connection:
        connection.execute(sql.SQL("ALTER ROLE {} CONNECTION LIMIT 1").format(sql.Identifier(own.app)))
    with world.login(there):
        assert platform.can_log_in(own.app, database.password_of(world.secret), own.name)
        assert not platform.can_log_in(own.app, "another", own.name)
        assert world.provision() == []


@pytest.mark.requirement("L6")
def test_the_operator_uses_five_connections_at_most(there: Server, platform: Postgres) -> None:
    worlds = [World(there, platform) for _ in range(6)]
    most, ended = [0], threading.Event()
    user = psycopg.conninfo.conninfo_to_dict(there.operator)["user"]

    def watch() -> None:
        with there.connect() as connection:
            while not ended.is_set():
                row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", (user,)).fetchone()
                most[0] = max(most[0], int(str(row[0])) if row else 0)
                time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=world.provision) for world in worlds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ended.set()
    watcher.join()
    assert 1 <= most[0] <= 5
    for world in worlds:
        world.login(there).close()
