import json

import pytest

from kilter.errors import MachineLacks
from kilter.proc import Outcome
from kilter.tools import docker

NODE = {
    "Id": "abc",
    "Name": "/kilter-shop-control-plane",
    "Image": "sha256:1",
    "Config": {"Image": "kindest/node:v1.37.0", "Labels": {"io.x-k8s.kind.cluster": "kilter-shop"}},
    "State": {"Status": "exited", "StartedAt": "2026-11-21T00:00:00Z"},
    "Mounts": [
        {"Type": "bind", "Source": "/data/shop/identity", "Destination": "/kilter"},
        {"Type": "volume", "Name": "v", "Source": "/var/lib/docker/volumes/v/_data", "Destination": "/var"},
    ],
    "HostConfig": {"PortBindings": {"6443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "35599"}]}},
    "NetworkSettings": {"Ports": {}, "Networks": {"kind": {}}},
}


def test_a_stopped_container_is_read_with_the_ports_it_will_publish_again() -> None:
    (node,) = docker.parse_inspect(Outcome(0, json.dumps([NODE])))
    assert node.name == "kilter-shop-control-plane"
    assert node.status == "exited"
    assert node.published == {"6443/tcp": (35599,)}
    assert node.mounts[0] == docker.Mount("/data/shop/identity", "/kilter")


def test_a_port_published_on_two_addresses_is_one_port() -> None:
    both = [{"HostIp": "127.0.0.1", "HostPort": "30001"}, {"HostIp": "::1", "HostPort": "30001"}]
    entry = NODE | {"NetworkSettings": {"Ports": {"30001/tcp": both, "30002/tcp": None}, "Networks": {}}}
    (node,) = docker.parse_inspect(Outcome(0, json.dumps([entry])))
    assert node.published == {"30001/tcp": (30001,)}


@pytest.mark.parametrize(
    "said",
    [
        "Error response from daemon: No such container: x",
        "Error: No such container: x",
        "error: no such object: x",
        "WARNING: Error loading config file\nError response from daemon: No such container: x",
    ],
)
def test_a_missing_container_is_no_container(said: str) -> None:
    assert docker.parse_inspect(Outcome(1, "[]\n", said)) == ()


@pytest.mark.requirement("LC-Q21")
def test_a_silent_engine_is_never_taken_for_a_missing_container() -> None:
    said = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    with pytest.raises(MachineLacks) as caught:
        docker.parse_inspect(Outcome(1, "[]\n", said))
    assert caught.value.details == (said,)


def test_the_facts_of_the_engine_are_read() -> None:
    facts = {
        "ServerVersion": "28.2.2",
        "CgroupVersion": "2",
        "MemTotal": 8 << 30,
        "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
    }
    engine = docker.parse_info(Outcome(0, json.dumps(facts)))
    assert (engine.version, engine.cgroup_version, engine.memory) == ("28.2.2", "2", 8 << 30)
    assert engine.rootless
    assert engine.faults == ()


def test_the_faults_of_the_engine_are_read_from_either_stream() -> None:
    assert docker.parse_info(Outcome(1, '{"ServerErrors": ["down"]}')).faults == ("down",)
    assert docker.parse_info(Outcome(1, "", "permission denied\n")).faults == ("permission denied",)


def test_what_containers_use_is_read_and_a_starting_one_left_out() -> None:
    running = '{"Name":"a","MemUsage":"385.2MiB / 23GiB","CPUPerc":"12.50%"}'
    rows = f'{running}\n{{"Name":"b","MemUsage":"-- / --","CPUPerc":"--"}}\n'
    assert docker.parse_stats(rows) == (docker.Usage("a", 0.125, int(385.2 * 2**20)),)


def test_commands_that_lose_data_name_exactly_what_they_remove() -> None:
    assert docker.remove("abc").argv == ("docker", "rm", "--force", "--volumes", "abc")
    assert docker.stop("abc", 10).argv == ("docker", "stop", "-t", "10", "abc")
    assert docker.run_once("img", "find", ("/x", "-delete"), mounts_of="abc").argv == (
        "docker", "run", "--rm", "--pull", "never", "--network", "none", "--userns", "host",
        "--entrypoint", "find", "--volumes-from", "abc", "img", "/x", "-delete",
    )  # fmt: skip


def test_an_image_that_is_here_is_run_whatever_the_usual_platform_is() -> None:
    assert docker.run_once("img", "find", ()).env == {"DOCKER_DEFAULT_PLATFORM": None}


def test_labels_and_names_become_filters() -> None:
    fields = (
        '{"ID":{{json .ID}},"Names":{{json .Names}},"State":{{json .State}},"Labels":{{json .Labels}},'
        '"Mounts":{{json .Mounts}},"Networks":{{json .Networks}}}'
    )
    assert docker.list_containers(labels=("a=b",), name="^x$").argv == (
        "docker", "ps", "--all", "--no-trunc", "--filter", "label=a=b", "--filter", "name=^x$", "--format", fields,
    )  # fmt: skip
    assert docker.parse_labels("a=b,c=d=e,f=") == {"a": "b", "c": "d=e", "f": ""}
