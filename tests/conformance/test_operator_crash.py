"""Killed after each external write in turn: API server, Git and database are real, and always end as if undisturbed."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pytest

from kilter.api.kilterapp import NAMESPACE
from kilter.gitops.model import Fence
from kilter.operator import kinds
from kilter.operator.kube import Kube, configuration, session
from kilter.operator.lease import Leadership
from kilter.operator.postgres import Postgres
from kilter.operator.publications import Publications
from kilter.operator.reconcile import reconcile
from kilter.operator.settings import Database, Settings
from kilter.operator.steps.database import password_of
from kilter.operator.stores import Stores
from kilter.operator.world import World
from kilter.render import names
from kilter.render.names import Slot

from .apiserver import ApiServer
from .kilter_apps import delete_namespace, deploy, kilter_app, status, there
from .lists import fill
from .postgres import Server, server
from .pretend import FolderGit, Pretend, render

FENCE = Fence(2**52, "me")  # one for all, because many environments are played at a time
DATABASE: dict[str, Any] = {"services": [{"name": "postgres", "kind": "postgres"}]}


class Killed(BaseException):
    """The process ends here; nothing of it may run on."""


class Killer:
    """Counts external writes and ends the process after the one that it is set to."""

    def __init__(self, last: int) -> None:
        self.left = last
        self.writes: list[str] = []

    def wrote(self, what: str) -> None:
        self.writes.append(what)
        self.left -= 1
        if self.left == 0:
            raise Killed(what)


class CountedKube(Kube):
    """Tells the killer of every write."""

    def __init__(self, client: httpx2.Client, killer: Killer) -> None:
        super().__init__(client)
        self._killer = killer

    def _send(self, method: str, path: str, *rest: Any) -> httpx2.Response:
        answer = super()._send(method, path, *rest)
        if method != "GET":
            self._killer.wrote(f"{method} {path}")
        return answer


class CountedPostgres(Postgres):
    """Tells the killer of every effect."""

    killer: Killer

    def perform(self, effect: Any, fence: Fence) -> None:
        super().perform(effect, fence)
        self.killer.wrote(type(effect).__name__)


class CountedGit(FolderGit):
    """Tells the killer of every commit."""

    killer: Killer

    def submit(self, change: Any) -> Any:
        future = super().submit(change)
        self.killer.wrote("commit")
        return future


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    with server() as found:
        yield found


class Life:
    """One life of an operator: everything it knows, it has read in this life."""

    def __init__(self, platform: Pretend, postgres: Server, last: int = 0) -> None:
        self.killer = Killer(last)
        host, port = postgres.address
        database = Database(postgres.operator, host, port)
        self.settings = Settings(domain="apps.example.com", tls=False, database=database)
        self.client = session(configuration(platform.api.kubeconfig()))
        self.databases = CountedPostgres(postgres.operator)
        self.databases.killer = self.killer
        leadership = Leadership()
        leadership.hold(FENCE, float("inf"))
        assert isinstance(platform.git, FolderGit)
        platform.git.open(FENCE)
        writer = CountedGit(platform.git.folder, FENCE)
        writer.killer = self.killer
        self.world = World(
            self.settings,
            CountedKube(self.client, self.killer),
            Stores(),
            leadership,
            Publications(writer, lambda _: None),
            render,
            platform.gateway(),
            self.databases,
        )
        self.world.flux_known.set()

    def live(self, name: str, until: Callable[[], bool], seconds: float = 120.0) -> None:
        """Look again and again until a condition holds."""
        limit = time.monotonic() + seconds
        try:
            while not until():
                assert time.monotonic() < limit, self.world.stores.apps.get(NAMESPACE, name)
                fill(self.world.kube, self.world.stores, self.settings, name)
                reconcile(self.world, name)
                time.sleep(0.05)
        finally:
            self.databases.close()
            self.client.close()


@pytest.mark.requirement("F23", "F36")
def test_a_deploy_that_is_killed_after_any_write_ends_as_if_it_had_not_been(
    api: ApiServer, platform: Pretend, postgres: Server
) -> None:
    undisturbed = run(api, platform, postgres, "whole", last=0)
    kinds_of_write = {write.partition(" ")[0] for write in undisturbed}
    assert kinds_of_write >= {
        "PATCH",
        "commit",
        "CreateRole",
        "AdmitRole",
        "CreateDatabase",
        "SealDatabase",
        "SetPassword",
    }
    assert len(undisturbed) > 15
    with ThreadPoolExecutor(8) as pool:
        lasts = range(1, len(undisturbed) + 1)
        list(pool.map(lambda last: run(api, platform, postgres, f"kill{last}", last), lasts))


def run(api: ApiServer, platform: Pretend, postgres: Server, app: str, last: int) -> list[str]:
    """Deploy, be killed after the `last` write (0: never), live again; return the writes of the first life."""
    deploy(api, app, **DATABASE)
    name = f"acme-{app}-dev"

    def ready() -> bool:
        return status(api, app).get("phase") == "Ready"

    first = Life(platform, postgres, last)
    try:
        first.live(name, ready)
    except Killed:
        Life(platform, postgres).live(name, ready)
    writes = [write for write in platform.git.state()["writes"] if write[0] == f"apps/acme/{app}/dev"]
    assert len(writes) == 1, "committed once"
    own = names.database(Slot("acme", app, "dev"))
    assert postgres.scalar("SELECT count(*) FROM pg_database WHERE datname LIKE %s", f"{own.name}%") == 1
    assert postgres.scalar("SELECT count(*) FROM pg_roles WHERE rolname LIKE %s", f"{own.name}%") == 2
    secret = api.request("GET", kinds.SECRET.path(name, names.database_secret(app)))
    postgres.connect(user=own.app, password=password_of(secret), dbname=own.name).close()
    found = kilter_app(api, app)
    assert found["metadata"]["finalizers"] == ["kilter.dev/cleanup"]
    assert {each["status"] for each in found["status"]["conditions"]} == {"True"}
    return first.killer.writes


@pytest.mark.requirement("F23", "F37", "DP-Q25")
def test_a_delete_that_is_killed_after_any_write_leaves_nothing_in_the_end(
    api: ApiServer, platform: Pretend, postgres: Server
) -> None:
    undisturbed = leave(api, platform, postgres, "gone", last=0)
    assert {write.partition(" ")[0] for write in undisturbed} >= {"DELETE", "commit", "RetireDatabase", "DropDatabase"}
    with ThreadPoolExecutor(len(undisturbed)) as pool:
        # The controller waits five seconds before it looks at a namespace that is to go; so all at a time.
        lasts = range(1, len(undisturbed) + 1)
        list(pool.map(lambda last: leave(api, platform, postgres, f"gone{last}", last), lasts))


def leave(api: ApiServer, platform: Pretend, postgres: Server, app: str, last: int) -> list[str]:
    """Deploy, delete, be killed after the `last` write of the way out, live again."""
    run(api, platform, postgres, app, last=0)
    name, path = f"acme-{app}-dev", kinds.APP.path("kilter-apps", f"acme-{app}-dev")
    api.apply(path, kilter_app_of(app) | {"spec": {"databaseOnDelete": "drop"}}, "admin")
    api.request("DELETE", path)

    def gone() -> bool:
        return not there(api, path)

    first = Life(platform, postgres, last)
    try:
        first.live(name, gone)
    except Killed:
        Life(platform, postgres).live(name, gone)
    own = names.database(Slot("acme", app, "dev"))
    assert postgres.scalar("SELECT count(*) FROM pg_database WHERE datname LIKE %s", f"{own.name}%") == 0
    assert postgres.scalar("SELECT count(*) FROM pg_roles WHERE rolname LIKE %s", f"{own.name}%") == 0
    for left in ("/api/v1/namespaces/" + name, *(each.path("flux-system", name) for each in OF_FLUX)):
        assert not there(api, left), left
    assert f"apps/acme/{app}/dev" not in platform.git.state()["tree"]
    with pytest.raises(psycopg.OperationalError):
        postgres.connect(user=own.app, password="any", dbname=own.name)
    return first.killer.writes


OF_FLUX = (kinds.KUSTOMIZATION, kinds.SERVICE_ACCOUNT)


def kilter_app_of(app: str) -> dict[str, Any]:
    metadata = {"name": f"acme-{app}-dev", "namespace": "kilter-apps"}
    return {"apiVersion": kinds.APP.api_version, "kind": "KilterApp", "metadata": metadata}


@pytest.mark.requirement("F37")
def test_a_namespace_that_is_deleted_midway_costs_no_row_and_the_app_gets_in_again(
    api: ApiServer, platform: Pretend, postgres: Server
) -> None:
    """The Secret goes with the namespace, and a new one opens the same database."""
    app, name, own = "refound", "acme-refound-dev", names.database(Slot("acme", "refound", "dev"))

    def connection() -> psycopg.Connection[Any]:
        secret = api.request("GET", kinds.SECRET.path(name, names.database_secret(app)))
        return postgres.connect(user=own.app, password=password_of(secret), dbname=own.name)

    platform.flux_works = False
    try:
        deploy(api, app, **DATABASE)
        Life(platform, postgres).live(name, lambda: status(api, app).get("phase") == "Reconciling")
        with connection() as before:
            before.execute("CREATE TABLE kept AS SELECT 42 AS number")
        delete_namespace(api, name)
    finally:
        platform.flux_works = True
    Life(platform, postgres).live(name, lambda: status(api, app).get("phase") == "Ready")
    with connection() as after:
        assert after.execute("SELECT number FROM kept").fetchall() == [(42,)]
