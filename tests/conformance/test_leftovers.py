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


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Yield the names of containers of runs that are over, of one that runs, and of nobody's."""
    monkeypatch.setattr(leftovers, "RUNS", tmp_path)
    monkeypatch.setattr(leftovers, "LOCK", tmp_path / "lock")
    made = {}
    places = {"killed": "pytest-1/home", "killed too": "pytest-2/home", "running": "pytest-3/home", "foreign": "mine"}
    for whose, place in places.items():
        (tmp_path / place).mkdir(parents=True)
        made[whose] = f"kilter-test-leftover-{secrets.token_hex(4)}"
        docker("create", "--name", made[whose], "--volume", f"{tmp_path / place}:/data", IMAGE)
    (tmp_path / "pytest-2/.lock").write_text("1")  # another program has that number by now
    (tmp_path / "pytest-3/.lock").write_text(str(os.getpid()))
    try:
        yield made
    finally:
        docker("rm", "--force", "--volumes", *made.values())


def test_two_lanes_at_once_remove_what_killed_runs_left_and_nothing_else(containers: dict[str, str]) -> None:
    with ThreadPoolExecutor(2) as lanes:
        removed = [lane.result() for lane in [lanes.submit(leftovers.remove) for _ in range(2)]]
    assert sorted(name for each in removed for name in each) == sorted([containers["killed"], containers["killed too"]])
    assert docker("ps", "--all", "--quiet", "--filter", "name=kilter-test-leftover-").count("\n") == 2
    assert docker("inspect", "--format", "{{.Name}}", containers["running"], containers["foreign"])


def test_a_container_that_goes_while_it_is_looked_at_is_no_fault(
    containers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: str, code: int | None = 0) -> str:
        told = docker(*arguments, code=code)
        if arguments[:2] == ("container", "ls"):
            docker("rm", "--force", containers["foreign"])
        return told

    monkeypatch.setattr(leftovers, "docker", asked)
    assert sorted(leftovers.remove()) == sorted([containers["killed"], containers["killed too"]])
