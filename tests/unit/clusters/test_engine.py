import json

import pytest
from fakes import FakeRunner

from kilter.clusters import engine
from kilter.errors import MachineLacks
from kilter.proc import Command, Outcome, missing
from kilter.tools import docker

ENDPOINT, INFO = docker.endpoint().argv, docker.info().argv
FACTS = json.dumps({"ServerVersion": "28.2.2", "CgroupVersion": "2", "MemTotal": 1})


@pytest.mark.parametrize(
    "address", ["unix:///var/run/docker.sock", "", "tcp://127.0.0.1:2375", "tcp://localhost:2375", "tcp://[::1]:2375"]
)
def test_an_engine_on_this_machine_is_fine(address: str) -> None:
    runner = FakeRunner({ENDPOINT: address + "\n", INFO: FACTS})
    assert engine.check(runner, {}).version == "28.2.2"


@pytest.mark.requirement("LC-Q4", "C12")
@pytest.mark.parametrize(
    "address", ["tcp://10.0.0.5:2376", "ssh://me@build.example", "ssh://localhost:2222", "tcp://127.0.0.1.example:2375"]
)
def test_an_engine_elsewhere_is_refused_by_name_unless_allowed(address: str) -> None:
    runner = FakeRunner({ENDPOINT: address + "\n", INFO: FACTS})
    with pytest.raises(MachineLacks, match=address) as caught:
        engine.check(runner, {})
    assert "`docker context use default`" in caught.value.hint
    assert [command.argv for command in runner.commands] == [ENDPOINT]
    assert engine.check(runner, {"KILTER_ALLOW_REMOTE_DOCKER": "1"}).version == "28.2.2"


def test_a_missing_docker_says_where_to_get_it() -> None:
    class Bare(FakeRunner):
        def run(self, command: Command) -> Outcome:
            raise missing(command)

    with pytest.raises(MachineLacks, match="Docker is not installed") as caught:
        engine.check(Bare(), {})
    assert "docs.docker.com" in caught.value.hint


def test_an_engine_that_is_down_is_said_to_be_down() -> None:
    fault = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    runner = FakeRunner({ENDPOINT: "unix:///x\n", INFO: Outcome(1, json.dumps({"ServerErrors": [fault]}))})
    with pytest.raises(MachineLacks, match="Docker does not answer") as caught:
        engine.check(runner, {})
    assert caught.value.details == (fault,)
    assert "start Docker" in caught.value.hint


@pytest.mark.parametrize("said", ['{"ServerVersion": "28.2.2", "ServerErrors": ["EOF"]}', "{}"])
def test_an_engine_that_tells_half_of_itself_or_nothing_does_not_answer(said: str) -> None:
    runner = FakeRunner({ENDPOINT: "unix:///x\n", INFO: said})
    with pytest.raises(MachineLacks, match="Docker does not answer") as caught:
        engine.check(runner, {})
    assert caught.value.why == "no engine at unix:///x"


def test_a_closed_socket_is_told_from_a_dead_engine() -> None:
    fault = "permission denied while trying to connect to the Docker daemon socket"
    runner = FakeRunner({ENDPOINT: "unix:///x\n", INFO: Outcome(1, "", fault)})
    with pytest.raises(MachineLacks, match="you may not use Docker") as caught:
        engine.check(runner, {})
    assert "usermod" in caught.value.hint
    assert (caught.value.why, caught.value.details) == ("unix:///x is closed to this user", (fault,))


def test_a_docker_without_contexts_is_judged_by_its_variable() -> None:
    runner = FakeRunner({ENDPOINT: Outcome(1, "", "unknown command"), INFO: FACTS})
    assert engine.check(runner, {}).version == "28.2.2"
    with pytest.raises(MachineLacks, match="another host"):
        engine.check(runner, {"DOCKER_HOST": "tcp://10.0.0.1:2375"})
