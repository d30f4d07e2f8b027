"""The machine's registry and caches on the real engine. They are shared, so these tests only ever add."""

import os
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from kilter.clusters import registry
from kilter.proc import Command, Outcome, SubprocessRunner
from kilter.progress import Recorder
from kilter.tools import docker

pytestmark = pytest.mark.cluster


class Counting(SubprocessRunner):
    """Counts the questions to the engine."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[Command] = []

    def run(self, command: Command) -> Outcome:
        self.commands.append(command)
        return super().run(command)


@pytest.mark.requirement("NS-Q4")
def test_two_at_once_make_one_registry_and_later_calls_ask_once(runner: SubprocessRunner) -> None:
    progress = Recorder()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: registry.ensure(runner, os.environ, progress), range(2)))
    assert progress.lines == []
    registry.join(runner, os.environ)
    counting = Counting()
    registry.ensure(counting, os.environ, progress)
    rows = docker.parse_lines(runner.run(docker.list_containers(labels=[registry.ROLE])).stdout)
    assert {row["Names"] for row in rows} >= {"kilter-registry", "kilter-cache-docker.io"}
    network = runner.run(docker.inspect_network("kind"))
    assert len(counting.commands) == (1 if network.code == 0 else 3)


@pytest.mark.requirement("NS-21", "C14")
def test_the_registry_answers_on_the_loopback_and_the_cache_nowhere(runner: SubprocessRunner) -> None:
    registry.ensure(runner, os.environ, Recorder())
    with urllib.request.urlopen(f"http://{registry.HOST_ADDRESS}/v2/", timeout=10) as answer:
        assert answer.status == 200
    found = docker.parse_inspect(runner.run(docker.inspect("kilter-registry", "kilter-cache-docker.io")))
    assert {one.name: one.published for one in found} == {
        "kilter-registry": {"5000/tcp": (32760,)},
        "kilter-cache-docker.io": {},
    }
