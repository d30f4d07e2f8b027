"""`kilter doctor`: what this machine lacks, and what mends it.

A doctor never raises for what it meets: an error is the row of the check that met it. Without an engine, everything
that needs none is checked all the same.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kilter.clusters import disk, engine, node, ports, registry
from kilter.clusters.provider import Listed, State
from kilter.dev import checks, clusters
from kilter.dev.documents import Check, DoctorDocument
from kilter.dev.machine import Machine
from kilter.dev.threads import beside
from kilter.errors import KilterError, MachineLacks
from kilter.project.load import find, load
from kilter.state import records
from kilter.state.records import Allocation
from kilter.tools import docker, provision
from kilter.tools.docker import Engine
from kilter.tools.versions import TOOLS

OURS = "^/?kilter-"
NEEDS_ENGINE = "memory, cgroup, buildx, foreign clusters, ports, the image registry"


@dataclass(frozen=True)
class Sight:
    """What was seen of the engine: itself (None when it cannot be used), its address, rows on it."""

    engine: Engine | None = None
    address: str = ""
    rows: tuple[Check, ...] = ()


def doctor(machine: Machine, *, fix: bool, directory: Path | None = None) -> DoctorDocument:
    """Check the machine, and mend with `fix` what can be mended; `directory` is where the user's project may lie."""
    with beside(machine) as pool:
        tools = [pool.submit(_guarded, f"tools.{name}", partial(_tool, machine, name, fix)) for name in TOOLS]
        sight = look(machine)
        own = _on_this_machine(machine, sight, fix, directory)
        found = [pool.submit(_guarded, name, ask) for name, ask in _asking(machine, sight, fix)]
        rows = [
            *sight.rows,
            *(check for each in tools for check in each.result()),
            *own,
            *(check for each in found for check in each.result()),
        ]
    return DoctorDocument(ok=all(check.status != "fail" for check in rows), checks=rows)


def look(machine: Machine) -> Sight:
    """Look at the engine once, for all the checks that need it."""
    address = machine.environment.get("DOCKER_HOST", "")
    with suppress(KilterError):
        address = machine.runner.run(docker.endpoint()).stdout.strip()
    local = engine.is_local(address)
    try:
        found = engine.check(machine.runner, machine.environment)
    except KilterError as error:
        refused = not local and machine.environment.get(engine.ALLOW_REMOTE) != "1"
        first = checks.row(error, "engine.local" if refused else "engine.reachable")
        message = f"not checked without Docker: {NEEDS_ENGINE}"
        skipped = checks.found("engine.skipped", "warning", message)
        return Sight(address=address, rows=(first, skipped))
    message = f"Docker {found.version} answers" + (" (rootless)" if found.rootless else "")
    reachable = checks.found("engine.reachable", "pass", message)
    place = checks.place(address, local=local)
    rows = (reachable, place, checks.memory(found), checks.cgroup(found), checks.buildx(found))
    return Sight(found, address, rows)


def _on_this_machine(machine: Machine, sight: Sight, fix: bool, directory: Path | None) -> list[Check]:
    """Make the checks that need no engine and no process."""
    paths = machine.paths
    places = [paths.data, *(disk.of_engine(sight.engine, sight.address) if sight.engine else ())]
    rows = [
        *_guarded("machine.disk", lambda: [checks.room(places)]),
        *checks.folders(paths),
        *checks.inotify(),
        checks.ipv6(),
        *_guarded("records.ports", lambda: [checks.ledger_file(paths, fix=fix)]),
        *_guarded("records.copies", lambda: checks.copies(paths, fix=fix)),
    ]
    with suppress(KilterError):  # a damaged ledger has its row already
        known = records.all(paths)
        rows += _moved(machine, known, directory, fix)
        rows += _guarded("records.directories", lambda: [checks.directories(paths, records.all(paths))])
    return rows


def _moved(machine: Machine, known: Sequence[Allocation], directory: Path | None, fix: bool) -> list[Check]:
    """Look whether the project of the user's directory has moved; a directory without a valid one has none to move."""
    if directory is None:
        return []
    try:
        project = load(find(directory))
    except KilterError:
        return []
    return _guarded("records.moved", lambda: checks.moved(machine.paths, project, known, fix=fix))


def _asking(machine: Machine, sight: Sight, fix: bool) -> Iterable[tuple[str, Callable[[], Sequence[Check]]]]:
    """Yield the checks that ask the engine, where there is one to ask."""
    if sight.engine is None:
        return
    yield "clusters.foreign", lambda: _clusters(machine)
    yield "registry.running", lambda: _registry(machine, fix)


def _guarded(name: str, check: Callable[[], Sequence[Check]]) -> list[Check]:
    """Make a check; an error is its row."""
    try:
        return list(check())
    except KilterError as error:
        return [checks.row(error, name)]
    except OSError as error:
        return [checks.found(name, "warning", f"{name} could not be checked: {error.strerror or error}")]


def _tool(machine: Machine, name: str, fix: bool) -> list[Check]:
    """Find a tool on PATH or among kilter's own, and fetch it with `fix` (LC-Q3)."""
    tool = TOOLS[name]
    found = provision.on_path(tool, machine.runner, machine.paths, machine.environment)
    said = partial(checks.found, f"tools.{name}")
    if found.usable:
        return [said("pass", f"{name} {found.version}, on PATH: {found.path}")]
    copy = provision.installed(tool, machine.paths)
    if copy is None and fix:
        copy = machine.tool(name)
    if copy is not None:
        return [said("pass", f"{name} {tool.version}, kilter's copy: {copy}")]
    message = f"{name} {tool.version} is fetched at the first `kilter up`"
    passed = provision.unusable(tool, found)
    return [said("warning", f"{message}; {passed}" if passed else message, "`kilter doctor --fix` fetches it now")]


def _clusters(machine: Machine) -> list[Check]:
    """Name the containers that look like kilter's and are not (NS-Q3), and the ports that others hold (NS-Q16)."""
    found = clusters.provider(machine).all()
    own = {node.node_name(cluster.project) for cluster in found if cluster.state is not State.FOREIGN}
    listed = docker.parse_lines(machine.runner.run(docker.list_containers(name=OURS)).stdout)
    unmarked = [row["Names"] for row in listed if registry.ROLE not in docker.parse_labels(row["Labels"])]
    foreign = [_why_foreign(machine, name, found) for name in sorted(set(unmarked) - own)]
    fix = "kilter leaves them alone; a project of that name needs another `name` in kilter.yaml"
    message = "; ".join(foreign) or "every container named kilter-… is kilter's"
    rows = [checks.found("clusters.foreign", "warning" if foreign else "pass", message, fix if foreign else "")]
    with suppress(MachineLacks):  # a damaged ledger has its row already
        running = frozenset(cluster.project for cluster in found if cluster.holds)
        named = partial(ports.named, machine.runner)
        rows.append(checks.port_block(machine.paths, records.all(machine.paths), running, named))
    return rows


def _why_foreign(machine: Machine, name: str, found: Iterable[Listed]) -> str:
    project = next((one.project for one in found if node.node_name(one.project) == name), None)
    why = node.foreign(clusters.provider(machine).find(project)).why if project else "it does not bear kilter's mark"
    return f"{name} is not ours: {why}"


def _registry(machine: Machine, fix: bool) -> list[Check]:
    """Judge whether the image registry and the caches run, and make them run with `fix`."""
    said = partial(checks.found, "registry.running")
    wanted = [service.name for service in registry.services(machine.environment)]
    idle = _idle(machine, wanted)
    if idle and not any(cluster.state is not State.FOREIGN for cluster in clusters.provider(machine).all()):
        return [said("pass", "the image registry is made with the first cluster")]
    if idle and fix:
        registry.ensure(machine.runner, machine.environment, machine.progress)
        idle = _idle(machine, wanted)
    if not idle:
        return [said("pass", f"running: {', '.join(wanted)}")]
    mend = "`kilter doctor --fix` starts them; so does the next `kilter up`"
    return [said("warning", f"not running: {', '.join(idle)}", mend)]


def _idle(machine: Machine, wanted: Iterable[str]) -> list[str]:
    rows = docker.parse_lines(machine.runner.run(docker.list_containers(labels=[registry.ROLE])).stdout)
    running = {row["Names"] for row in rows if row["State"] == "running"}
    return [name for name in wanted if name not in running]
