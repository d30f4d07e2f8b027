"""Long-running processes: started in their own session, known by pid and start time, never by name."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


class StartFailed(RuntimeError):
    """A service ended, did not answer in time, or found its place taken; `log` is where it wrote, if it did."""

    def __init__(self, told: str, log: Path | None = None) -> None:
        super().__init__(told)
        self.log = log


def fields(pid: int) -> list[str]:
    """What the kernel tells of a process, from its state on; nothing of one that is gone or ended."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    return [] if told[:1] == ["Z"] else told


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process, or None: tells a process from a later one that got its pid."""
    told = fields(pid)
    return told[19] if told else None


def recorded(record: Path) -> int | None:
    """The pid in a record, if that very process still runs."""
    try:
        entry = json.loads(record.read_text())
        pid, started = int(entry["pid"]), str(entry["started"])
    except (OSError, ValueError, KeyError):
        return None
    return pid if start_time(pid) == started else None


def spawn(record: Path, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> int:
    """Start a service that outlives this process, and the directory it was started in, and record it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command, cwd="/", env=dict(environment),
            stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True,
        )  # fmt: skip
    write(record, json.dumps({"pid": child.pid, "started": start_time(child.pid), "log": str(log)}))
    child.returncode = 0  # from here on it is known by its record alone; Python would complain that it still runs
    return child.pid


def write(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text)
    half.replace(path)


def wait_until(answers: Callable[[], bool], record: Path, what: str, timeout: float = 60.0) -> None:
    """Wait until a service answers; fail at once when its process has ended."""
    end = time.monotonic() + timeout
    while not answers():
        if recorded(record) is None:
            raise StartFailed(f"{what} ended while starting", log_of(record))
        if time.monotonic() > end:
            raise StartFailed(f"{what} did not answer within {timeout:.0f} s", log_of(record))
        time.sleep(0.05)


def log_of(record: Path) -> Path | None:
    """Where the process in a record writes to; older records do not say."""
    try:
        return Path(json.loads(record.read_text())["log"])
    except (OSError, ValueError, KeyError):
        return None


def stop(record: Path, patience: float = 20.0) -> None:
    """End a recorded process, politely first."""
    pid = recorded(record)
    if pid is not None:
        end_process(pid, patience)
    record.unlink(missing_ok=True)


def end_process(pid: int, patience: float) -> None:
    """SIGTERM, a wait, SIGKILL."""
    started = start_time(pid)
    if started is None:
        reap(pid)
        return
    for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            reap(pid)
            if start_time(pid) != started:
                return
            time.sleep(0.05)


def reap(pid: int) -> None:
    """Collect a child of ours that ended, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def pids() -> list[int]:
    """Every process of this machine."""
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()]


def children(parent: int) -> list[int]:
    """The processes that one has started, or was handed."""
    return [pid for pid in pids() if fields(pid)[1:2] == [str(parent)]]


def named(name: str) -> list[int]:
    """The processes that run a program of this name (its first 15 characters, as proc(5) has it)."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().rstrip("\n") == name[:15]:
                found.append(pid)
    return found


def having_argument(argument: str) -> list[int]:
    """The processes called with exactly this argument: for the shims, which containerd starts and nobody records."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            if argument.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                found.append(pid)
    return found
