"""The checks of `kilter doctor` that start no process: facts of the engine and the machine, and kilter's own records.

Each takes what it judges and returns its row; none prints and none raises for what it finds.
"""

import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from kilter.clusters import disk, ports
from kilter.clusters.engine import ALLOW_REMOTE
from kilter.dev import tilt_process
from kilter.dev.documents import Check
from kilter.errors import KilterError
from kilter.project.load import FILE_NAME, Project
from kilter.state import ledger, records
from kilter.state.files import refused
from kilter.state.paths import Paths
from kilter.state.records import Allocation
from kilter.tools.docker import Engine
from kilter.words import counted, human_size

MEMORY_WANTED = 4 * disk.GIB  # a node takes about one; the rest is for services, the app and its builds
INOTIFY_WANTED = {"max_user_instances": 512, "max_user_watches": 524288}  # kind's own advice for several clusters
SHOWN = 6  # ports named in one line

Status = Literal["pass", "warning", "fail"]
Category = Literal["engine", "tools", "machine", "records", "project", "platform"]
CATEGORIES: Mapping[str, Category] = {  # by the first part of a check's id
    "engine": "engine",
    "registry": "engine",
    "tools": "tools",
    "machine": "machine",
    "records": "records",
    "clusters": "project",
    "ports": "project",
    "platform": "platform",
}


def found(name: str, status: Status, message: str, fix: str = "") -> Check:
    """Build the row of the check `name`, a stable id."""
    return Check(id=name, category=CATEGORIES[name.partition(".")[0]], status=status, message=message, fix=fix)


def memory(engine: Engine) -> Check:
    """Judge how much memory the engine has for containers."""
    said = f"Docker has {human_size(engine.memory)} of memory" if engine.memory else "Docker tells no memory size"
    if engine.memory >= MEMORY_WANTED:
        return found("engine.memory", "pass", said)
    fix = f"give Docker {human_size(MEMORY_WANTED)} or more; in Docker Desktop: Settings, Resources"
    return found("engine.memory", "warning", said, fix)


def cgroup(engine: Engine) -> Check:
    """Judge the version of the control groups (decision 12)."""
    if engine.cgroup_version == "1":
        message = "the engine's host has cgroup v1, which is on its way out: newer Kubernetes will refuse it"
        fix = "boot with cgroup v2 (`systemd.unified_cgroup_hierarchy=1`); until then kilter makes the kubelet take v1"
        return found("engine.cgroup", "warning", message, fix)
    version = f"cgroup v{engine.cgroup_version}" if engine.cgroup_version else "cgroups of its own"
    return found("engine.cgroup", "pass", f"the engine's host has {version}")


def place(address: str, *, local: bool) -> Check:
    """Judge where the engine runs, once it is allowed to run there (LC-Q4)."""
    if local:
        return found("engine.local", "pass", "Docker runs on this machine")
    message = f"Docker runs on another host: {address}; {ALLOW_REMOTE}=1 allows it"
    fix = "unset DOCKER_HOST, or `docker context use default`: the addresses on localhost may not lead to the cluster"
    return found("engine.local", "warning", message, fix)


def buildx(engine: Engine) -> Check:
    """Judge whether the docker CLI can build with BuildKit."""
    if engine.buildx is not None:
        message = f"docker buildx {engine.buildx}".rstrip() + " builds the images"
        return found("engine.buildx", "pass", message)
    message = "docker buildx is missing: images are built the old way, slower and without BuildKit's syntax"
    fix = "install Docker's buildx plugin: https://docs.docker.com/build/install-buildx/"
    return found("engine.buildx", "warning", message, fix)


def room(places: Sequence[Path]) -> Check:
    """Judge the free space of the scarcest of the places."""
    free, where = disk.scarcest(places)
    message = f"{human_size(free)} free at {where}"
    if free >= disk.WANTED:
        return found("machine.disk", "pass", message)
    return found("machine.disk", "fail" if free < disk.NEEDED else "warning", message, disk.FIX)


def folders(paths: Paths) -> list[Check]:
    """Judge whether kilter's folders take files; a row for each one that takes none."""
    named = {"machine.data": paths.data, "machine.cache": paths.cache}
    return [fault for name, folder in named.items() for fault in _unwritable(name, folder)]


def _unwritable(name: str, folder: Path) -> Iterator[Check]:
    try:
        place = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield row(refused(f"cannot write in {folder}", folder / "file", error), name)


def inotify(settings: Path = Path("/proc/sys/fs/inotify")) -> list[Check]:
    """Judge the limits that several clusters share; nothing to judge where the kernel has none (macOS)."""
    try:
        seen = {name: int((settings / name).read_text()) for name in INOTIFY_WANTED}
    except (OSError, ValueError):
        return []
    low = {name: wanted for name, wanted in INOTIFY_WANTED.items() if seen[name] < wanted}
    message = ", ".join(f"fs.inotify.{name} is {seen[name]}" for name in low or seen)
    if not low:
        return [found("machine.inotify", "pass", message)]
    fix = "sudo sysctl " + " ".join(f"fs.inotify.{name}={wanted}" for name, wanted in low.items())
    message += ": too low for several clusters"
    return [found("machine.inotify", "warning", message, fix)]


def ipv6() -> Check:
    """Tell which addresses `localhost` has; either answer is fine (NS-Q17)."""
    message = "localhost is 127.0.0.1 and ::1" if ports.has_ipv6() else "localhost is 127.0.0.1 alone, without IPv6"
    return found("machine.ipv6", "pass", message)


def ledger_file(paths: Paths, *, fix: bool) -> Check:
    """Judge the record of ports and passwords, and put it together again from its copies with `fix` (NS-Q14)."""
    try:
        known = ledger.load(paths.ports_file)
        lost = [record.project for record in ledger.copies(paths) if record.project not in known]
        if not lost:
            said = f"{paths.ports_file} is readable: {counted(len(known), 'project')}"
            return found("records.ports", "pass", said)
        status: Status = "warning"
        message = f"{paths.ports_file} has lost {', '.join(lost)}"
    except ledger.Newer as error:
        return row(error, "records.ports")
    except ledger.Damaged as error:
        status, message = "fail", sentence(error)
    if not fix:
        return found(
            "records.ports", status, message, "run `kilter doctor --fix`: it rebuilds the file from its copies"
        )
    try:
        back = records.repair(paths)
    except KilterError as error:
        return row(error, "records.ports")
    return found("records.ports", "pass", f"{paths.ports_file} is rebuilt: {', '.join(back) or 'no project'}")


def copies(paths: Paths, *, fix: bool) -> list[Check]:
    """Judge the copies beside the projects' data, with no row while all can be read; renew them with `fix` (NS-Q14)."""
    damaged = ledger.damaged_copies(paths)
    if not damaged:
        return []
    if not fix:
        message = "; ".join(sentence(error) for error in damaged.values())
        mend = (
            "put it right, or run `kilter doctor --fix`: it keeps it aside, and writes it anew if ports.json knows it"
        )
        return [found("records.copies", "warning", message, mend)]
    lost = records.renew_copies(paths)
    if not lost:
        return [found("records.copies", "pass", f"the copies are written anew: {', '.join(damaged)}")]
    message = f"the record of {', '.join(lost)} is lost: the next command there makes new ports and a new password"
    mend = "the old password may be in the project's record.json.damaged; its databases know no other"
    return [found("records.copies", "warning", message, mend)]


def directories(paths: Paths, known: Iterable[Allocation]) -> Check:
    """Judge whether the directory of every project is still there."""
    vanished = [record for record in known if records.vanished(paths, record)]
    if not vanished:
        message = "the directory of every known project is there"
        return found("records.directories", "pass", message)
    named = ", ".join(f"{record.project} ({record.directory})" for record in vanished)
    first = vanished[0]
    at = shlex.quote(first.directory)
    fix = (
        "where it was moved to, run `kilter doctor --fix`; if it is gone for good: "
        f"mkdir -p {at} && cd {at} && kilter init --name {first.project} && kilter destroy --purge --no-snapshot"
    )
    message = f"no {FILE_NAME} in the directory of {named}"
    return found("records.directories", "warning", message, fix)


def moved(paths: Paths, project: Project, known: Iterable[Allocation], *, fix: bool) -> list[Check]:
    """Record the new place of the project in the current directory, where its old one holds no kilter.yaml (NS-Q2)."""
    own = next((record for record in known if record.project == project.name), None)
    if own is None or Path(own.directory).resolve() == project.root.resolve():
        return []
    if not records.vanished(paths, own):
        return []  # a second checkout, which every verb refuses by itself
    if fix:
        records.move(paths, project.name, project.root)
        message = f"{project.name} now belongs to {project.root}; before, to {own.directory}, which is gone"
        return [found("records.moved", "pass", message)]
    message = f"{project.name} is recorded in {own.directory}, which is gone"
    mend = f"if it was moved to {project.root}, run `kilter doctor --fix` here"
    return [found("records.moved", "warning", message, mend)]


def port_block(
    paths: Paths,
    known: Iterable[Allocation],
    running: frozenset[str],
    named: Callable[[Sequence[int]], Iterable[ports.Holder]],
) -> Check:
    """Judge the ports of every project whose cluster does not hold them itself; `named` tells who does (NS-Q16)."""
    taken: dict[int, str] = {}
    for record in known:
        wanted = [] if record.project in running else list(record.mapped_ports)
        wanted += [] if tilt_process.alive(paths, record.project) else [record.tilt_port]
        taken |= {port: record.project for port in wanted if not ports.is_free(port)}
    if not taken:
        message = "no other program holds a port of a project"
        return found("ports.block", "pass", message)
    lines = [f"{taken[holder.port]}: {holder}" for holder in named(sorted(taken))]
    message = "; ".join(lines[:SHOWN]) + (f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")
    fix = "end these programs before the next `kilter up` of the project, or move it: `kilter up --reassign-ports`"
    return found("ports.block", "warning", message, fix)


def row(error: KilterError, name: str) -> Check:
    """Turn an error that a check met into its row."""
    return found(name, "fail", sentence(error), error.hint)


def sentence(error: KilterError) -> str:
    """Say in one line what an error says in several."""
    causes = "; ".join(part for part in (error.why, *error.details) if part)
    return f"{error.what} ({causes})" if causes else error.what
