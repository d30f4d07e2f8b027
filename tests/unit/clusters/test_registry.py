import json
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.clusters import network, registry
from kilter.errors import Busy, MachineLacks
from kilter.proc import Outcome, Secret
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import docker

LIST = docker.list_containers(name="^/?(kilter-registry|kilter-cache-.*)$").argv
REGISTRY, CACHE = registry.services({})
REMOVE = {one.name: docker.remove(one.name).argv for one in (REGISTRY, CACHE)}
START = {one.name: docker.start(one.name).argv for one in (REGISTRY, CACHE)}
MAKE_NETWORK = docker.create_network("kilter", {"kilter.dev/role": "network"}).argv
CONNECT = {one.name: docker.connect("kilter", one.name).argv for one in (REGISTRY, CACHE)}


def run(service: registry.Service) -> tuple[str, ...]:
    return registry.creation(service).argv


def row(service: registry.Service, **changes: str) -> str:
    labels = ",".join(f"{key}={value}" for key, value in service.labels.items())
    return json.dumps(
        {"Names": service.name, "State": "running", "Networks": "bridge,kilter", "Labels": labels, **changes}
    )


def ensure(runner: FakeRunner) -> list[str]:
    progress = Recorder()
    registry.ensure(runner, {}, progress)
    return progress.lines


def test_when_all_is_well_one_question_is_enough() -> None:
    runner = FakeRunner({LIST: f"{row(REGISTRY)}\n{row(CACHE)}\n"})
    assert ensure(runner) == []
    assert len(runner.commands) == 1


@pytest.mark.requirement("NS-21", "NS-Q4")
def test_what_is_missing_is_made_on_the_loopback_and_joined_to_a_network_that_is_made_at_need() -> None:
    no_network = Outcome(1, "", "Error response from daemon: network kilter not found")
    runner = FakeRunner(
        {
            LIST: "",
            run(REGISTRY): "id",
            run(CACHE): "id",
            CONNECT[REGISTRY.name]: [no_network, ""],
            MAKE_NETWORK: "id",
            CONNECT[CACHE.name]: "",
        }
    )
    assert ensure(runner) == []
    asked = [command.argv for command in runner.commands]
    again = asked.index(MAKE_NETWORK) + 1
    assert (asked.count(MAKE_NETWORK), asked[again]) == (1, CONNECT[REGISTRY.name])
    for service in (REGISTRY, CACHE):
        assert f"{service.name}:/var/lib/registry" in run(service), "its content outlives the container"
    assert "127.0.0.1:32760:5000" in run(REGISTRY)
    assert "--publish" not in run(CACHE)
    assert "REGISTRY_PROXY_REMOTEURL" in run(CACHE)
    assert str_of(registry.creation(CACHE).env["REGISTRY_PROXY_REMOTEURL"]) == "https://registry-1.docker.io"
    assert "REGISTRY_PROXY_TTL=0" in run(CACHE)


@pytest.mark.requirement("C16")
def test_the_login_of_a_mirror_is_in_no_argument_and_no_message() -> None:
    env = {"KILTER_REGISTRY_MIRROR": "https://me:s3cr3t@mirror.example.com"}
    cache = registry.services(env)[1]
    assert "s3cr3t" not in " ".join(run(cache))
    assert str_of(registry.creation(cache).env["REGISTRY_PROXY_REMOTEURL"]) == env["KILTER_REGISTRY_MIRROR"]
    full = Outcome(125, "", "docker: no space left on device")
    with pytest.raises(MachineLacks) as caught:
        registry._create(FakeRunner({run(cache): full, REMOVE[cache.name]: ""}), cache)
    assert "s3cr3t" not in caught.value.why


def str_of(value: str | Secret | None) -> str:
    assert isinstance(value, Secret)
    return value.reveal()


def test_a_stopped_one_is_started_and_joined() -> None:
    stopped = row(REGISTRY, State="exited", Networks="bridge")
    runner = FakeRunner({LIST: f"{stopped}\n{row(CACHE)}", START[REGISTRY.name]: "", CONNECT[REGISTRY.name]: ""})
    ensure(runner)
    assert [command.argv for command in runner.commands[1:]] == [START[REGISTRY.name], CONNECT[REGISTRY.name]]


def test_one_that_cannot_start_is_made_anew() -> None:
    runner = FakeRunner(
        {
            LIST: f"{row(REGISTRY)}\n{row(CACHE, State='exited')}",
            START[CACHE.name]: Outcome(1, "", "network 123 not found"),
            REMOVE[CACHE.name]: "",
            run(CACHE): "id",
            CONNECT[CACHE.name]: "",
        }
    )
    assert ensure(runner) == []


def test_one_of_another_configuration_is_made_anew() -> None:
    old = row(CACHE, Labels="kilter.dev/role=cache,kilter.dev/config=old")
    runner = FakeRunner(
        {LIST: f"{row(REGISTRY)}\n{old}", REMOVE[CACHE.name]: "", run(CACHE): "id", CONNECT[CACHE.name]: ""}
    )
    ensure(runner)
    assert runner.commands[1].argv == REMOVE[CACHE.name]


@pytest.mark.requirement("NS-Q3")
def test_a_foreign_container_of_that_name_is_not_touched() -> None:
    runner = FakeRunner({LIST: row(REGISTRY, Labels="somebody=else")})
    with pytest.raises(Busy, match="kilter-registry is not kilter's") as caught:
        ensure(runner)
    assert caught.value.why == "it lacks the label kilter.dev/role=registry"
    assert "`docker rename kilter-registry " in caught.value.hint
    assert len(runner.commands) == 1


def test_losing_the_race_for_a_name_is_success() -> None:
    conflict = 'Conflict. The container name "/kilter-registry" is already in use by container "abc".'
    runner = FakeRunner(
        {
            LIST: row(CACHE),
            run(REGISTRY): Outcome(125, "", conflict),
            CONNECT[REGISTRY.name]: Outcome(1, "", "exists"),
            MAKE_NETWORK: Outcome(1, "", "already exists"),
        }
    )
    assert ensure(runner) == []


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_registry_that_cannot_run_is_an_error_and_leaves_nothing(is_gone: bool) -> None:
    taken = Outcome(125, "", "Bind for 127.0.0.1:32760 failed: port is already allocated")
    left = Outcome(1, "", f"Error response from daemon: No such container: {REGISTRY.name}")
    runner = FakeRunner({LIST: row(CACHE), run(REGISTRY): taken, REMOVE[REGISTRY.name]: left if is_gone else ""})
    with pytest.raises(MachineLacks, match="kilter-registry cannot run") as caught:
        ensure(runner)
    assert "already allocated" in caught.value.details[0]
    assert "`kilter doctor`" in caught.value.hint
    assert runner.commands[-1].argv == REMOVE[REGISTRY.name]


def test_a_cache_that_cannot_run_is_a_warning() -> None:
    offline = Outcome(125, "", "Unable to find image: no such host")
    runner = FakeRunner({LIST: row(REGISTRY), run(CACHE): offline, REMOVE[CACHE.name]: ""})
    (line,) = ensure(runner)
    assert line.startswith("warn: the image cache kilter-cache-docker.io does not run")


def test_a_network_that_somebody_else_has_made_meanwhile_will_do_and_one_that_cannot_be_made_is_an_error() -> None:
    network.ensure(FakeRunner({MAKE_NETWORK: Outcome(1, "", "network with name kilter already exists")}))
    with pytest.raises(MachineLacks, match="cannot make the network kilter") as caught:
        network.ensure(FakeRunner({MAKE_NETWORK: Outcome(1, "", "all predefined address pools are fully subnetted")}))
    assert "fully subnetted" in caught.value.why
    assert "`docker network prune`" in caught.value.hint


@pytest.mark.requirement("NS-Q17")
def test_the_network_has_no_ipv6_by_which_docker_would_lead_past_the_ports() -> None:
    assert not [word for word in MAKE_NETWORK if "v6" in word]


def test_a_mirror_stands_in_for_docker_hub_and_changes_the_configuration() -> None:
    _, mirrored = registry.services({"KILTER_REGISTRY_MIRROR": "http://172.17.0.1:5000"})
    assert mirrored.env["REGISTRY_PROXY_REMOTEURL"] == "http://172.17.0.1:5000"
    assert mirrored.labels != CACHE.labels


def test_hosts_files_are_written_once_and_kept(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "cache")
    registry.write_hosts(paths, {"docker.io": "a", "localhost:32760": "b"})
    file = paths.certs_dir / "docker.io" / "hosts.toml"
    before = file.stat().st_ino
    registry.write_hosts(paths, {"docker.io": "a"})
    assert (file.read_text(), file.stat().st_ino) == ("a", before)
    registry.write_hosts(paths, {"localhost:32760": "b", "docker.io": "c"})
    assert file.read_text() == "c"
    assert (paths.certs_dir / "localhost:32760" / "hosts.toml").read_text() == "b"
