"""Every setting of a service changed, one after the other, over the same rows; on a real cluster, in this order."""

from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest
import redis
import yaml
from harness.cli import Kilter
from harness.project import IDLE, small

from kilter.project.model import Service

pytestmark = [pytest.mark.cluster, pytest.mark.island]
NAMES = ("postgres", "redis")
# What is written for both services at once, and what their objects say then. The testbed has one version of each.
CHANGES: dict[str, tuple[tuple[Any, str], tuple[Any, str]]] = {
    "version": (("17", "docker.io/library/postgres:17"), ("8", "docker.io/library/redis:8")),
    "image": (("postgres:17", '"postgres:17"'), ("redis:8", '"redis:8"')),
    "port": ((5444, '"containerPort": 5444'), (6444, '"containerPort": 6444')),
    "env": (({"ADDED": "a"}, '"ADDED"'), ({"ADDED": "b"}, '"ADDED"')),
    "hostPort": ((0, '"nodePort": '), (1, '"nodePort": ')),
    "resources": (({"memory": "200Mi"}, '"memory": "200Mi"'), ({"memory": "120Mi"}, '"memory": "120Mi"')),
    "storage": (("2Gi", '"storage": "2Gi"'), ("1Gi", '"storage": "1Gi"')),
    "values": (({"maxConnections": 33}, "max_connections=33"), ({"maxMemoryPolicy": "allkeys-lru"}, "allkeys-lru")),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    with small(tmp_path_factory.mktemp("settings")) as kilter:
        declare(kilter, None, None)
        kilter.run("up")
        with psycopg.connect(kilter.localhost()["DATABASE_URL"]) as connection:
            connection.execute("create table rows (number serial)")
        yield kilter


def declare(project: Kilter, *settings: Any) -> None:
    document = {
        "name": project.directory.name,
        "services": dict(zip(NAMES, settings, strict=True)),
        "components": {"idle": IDLE},
    }
    (project.directory / "kilter.yaml").write_text(yaml.safe_dump(document))


def rows(project: Kilter) -> tuple[int, int]:
    """Add a row to each service and count them all."""
    env = project.localhost()
    with psycopg.connect(env["DATABASE_URL"]) as connection, redis.Redis.from_url(env["REDIS_URL"]) as client:
        connection.execute("insert into rows default values")
        counted = connection.execute("select count(*) from rows").fetchone()
        assert counted is not None
        return int(counted[0]), int(client.incr("rows"))


def shown(project: Kilter, name: str) -> str:
    """What the cluster has of a service, and what redis says of itself, whose settings lie in a Secret."""
    kinds = f"statefulset/{name}", f"service/{name}"
    with redis.Redis.from_url(project.localhost()["REDIS_URL"]) as client:
        return project.run("kubectl", "--", "get", *kinds, "--output", "json").out + str(
            client.config_get("maxmemory*")
        )


def claims(project: Kilter) -> str:
    """Which claims and volumes there are."""
    what = "{range .items[*]}{.metadata.name} {.metadata.uid} {.status.phase}{end}"
    return project.run("kubectl", "--", "get", "pvc,pv", "--output", f"jsonpath={what}").out


def test_no_setting_is_left_out() -> None:
    """Another `type` under the same name is another service, whose rows cannot be these."""
    assert {field.encode_name for field in msgspec.structs.fields(Service)} == set(CHANGES) | {"type"}


@pytest.mark.requirement("CT-Q14", "CT-16", "CT-17", "LC-20")
@pytest.mark.parametrize("key", CHANGES)
def test_a_changed_setting_is_applied_and_finds_its_rows_again(project: Kilter, key: str) -> None:
    block = project.json("ps")["projects"]
    first = next(one["ports"][0] for one in block if one["name"] == project.directory.name)
    wanted = CHANGES[key]
    if key == "hostPort":
        wanted = tuple((first + 10 + at, f'"nodePort": {first + 10 + at}') for at, _ in wanted)  # type: ignore[assignment]
    before, kept = rows(project), claims(project)
    assert kept.count("Bound") == 4
    declare(project, *({key: value} for value, _ in wanted))
    project.run("up")
    for name, (_, words) in zip(NAMES, wanted, strict=True):
        assert words in shown(project, name), name
    assert rows(project) == (before[0] + 1, before[1] + 1)
    assert claims(project) == kept


@pytest.mark.requirement("LC-33", "LC-Q16")
def test_a_service_that_could_not_start_begins_with_the_setting_that_mends_it(project: Kilter) -> None:
    """A StatefulSet replaces no pod that fails, whatever its settings are by then."""
    before = rows(project)
    declare(project, None, {"image": "redis:no-such-tag"})
    assert "Pull" in project.run("up", "--timeout", "20s", code=None).err
    declare(project, None, None)
    assert "its pod redis-0 is made anew" in project.run("up").err
    assert rows(project) == (before[0] + 1, before[1] + 1)
