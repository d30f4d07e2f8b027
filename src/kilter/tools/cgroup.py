"""What the kernel counts of containers, read off their control groups where the engine runs on this machine.

`docker stats` takes two seconds for the same figures; this takes as long as the caller lets pass between two looks.
The files are described in the kernel's documentation of control groups, versions 1 and 2.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from kilter.values import Value

ROOT = Path("/sys/fs/cgroup")
WINDOW = 0.02  # seconds between two looks at least; within less the kernel counts too coarsely
# Where Docker puts a container's group: its own driver, systemd's, systemd's without root.
PARENTS = ("docker", "system.slice", "user.slice/user-{uid}.slice/user@{uid}.service/user.slice")
ID_LENGTH = 64


class Reading(Value, frozen=True):
    """One look: nanoseconds of CPU since the container started, bytes of memory in use, and when (monotonic, ns)."""

    cpu: int
    memory: int
    at: int


def readings(root: Path = ROOT) -> dict[str, Reading]:
    """Look at every container; by id. Empty where the engine runs elsewhere, as Docker Desktop's does."""
    unified = (root / "cgroup.controllers").exists()
    found = {}
    for parent in PARENTS:
        place = parent.format(uid=os.getuid())
        for name, container in _containers((root if unified else root / "cpuacct") / place):
            try:
                found[container] = _unified(root / place / name) if unified else _split(root, f"{place}/{name}")
            except (OSError, ValueError):
                continue  # ended meanwhile, or the kernel does not count it
    return found


def usage(before: Mapping[str, Reading], containers: Iterable[str], root: Path = ROOT) -> dict[str, tuple[float, int]]:
    """Look again and return cores and bytes by container id; those that cannot be read twice are left out."""
    wanted = [container for container in containers if container in before]
    if not wanted:
        return {}
    passed = time.monotonic_ns() - max(before[container].at for container in wanted)
    time.sleep(max(0.0, WINDOW - passed / 1e9))
    now = readings(root)
    return {
        container: ((now[container].cpu - before[container].cpu) / (now[container].at - before[container].at),
                    now[container].memory)
        for container in wanted
        if container in now and now[container].cpu >= before[container].cpu  # less: it was started anew
    }  # fmt: skip


def _containers(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each container's folder, and the container's id."""
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return
    for name in names:
        container = name.removeprefix("docker-").removesuffix(".scope")
        if len(container) == ID_LENGTH:
            yield name, container


def _unified(group: Path) -> Reading:
    at, counted = time.monotonic_ns(), _table(group / "cpu.stat")
    held = _number(group / "memory.current") - _table(group / "memory.stat").get("inactive_file", 0)
    return Reading(counted["usage_usec"] * 1000, held, at)


def _split(root: Path, group: str) -> Reading:
    at, counted = time.monotonic_ns(), _number(root / "cpuacct" / group / "cpuacct.usage")
    memory = root / "memory" / group
    held = _number(memory / "memory.usage_in_bytes") - _table(memory / "memory.stat").get("total_inactive_file", 0)
    return Reading(counted, held, at)


def _number(file: Path) -> int:
    return int(file.read_text())


def _table(file: Path) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in file.read_text().splitlines())}
