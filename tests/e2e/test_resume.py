"""Resuming a stopped project whose API server's port was taken meanwhile; on a real cluster, in this order."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from harness.cli import Kilter, docker
from harness.project import IDLE, declare, small

pytestmark = [pytest.mark.cluster, pytest.mark.requirement("LC-Q18", "F13")]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kilter]:
    with small(tmp_path_factory.mktemp("resume")) as kilter:
        kilter.run("up")
        assert count(kilter) == 1
        kilter.run("stop")
        yield kilter


def node(project: Kilter) -> str:
    return f"kilter-{project.directory.name}-control-plane"


def api_port(project: Kilter) -> int:
    """The port that kind chose for the API server, as the stopped container remembers it."""
    template = '{{(index (index .HostConfig.PortBindings "6443/tcp") 0).HostPort}}'
    return int(docker("inspect", "--format", template, node(project)))


def container(project: Kilter) -> str:
    return docker("inspect", "--format", "{{.Id}}", node(project)).strip()


def count(project: Kilter) -> int:
    """Raise the counter that shows whether redis has its old data, and return it."""
    with redis.Redis.from_url(project.localhost()["REDIS_URL"]) as client:
        return int(client.incr("count"))


@contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def test_a_program_that_has_the_port_is_named_with_what_to_do(project: Kilter) -> None:
    port = api_port(project)
    with listening(port):
        said = project.run("up", code=4).err
    assert f"port {port} is held by " in said
    assert f"(process {os.getpid()})" in said
    assert f"the API server of kilter-{project.directory.name} needs it" in said
    assert "--recreate" in said
    assert project.json("status")["state"] == "stopped"


def test_a_container_that_has_the_port_is_named_by_its_own_name(project: Kilter) -> None:
    port, name = api_port(project), f"{project.directory.name}-other"
    docker("run", "--detach", "--rm", "--name", name, "--publish", f"127.0.0.1:{port}:6379", "redis:8")
    try:
        assert f"port {port} is held by the container {name}" in project.run("up", code=4).err
    finally:
        docker("rm", "--force", "--volumes", name)


def test_with_the_port_free_again_the_same_cluster_comes_back(project: Kilter) -> None:
    before = container(project)
    project.run("up")
    assert container(project) == before
    assert count(project) == 2
    # Written before any pod starts, once: by the start of the node, and by that of the kubelet before it.
    rules = docker("exec", node(project), "iptables", "-S", "FORWARD")
    assert [rules.count(f"-d {address}/32 -j REJECT") for address in ("10.96.0.1", "10.96.0.10")] == [1, 1]
    project.run("stop")


def test_recreate_makes_a_cluster_at_another_port_that_takes_the_data_over(project: Kilter) -> None:
    before, port = container(project), api_port(project)
    with listening(port):
        said = project.run("up", "--recreate").err
        assert f"port {port} is held by " in said
        assert "takes over the services' data" in said
        assert container(project) != before
        assert api_port(project) != port
        assert count(project) == 3


@pytest.mark.requirement("LC-Q16")
def test_what_ran_before_a_stop_and_fails_after_it_is_not_taken_for_running(project: Kilter) -> None:
    """At first the API server tells what was so before, and in the moment before it fails a container is ready."""
    fails = {**IDLE, "command": ["sh", "-c", f"grep -q needed.test /etc/resolv.conf || exit 7; {IDLE['command'][2]}"]}
    project.run("up")
    with searching(project, "needed.test"):
        declare(project, services=[], components={"side": fails}, processes=[])
        project.run("up")
    project.run("stop")
    assert project.run("up", "--timeout", "75s", code=None).code in (10, 11)
    assert not project.json("status")["ready"]


@contextmanager
def searching(project: Kilter, domain: str) -> Iterator[None]:
    """Have the node search for names in a domain, as every pod that begins meanwhile does until the node ends.

    A container can tell without asking anybody, so that it is no matter what else has started by then.
    """

    def on_node(command: str) -> None:
        docker("exec", node(project), "sh", "-c", command)

    # A container's file of this name is mounted: it can be written, and not be replaced.
    on_node(f"cat /etc/resolv.conf > /resolv.before; echo search {domain} >> /etc/resolv.conf")
    try:
        yield
    finally:
        on_node("cat /resolv.before > /etc/resolv.conf")
