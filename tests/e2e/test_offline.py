"""What was pulled once is enough: a second project without any network, on a machine whose network was cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.cli import Kilter
from harness.island import BRIDGE, PORT, Island, missing
from harness.project import declare, small

pytestmark = [pytest.mark.cluster, pytest.mark.island, pytest.mark.skipif(bool(missing()), reason=missing())]
UPSTREAM = f"{BRIDGE}:{PORT}"
NOWHERE = {
    "KILTER_TOOLS_MIRROR": "/nonexistent",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


@pytest.fixture
def island() -> Iterator[Island]:
    with Island() as made:
        yield made


def with_databases(project: Kilter) -> Kilter:
    """Let the project have both services, and an app that is built on a base image."""
    declare(project, services=["postgres", "redis"], components={"web": {"path": "."}}, processes=[])
    return project


def up(project: Kilter, island: Island) -> None:
    """Bring the project up, or fail with what the cluster and the cache said."""
    result = project.run("up", code=None)
    if result.code != 0:
        events = project.run("kubectl", "--", "get", "events", code=None).out
        shared = island.docker("ps", "--all").stdout
        cache = island.docker("logs", "--tail", "20", "kilter-cache-docker.io").stderr
        raise AssertionError(f"{result.err}\n{events}\n{shared}\n{cache}")


@pytest.mark.requirement("CT-Q2", "NS-Q4", "F16")
def test_a_second_project_starts_and_resumes_without_network(island: Island, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with small(tmp_path / "first", home, binary=island.kilter, extra=island.environment) as first:
        up(with_databases(first), island)
        assert island.reaches(UPSTREAM)
        # An image that is to be had, and that nobody has pulled here: afterwards it proves that nothing comes in.
        here = island.docker("manifest", "inspect", "--insecure", f"{UPSTREAM}/library/debian:trixie-slim")
        assert here.returncode == 0, here.stderr
    island.cut()
    island.docker("restart", "kilter-registry", "kilter-cache-docker.io")  # as a reboot does
    assert not island.reaches(UPSTREAM)
    assert island.docker("pull", "debian:trixie-slim").returncode != 0
    with small(tmp_path / "second", home, binary=island.kilter, extra=island.environment | NOWHERE) as second:
        up(with_databases(second), island)
        assert second.json("status")["ready"]
        assert {row["name"] for row in second.json("status")["workloads"]} == {"postgres", "redis", "web"}
        second.run("stop")
        up(second, island)
        assert "postgres" in second.run("env", "--check-live").err
