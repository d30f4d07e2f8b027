"""What killed test runs leave in Docker goes before the next one, which begins with two lanes at once."""

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import leftovers
from harness.cli import docker

pytestmark = pytest.mark.cluster
IMAGE = "postgres:17"  # it is never started


NO_PROCESS = "4194305"  # above the highest number that Linux gives
LEFT = ("killed", "killed too", "made by nobody any more")


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Yield the names of containers of runs that are over, of one that runs, and of somebody else's."""
    monkeypatch.setattr(leftovers, "RUNS", tmp_path)
    monkeypatch.setattr(leftovers, "LOCK", tmp_path / "lock")
    made = {}
    places = {"killed": "pytest-1/home", "killed too": "pytest-2/home", "running": "pytest-3/home", "foreign": "mine"}
    for whose, place in places.items():
        (tmp_path / place).mkdir(parents=True)
        made[whose] = create("kilter-test", "--volume", f"{tmp_path / place}:/data")
    made["of another project"] = create("somebody", "--volume", f"{tmp_path}/pytest-1/home:/data")
    made["made by nobody any more"] = create("kilter-test", "--label", f"{leftovers.MARK}={NO_PROCESS}")
    made["made by this one"] = create("kilter-test", "--label", f"{leftovers.MARK}={os.getpid()}")
    (tmp_path / "pytest-2/.lock").write_text(NO_PROCESS)
    (tmp_path / "pytest-3/.lock").write_text(str(os.getpid()))
    try:
        yield made
    finally:
        docker("rm", "--force", "--volumes", *made.values())


def create(name: str, *options: str) -> str:
    """Make a container that is never started; returns its name."""
    whole = f"{name}-leftover-{secrets.token_hex(4)}"
    docker("create", "--name", whole, *options, IMAGE)
    return whole


def test_two_lanes_at_once_remove_what_killed_runs_left_and_nothing_else(containers: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as lanes:
        removed = [lane.result() for lane in [lanes.submit(leftovers.remove) for _ in range(2)]]
    assert sorted(name for each in removed for name in each) == sorted(containers[whose] for whose in LEFT)
    kept = docker("ps", "--all", "--format", "{{.Names}}", "--filter", "name=-leftover-").split()
    assert sorted(kept) == sorted(name for whose, name in containers.items() if whose not in LEFT)


def test_a_container_that_goes_while_it_is_looked_at_is_no_fault(
    containers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: str, code: int | None = 0) -> str:
        told = docker(*arguments, code=code)
        if arguments[:2] == ("container", "ls"):
            docker("rm", "--force", "--volumes", containers["foreign"])
        return told

    monkeypatch.setattr(leftovers, "docker", asked)
    assert sorted(leftovers.remove()) == sorted(containers[whose] for whose in LEFT)
