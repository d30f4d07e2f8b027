"""Reading what containers use off the kernel's files, laid out here as both versions of control groups have them."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kilter.tools import cgroup
from kilter.tools.cgroup import Reading, readings, usage

ID = "ab" * 32
Write = Callable[[int, int, int], None]


def split(root: Path, group: str) -> Write:
    """Return what writes the figures as version 1 has them."""

    def write(seconds: int, memory: int, droppable: int) -> None:
        (root / "cpuacct" / group).mkdir(parents=True, exist_ok=True)
        (root / "memory" / group).mkdir(parents=True, exist_ok=True)
        (root / "cpuacct" / group / "cpuacct.usage").write_text(f"{seconds * 10**9}\n")
        (root / "memory" / group / "memory.usage_in_bytes").write_text(f"{memory}\n")
        (root / "memory" / group / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {droppable}\n")

    return write


def unified(root: Path, group: str) -> Write:
    """Return what writes the figures as version 2 has them."""

    def write(seconds: int, memory: int, droppable: int) -> None:
        (root / group).mkdir(parents=True, exist_ok=True)
        (root / "cgroup.controllers").write_text("cpu memory\n")
        (root / group / "cpu.stat").write_text(f"usage_usec {seconds * 10**6}\nuser_usec 1\nsystem_usec 2\n")
        (root / group / "memory.current").write_text(f"{memory}\n")
        (root / group / "memory.stat").write_text(f"anon 5\ninactive_file {droppable}\n")

    return write


ROOTLESS = f"user.slice/user-{os.getuid()}.slice/user@{os.getuid()}.service/user.slice/docker-{ID}.scope"


@pytest.mark.parametrize("version", [split, unified])
@pytest.mark.parametrize("group", [f"docker/{ID}", f"system.slice/docker-{ID}.scope", ROOTLESS])
def test_a_container_is_found_wherever_docker_puts_its_group(
    version: Callable[[Path, str], Write], group: str, tmp_path: Path
) -> None:
    version(tmp_path, group)(7, 1000, 300)
    now = time.monotonic_ns()
    assert readings(tmp_path).keys() == {ID}
    found = readings(tmp_path)[ID]
    assert (found.cpu, found.memory) == (7 * 10**9, 700)
    assert 0 <= found.at - now < 5 * 10**9


@pytest.mark.parametrize("version", [split, unified])
def test_other_groups_are_no_containers(version: Callable[[Path, str], Write], tmp_path: Path) -> None:
    for name in ("system.slice/docker.service", "system.slice/ssh.service", "docker/buildx"):
        version(tmp_path, name)(1, 1, 0)
    assert readings(tmp_path) == {}


def test_a_machine_without_control_groups_has_no_readings(tmp_path: Path) -> None:
    assert readings(tmp_path / "none") == {}


@pytest.mark.parametrize("missing", ["cpu.stat", "memory.current", "memory.stat"])
def test_a_container_that_is_counted_in_part_is_left_out(missing: str, tmp_path: Path) -> None:
    unified(tmp_path, f"docker/{ID}")(1, 1, 0)
    (tmp_path / "docker" / ID / missing).unlink()
    assert readings(tmp_path) == {}


@pytest.mark.requirement("NS-41")
@pytest.mark.parametrize("version", [split, unified])
def test_usage_is_cores_between_the_looks_and_bytes_at_the_second(
    version: Callable[[Path, str], Write], tmp_path: Path
) -> None:
    write = version(tmp_path, f"docker/{ID}")
    write(10, 1000, 300)
    before = {ID: Reading(cpu=9 * 10**9, memory=1, at=time.monotonic_ns() - 4 * 10**9)}
    [(container, (cores, memory))] = usage(before, [ID, "unknown"], tmp_path).items()
    assert container == ID
    assert cores == pytest.approx(0.25, abs=0.05)
    assert memory == 700


def test_two_looks_are_never_closer_than_the_kernel_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock of the test's own: a busy machine takes longer between two lines than the kernel needs."""
    unified(tmp_path, f"docker/{ID}")(10, 1000, 300)
    waited, now = list[float](), [10**12]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += int(seconds * 10**9)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic_ns", lambda: now[0])
    for since in (0, 10**9):
        usage({ID: Reading(0, 0, now[0] - since)}, [ID], tmp_path)
    assert waited == [cgroup.WINDOW, 0]


def test_nothing_is_waited_for_without_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    assert usage({ID: Reading(0, 0, time.monotonic_ns())}, [], tmp_path) == {}


def test_a_container_that_was_started_anew_or_ended_is_left_out(tmp_path: Path) -> None:
    unified(tmp_path, f"docker/{ID}")(10, 1000, 300)
    before = {name: Reading(11 * 10**9, 1, 0) for name in (ID, "cd" * 32)}
    assert usage(before, before, tmp_path) == {}
