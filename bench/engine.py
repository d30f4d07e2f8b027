"""What the container engine and the kernel tell about resources in use."""

import http.client
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.process import Failed, run

MIB = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far, and MiB in use now."""

    cpu: float
    memory: float


@dataclass(frozen=True)
class Process:
    """One line of `ps`; `memory` is the resident set in MiB."""

    pid: int
    parent: int
    memory: float
    command: str


class _Socket(http.client.HTTPConnection):
    """HTTP over the engine's Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket file instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def container(name: str, env: Mapping[str, str]) -> Usage:
    """Ask the engine for a container's counters; `docker stats` gives shares of CPU only, not CPU time."""
    endpoint = run(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], env).out.strip()
    address = urlsplit(env.get("DOCKER_HOST") or endpoint)
    if address.scheme != "unix":
        raise Failed(f"the engine is at {address.geturl()}: its counters are read through a Unix socket alone")
    connection = _Socket(address.path)
    try:
        connection.request("GET", f"/containers/{name}/stats?stream=false&one-shot=true")
        answer = connection.getresponse()
        found = json.loads(answer.read())
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise Failed(f"the engine says of {name}: {found.get('message')}")
    return usage(found)


def usage(stats: Mapping[str, Any]) -> Usage:
    """Read the engine's answer. Memory is without the file cache that can be dropped, as `docker stats` counts it."""
    memory = stats["memory_stats"]
    kinds = memory.get("stats", {})
    droppable = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))  # cgroup v1, v2
    return Usage(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, (memory["usage"] - droppable) / MIB)


def process(pid: int) -> Usage:
    """Read a process's own counters; Linux alone tells them finely enough."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError as error:
        raise Failed(f"process {pid} is gone, or this system has no /proc") from error
    ticks = sum(map(int, fields[11:15]))  # utime and stime, its own and of children that ended, proc(5)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / MIB)


def peak(pid: int) -> float:
    """Return the most memory that a process has had resident so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise Failed(f"this system does not tell how large process {pid} has been")


def processes(env: Mapping[str, str]) -> list[Process]:
    """List every process of the machine."""
    return parse_ps(run(["ps", "-axww", "-o", "pid=,ppid=,rss=,command="], env).out)


def parse_ps(text: str) -> list[Process]:
    """Read what `ps` printed."""
    rows = (line.split(None, 3) for line in text.splitlines())
    return [Process(int(row[0]), int(row[1]), int(row[2]) / 1024, row[3]) for row in rows if len(row) == 4]


def own_processes(found: Iterable[Process], folders: Iterable[Path], apart: Iterable[int]) -> list[Process]:
    """Return the processes that run from, or work on, any of `folders`.

    Left out are those of `apart`, what they started, and this process with all that it came from.
    """
    listed = list(found)
    parents = {each.pid: each.parent for each in listed}
    excluded = set(apart)

    def line(pid: int) -> list[int]:
        chain = [pid]
        while parents.get(chain[-1], 0) not in (0, chain[-1]):
            chain.append(parents[chain[-1]])
        return chain

    mine = set(line(os.getpid()))
    marks = [f"{folder}/" for folder in folders]
    return [
        each
        for each in listed
        if any(mark in each.command for mark in marks) and each.pid not in mine and excluded.isdisjoint(line(each.pid))
    ]
