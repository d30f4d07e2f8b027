"""What left kilter.yaml leaves the cluster, its volume excepted; on a real cluster, in this order."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from harness.cli import Kilter, docker
from harness.project import IDLE, declare, small
from harness.trial import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.island, pytest.mark.requirement("CT-Q6", "NS-38")]

GONE = {"statefulset/redis", "service/redis", "secret/redis-credentials", "secret/web-env", "deployment/side"}
FOREIGN = {"service/mine", "configmap/mine", "secret/mine"}
WHOLE: dict[str, Any] = {
    "services": ["redis"],
    "components": {"web": {"path": "."}, "side": IDLE},
    "processes": ["worker"],
}
REDUCED: dict[str, Any] = {"services": [], "components": {"web": {"path": "."}}, "processes": []}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    with small(tmp_path_factory.mktemp("removed")) as kilter:
        yield kilter


def objects(project: Kilter) -> set[str]:
    """Every object of the namespace that may matter here, as `<kind>/<name>`."""
    kinds = "statefulset,deployment,service,secret,configmap,persistentvolumeclaim"
    names = project.run("kubectl", "--", "get", kinds, "-o", "name").out.split()
    return {f"{name.partition('/')[0].partition('.')[0]}/{name.partition('/')[2]}" for name in names}


def count(project: Kilter) -> int:
    """Raise the counter that shows whether redis has its old data, and return it."""
    with redis.Redis.from_url(project.localhost()["REDIS_URL"]) as client:
        return int(client.incr("count"))


def reduced(project: Kilter) -> None:
    found = objects(project)
    assert not GONE & found
    assert "deployment/worker" not in found
    assert {"deployment/web", "service/web", "persistentvolumeclaim/data-redis-0", *FOREIGN} <= found
    # A volume that somebody deleted would stay as long as its claim, but with the moment of its end in its metadata.
    volume = "{.status.phase}{.metadata.deletionTimestamp}"
    shown = project.run("kubectl", "--", "get", "persistentvolume/data-redis-0", "-o", f"jsonpath={volume}")
    assert shown.out == "Bound"


@pytest.mark.requirement("CT-11")
def test_up_removes_what_left_the_file_while_tilt_was_down_and_nothing_else(project: Kilter) -> None:
    project.run("up")
    assert count(project) == 1
    # The first bears all labels of kilter's: kubectl takes them over.
    project.run("kubectl", "--", "expose", "deployment/side", "--name=mine", "--port=80")
    project.run("kubectl", "--", "create", "configmap", "mine", "--from-literal=a=b")
    project.run("kubectl", "--", "create", "secret", "generic", "mine", "--from-literal=a=b")
    project.run("kubectl", "--", "label", "secret/mine", f"kilter.dev/project={project.directory.name}")
    assert objects(project) >= GONE
    project.run("down")
    declare(project, **REDUCED)
    said = project.run("up").err
    assert "StatefulSet/redis" in said
    assert "volumes stay" in said
    reduced(project)
    assert "no longer asks for" not in project.run("up").err


def test_what_comes_back_finds_its_data(project: Kilter) -> None:
    declare(project, **WHOLE)
    project.run("up")
    assert objects(project) >= GONE
    assert count(project) == 2


def test_up_does_the_same_beside_a_running_tilt(project: Kilter) -> None:
    assert project.json("status")["state"] == "up"
    declare(project, **REDUCED)
    result = project.run("up")
    assert "took the changed files over" in result.err
    reduced(project)
    assert project.json("status")["ready"]


def test_a_running_tilt_does_the_same_by_itself(project: Kilter) -> None:
    declare(project, **WHOLE)
    project.run("up")
    declare(project, **REDUCED)
    project.run("render")
    assert eventually(lambda: not (GONE | {"deployment/worker"}) & objects(project), 120)
    reduced(project)
    assert "no longer asks for" not in project.run("up").err
    declare(project, **WHOLE)
    project.run("up")
    assert count(project) == 3


@pytest.mark.requirement("LC-13", "LC-20")
def test_a_claim_that_somebody_deletes_takes_no_data_along(project: Kilter) -> None:
    before = count(project)
    project.run("kubectl", "--", "delete", "persistentvolumeclaim/data-redis-0", "--wait=false")
    project.run("kubectl", "--", "delete", "pod/redis-0")
    said = "the claim of the volume data-redis-0 was deleted"
    assert eventually(lambda: any(note.startswith(said) for note in project.json("status")["notes"]))
    assert f"{said}: a new one gets the same data" in project.run("up").err
    assert count(project) == before + 1
    assert said not in project.run("up").err


@pytest.mark.requirement("LC-Q10")
def test_destroy_keeps_the_images_and_purge_removes_those_that_were_built_for_it_and_no_others(project: Kilter) -> None:
    name = project.directory.name
    built = images(f"localhost:32760/{name}_*")
    assert any("_web:tilt-" in image for image in built)
    others = {f"localhost:32760/{name}-two_web:kept", f"{name}_web:kept"}
    for other in others:
        docker("tag", sorted(built)[0], other)
    try:
        assert "images are kept" in project.run("destroy", "--yes", "--no-snapshot").out
        assert built <= images(f"localhost:32760/{name}_*")
        said = f"removed the images that were built for {name} ({len(built)})"
        assert said in project.run("destroy", "--yes", "--purge").err
        assert images(f"localhost:32760/{name}_*") == set()
        assert images(f"localhost:32760/{name}-two_*") | images(f"{name}_*") == others
    finally:
        docker("image", "rm", *others)


def images(pattern: str) -> set[str]:
    return set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", pattern).split())
