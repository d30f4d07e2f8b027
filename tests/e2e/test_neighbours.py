"""Two projects on one machine, as far apart as on two machines; on real clusters, in this order."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import yaml
from harness.cli import Kilter, docker
from harness.project import IDLE, declare, small

from kilter.clusters.node import node_name
from kilter.tools.docker import KIND_LABEL

pytestmark = [pytest.mark.cluster, pytest.mark.island]
Pair = tuple[Kilter, Kilter]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    base = tmp_path_factory.mktemp("neighbours")
    with small(base / "one", base / "home") as one, small(base / "two", base / "home") as two:
        for project in (one, two):
            declare(project, services=["redis"], components={"side": IDLE}, processes=[])
            project.run("up")
            with client(project) as its:
                its.set("mine", project.directory.name)
        yield one, two


def name_of(project: Kilter) -> str:
    return project.directory.name


def space_of(project: Kilter) -> str:
    return f"{name_of(project)}-dev"


def kubeconfig(project: Kilter) -> Path:
    return project.home / ".cache/kilter" / name_of(project) / "kubeconfig"


def client(project: Kilter) -> "redis.Redis":
    return redis.Redis.from_url(project.localhost()["REDIS_URL"], decode_responses=True)


def containers(project: Kilter) -> list[str]:
    """The names of the project's running containers, each with its id."""
    label = f"label={KIND_LABEL}=kilter-{name_of(project)}"
    return docker("ps", "--no-trunc", "--filter", label, "--format", "{{.Names}} {{.ID}}").splitlines()


def raw(project: Kilter, *arguments: str, file: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run kubectl itself, as a user does who exported KUBECONFIG."""
    (binary,) = project.home.glob(".cache/kilter/tools.d/kubectl/*/kubectl")
    environment = {**os.environ, "KUBECONFIG": str(file or kubeconfig(project)), "HOME": str(project.home)}
    argv = [str(binary), *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.requirement("NS-1", "NS-2", "NS-3", "NS-7", "NS-16", "NS-18", "LC-3", "LC-4", "LC-5")
def test_each_has_a_cluster_a_namespace_a_kubeconfig_and_ports_of_its_own(both: Pair) -> None:
    servers, ports = set(), set()
    for project in both:
        assert [line.split()[0] for line in containers(project)] == [node_name(name_of(project))]
        spaces = project.run("kubectl", "--", "get", "pods", "--all-namespaces", "--no-headers").out.splitlines()
        own = [line.split()[1] for line in spaces if line.split()[0] == space_of(project)]
        assert sorted(name.partition("-")[0] for name in own) == ["redis", "side"]
        cluster = yaml.safe_load(kubeconfig(project).read_text())["clusters"][0]["cluster"]
        servers.add((cluster["server"], cluster["certificate-authority-data"]))
        ports.add(urlsplit(project.localhost()["REDIS_URL"]).port)
        with client(project) as its:
            assert its.get("mine") == name_of(project)
    assert len({server for server, _ in servers}) == len({authority for _, authority in servers}) == len(ports) == 2


@pytest.mark.requirement("NS-4", "NS-14")
def test_nothing_of_one_opens_or_names_anything_of_the_other(both: Pair, tmp_path: Path) -> None:
    one, two = both
    spaces = raw(one, "get", "namespaces", "--output", "name").stdout
    assert space_of(one) in spaces
    assert name_of(two) not in spaces
    assert raw(one, "delete", "namespace", space_of(two)).returncode != 0
    mixed, theirs = (yaml.safe_load(kubeconfig(project).read_text()) for project in both)
    mixed["clusters"][0]["cluster"] = theirs["clusters"][0]["cluster"]
    file = tmp_path / "mixed"
    file.write_text(yaml.safe_dump(mixed))
    refused = raw(one, "get", "namespaces", file=file)
    assert refused.returncode != 0
    assert "logged in" in refused.stderr
    address = urlsplit(two.localhost()["REDIS_URL"])
    password = urlsplit(one.localhost()["REDIS_URL"]).password
    stranger = redis.Redis("localhost", address.port or 0, password=password)
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.get("mine")


@pytest.mark.requirement("LC-30", "NS-42")
def test_kubectl_itself_shows_everything_with_the_projects_file(both: Pair) -> None:
    one, _ = both
    listed = raw(one, "get", "pods", "-n", space_of(one)).stdout
    assert "redis-0" in listed
    told = raw(one, "describe", "pod", "redis-0", "-n", space_of(one)).stdout
    assert "Events:" in told
    assert f"Namespace:{' ' * 8}{space_of(one)}" in told
    assert "service/redis" in raw(one, "get", "all", "-n", space_of(one)).stdout


@pytest.mark.requirement("NS-31", "NS-32", "NS-33", "NS-28", "NS-8")
def test_each_address_is_good_on_its_own_side_alone(both: Pair) -> None:
    one, _ = both
    port = urlsplit(one.localhost()["REDIS_URL"]).port
    name = f"redis.{space_of(one)}.svc"

    def ping(host: str, at: int) -> str:
        asked = ("redis-cli", "-h", host, "-p", str(at), "ping")
        result = one.run("kubectl", "--", "exec", "deploy/side", "--", *asked, code=None)
        return result.out + result.err

    assert "Connection refused" in ping("localhost", port or 0)
    assert "NOAUTH" in ping(name, 6379)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(name, 6379)
    with client(one) as its:
        assert its.ping()


@pytest.mark.requirement("LC-6", "LC-7", "LC-15", "NS-1", "CT-28")
def test_who_wrecks_one_destroys_it_and_begins_anew_and_the_other_notices_nothing(both: Pair) -> None:
    one, two = both
    address, files = one.localhost(), sorted(file.name for file in one.directory.rglob("*"))
    pods = two.run("kubectl", "--", "get", "pods", "--output", "jsonpath={.items[*].metadata.uid}").out
    nodes = containers(two)
    raw(one, "delete", "namespace", space_of(one), "--wait=false")
    docker("kill", node_name(name_of(one)))
    one.run("destroy", "--yes", "--no-snapshot")
    assert containers(one) == []
    one.run("up")
    with client(one) as its:
        assert its.get("mine") is None
    assert one.localhost() == address
    assert (
        sorted(file.name for file in one.directory.rglob("*")) == files == ["Dockerfile", "index.html", "kilter.yaml"]
    )
    assert containers(two) == nodes
    assert two.run("kubectl", "--", "get", "pods", "--output", "jsonpath={.items[*].metadata.uid}").out == pods
    with client(two) as its:
        assert its.get("mine") == name_of(two)
