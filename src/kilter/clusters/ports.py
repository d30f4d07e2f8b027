"""Which program holds a port of the project's (NS-Q16), found before anything is started."""

import errno
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from kilter.errors import KilterError, MachineLacks
from kilter.proc import Runner
from kilter.tools import docker
from kilter.values import Value

LISTENING, LINGERING = "0A", "06"  # TCP_LISTEN and TCP_TIME_WAIT in /proc/net/tcp (proc(5))
MOVE = "run `kilter up` again, or `kilter up --reassign-ports` to move the project"
LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Holder(Value, frozen=True):
    """A port that is taken, and by whom as far as the system tells: pid 0 and no program when it does not.

    `container` is the one that publishes the port, where it is Docker that holds it.
    """

    port: int
    pid: int = 0
    program: str = ""
    container: str = ""

    def __str__(self) -> str:
        if self.container:
            return f"port {self.port} is held by the container {self.container}"
        by = f"{self.program} (process {self.pid})" if self.pid else "a program of another user"
        return f"port {self.port} is held by {by}"


def check(runner: Runner, ports: Iterable[int], then: str = MOVE) -> None:
    """Raise MachineLacks naming port and program, or container, for every one of `ports` that cannot be bound here.

    Call it for ports that nothing of the project's own listens on: before a cluster is made or started. `then` is what
    to do beside ending that program.
    """
    taken = named(runner, [port for port in ports if not is_free(port)])
    if taken:
        one = len(taken) == 1
        kind = "container" if all(holder.container for holder in taken) else "program"
        raise MachineLacks(
            str(taken[0]) if one else f"{len(taken)} of the project's ports are held by other {kind}s",
            hint=f"end the {kind} and {then}",
            details=[] if one else [str(holder) for holder in taken],
        )


def is_free(port: int) -> bool:
    """Tell whether a server could listen on `port` of this machine's loopback addresses, IPv6 where there is one."""
    for family, address in LOOPBACKS:
        with suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
            # As servers do: a connection that lingers after its server ended is no conflict.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
    return True


def has_ipv6() -> bool:
    """Tell whether `::1` can be bound here, so that `localhost` must answer on it too (NS-Q17)."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def holders(ports: Sequence[int], proc: Path = Path("/proc")) -> list[Holder]:
    """Name the holder of each taken port, as far as Linux' process files tell; elsewhere it stays without a name."""
    if not ports:
        return []
    sockets = _bound(proc, set(ports))
    owners = _owners(proc, set(sockets.values())) if sockets else {}
    return [_holder(proc, port, owners.get(sockets.get(port, ""), 0)) for port in ports]


def named(runner: Runner, ports: Sequence[int]) -> list[Holder]:
    """Do as `holders`, and name the container where one publishes the port: its process is Docker's own, and root's."""
    found = holders(ports)
    with suppress(KilterError):  # without Docker they are programs
        if ports and runner.run(docker.publishing(*ports)).stdout.strip():
            return [replace(holder, container=_publisher(runner, holder.port)) for holder in found]
    return found


def _publisher(runner: Runner, port: int) -> str:
    rows = docker.parse_lines(runner.run(docker.publishing(port)).stdout)
    return str(rows[0]["Names"]) if rows else ""


def _holder(proc: Path, port: int, pid: int) -> Holder:
    program = ""
    if pid:
        with suppress(OSError):
            program = (proc / str(pid) / "comm").read_text().strip()
    return Holder(port, pid, program)


def _bound(proc: Path, ports: set[int]) -> dict[int, str]:
    """Return the inode of the socket that has each port: one that listens, else one of a connection."""
    listening: dict[int, str] = {}
    talking: dict[int, str] = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                if port in ports and fields[3] != LINGERING:
                    (listening if fields[3] == LISTENING else talking).setdefault(port, fields[9])
    return talking | listening


def _owners(proc: Path, inodes: set[str]) -> dict[str, int]:
    """Return the process that has each socket open; other users' processes cannot be looked into."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, int] = {}
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    inode = wanted.get(str(descriptor.readlink()))
                    if inode:
                        found.setdefault(inode, int(process.name))
        if len(found) == len(wanted):
            break
    return found
