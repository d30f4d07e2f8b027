"""What test runs that were killed left in Docker: clusters whose folders lie in a run's own temporary folder.

A run's cluster may bear a name that the next run needs, and kilter refuses to touch what belongs to another folder.
"""

import fcntl
import json
import re
import tempfile
from getpass import getuser
from pathlib import Path
from typing import Any

from harness.cli import docker
from kilter.clusters import ending
from kilter.proc import SubprocessRunner
from kilter.tools.docker import remove as remove_container

RUNS = Path(tempfile.gettempdir()).resolve() / f"pytest-of-{getuser()}"
LOCK = RUNS.with_suffix(".lock")
MARK = "kilter.test"  # label of containers without mounts: the process that made it


def remove() -> list[str]:
    """Remove the containers of runs that are over, with their volumes; returns their names."""
    with LOCK.open("w") as lock:  # the two lanes of `make test` begin at once, and Docker refuses the second removal
        fcntl.flock(lock, fcntl.LOCK_EX)
        dead = [each for each in containers() if is_left(each)]
        for each in dead:
            ending.end(SubprocessRunner(), remove_container(each["Id"]), each["Id"], each["Image"])
    return [each["Name"].removeprefix("/") for each in dead]


def containers() -> list[dict[str, Any]]:
    """Return what Docker tells of each container that bears a name of kilter's."""
    names = docker("container", "ls", "--all", "--quiet", "--filter", "name=^/?kilter-").split()
    # Code 1 where one has gone since it was listed; of the others it tells all the same.
    return list(json.loads(docker("container", "inspect", *names, code=None))) if names else []


def is_left(container: dict[str, Any]) -> bool:
    """Tell whether a container is of a run that is over: by the process that its label names, or by its mounts."""
    maker = (container["Config"].get("Labels") or {}).get(MARK)
    return not is_test(maker) if maker else is_dead(run_of(container))


def run_of(container: dict[str, Any]) -> Path | None:
    """Return the temporary folder of the run whose folders a container has mounted."""
    pattern = re.compile(rf"{re.escape(str(RUNS))}/pytest-\d+(?=/)")
    matches = (pattern.match(mount["Source"]) for mount in container["Mounts"])
    return next((Path(match.group()) for match in matches if match), None)


def is_dead(run: Path | None) -> bool:
    """Tell whether pytest holds a folder no more: its `.lock` names the process, and goes when that ends in peace."""
    if run is None:
        return False
    try:
        return not is_test((run / ".lock").read_text().strip())
    except OSError:
        return True


def is_test(pid: str) -> bool:
    """Tell whether a process runs tests; after a restart the number may be another program's."""
    try:
        command = Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False
    return b"pytest" in command or b"run_tests" in command
