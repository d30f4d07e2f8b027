"""Owning Tilt: kilter starts it in the background, knows its process, takes its files over, and ends exactly it."""

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from kilter.clusters import ports
from kilter.dev import rendered
from kilter.dev.conditions import Condition
from kilter.dev.tilt_process import alive, end, end_orphan
from kilter.dev.updates import Updates, is_outdated, updates
from kilter.dev.workspace import Workspace
from kilter.errors import BuildFailed, Failed, KilterError, MachineLacks, NotReady
from kilter.proc import end_started, is_alive
from kilter.state import tilt as record
from kilter.state.tilt import TiltRecord
from kilter.tools import images
from kilter.tools.tilt import TILTFILE, Resource, Tilt, parse_resources, parse_unwatched
from kilter.words import human_size

START_LIMIT = 20.0  # seconds until Tilt answers on its port
PATIENCE = 5.0  # seconds for an answer that only says more
LOG_LINES_SHOWN = 15
LOG_TAIL = 64 << 10  # bytes that are read for them
NAME_WIDTH = 13  # characters of a resource's name in front of its lines
STARTING = Condition("the dev loop", False, "is starting")
BLIND_STARTS = 2  # for folders that go while it looks for them: something may make and remove them all the time
AGAIN = "mend it and save, or run `kilter up` again; Tilt's page shows its whole output"
GONE = "no such file or directory"
LIMITS = ("no space left on device", "too many open files")  # as Linux says that no more can be watched
LOG_LIMIT = 16 << 20  # bytes, beyond which the log of a running Tilt is begun anew


@dataclass
class TiltLife:
    """The life of a project's Tilt: the commands that reach it, and the project it works for.

    `told` is when this command told it to update a resource, `started` when (`time.monotonic`) it was started. With
    `retries` it is started anew if something failed before: the cause, such as a registry that was away, may be gone.
    """

    commands: Tilt
    workspace: Workspace
    told: dict[str, datetime] = field(default_factory=dict, init=False)
    started: float | None = field(default=None, init=False)
    retries: bool = field(default=False, init=False)
    blind: int = field(default=0, init=False)  # how often it was started anew because it did not watch the files

    @property
    def url(self) -> str:
        """Where Tilt's page is."""
        return url(self.workspace)

    def ensure(self) -> str:
        """Start Tilt, or make a running one read its files anew if they changed; returns what was done.

        Raises MachineLacks when its port is taken, NotReady when it ends or does not answer.
        """
        if known := running(self.workspace):
            self.retries = True
            cap_log(self.workspace)
            return "took the changed files over" if self.take_over(known) else "was already running"
        end(self.workspace.machine.paths, self.workspace.name)
        self._start()
        return f"started, {self.url}"

    def take_over(self, known: TiltRecord) -> bool:
        """Make the running Tilt read the tree, unless it was told of this one before; tells whether it had to.

        What it was told is recorded afterwards, so that a tree of a kilter that then failed or died is made up for.
        """
        tree, machine = rendered.version(self.workspace.cache), self.workspace.machine
        if known.tree == tree:
            return False
        self._tell(TILTFILE)
        record.write(machine.paths, self.workspace.name, replace(known, tree=tree))
        return True

    def _start(self) -> None:
        workspace, paths = self.workspace, self.workspace.machine.paths
        self._free_port()
        log, home, tree = paths.tilt_log(workspace.name), self.commands.home, rendered.version(workspace.cache)
        log.unlink(missing_ok=True)
        home.mkdir(parents=True, exist_ok=True)
        # Not in the rendered tree, which is replaced under Tilt's feet; nor in the project, whose owner may move it.
        command = replace(self.commands.up(workspace.cache / "Tiltfile"), cwd=home)
        started = workspace.machine.runner.start(command, log)
        self.started = time.monotonic()
        port, root = workspace.allocation.tilt_port, str(workspace.project.root)
        try:
            record.write(paths, workspace.name, TiltRecord(started.pid, started.start_time, port, root, tree))
        except BaseException:
            end_started(started)  # nobody would know it
            raise
        limit = time.monotonic() + START_LIMIT
        while not _listens(port):
            if not is_alive(started) or time.monotonic() > limit:
                raise NotReady("Tilt did not start", details=log_tail(workspace), hint=f"its whole log: {log}")
            time.sleep(0.05)

    def _free_port(self) -> None:
        """Raise MachineLacks where another program has Tilt's port; end a Tilt of this project that no record names."""
        port = self.workspace.allocation.tilt_port
        if not _listens(port):
            return
        [holder] = ports.holders([port])
        if not end_orphan(holder.pid, self.commands.home):
            hint = "end the program and run `kilter up` again"
            raise MachineLacks(str(holder), why="it is the port of this project's Tilt", hint=hint)
        self.workspace.machine.progress.note(f"ended a Tilt of {self.workspace.name} that a killed `kilter up` left")

    def check(self) -> Updates:
        """Return what Tilt still has to do for the declared apps, those without pods left out.

        Of a Tilt that ran already, and whose first answer is that something failed, also how that is tried again, once
        it builds nothing else. Raises what it reports as failed: the Tiltfile, or an image build (BuildFailed).
        """
        if not running(self.workspace):
            raise NotReady(
                "Tilt ended unexpectedly", details=log_tail(self.workspace), hint="run `kilter up` to start it again"
            )
        answer = self._answer()
        if answer is None:
            return Updates((STARTING,))
        resources = parse_resources(answer)
        failed = [each for each in resources if each.failed and not is_outdated(each, self.told)]
        if failed and self.retries:
            if busy := [each.name for each in resources if each.update == "in_progress"]:
                return Updates(tuple(Condition(name, False, "is being built") for name in busy))
            names = ", ".join(each.name for each in failed)
            said = f"{names}: the last update failed, and is tried again by a new dev loop"
            return Updates((STARTING,), again=lambda: self._start_anew(said))
        if failed:
            raise BuildFailed(
                f"{failed[0].name} could not be built or applied",
                why=failed[0].error,
                details=log_tail(self.workspace, of=failed[0].name),
                hint=self._remedy(failed[0]) or AGAIN,
            )
        self.retries = False
        found = updates(resources, [app.name for app in self.workspace.plan.apps if app.replicas], self.told)
        return found if found.pending else self._seeing(answer, found)

    def _remedy(self, failed: Resource) -> str:
        built = {app.name: app.build for app in self.workspace.plan.apps}.get(failed.name)
        return images.remedy(failed.error, self.workspace.project.root / built.context) if built else ""

    def _seeing(self, answer: str, found: Updates) -> Updates:
        """Have a Tilt started anew that does not watch the files, and say so where that does not help.

        It looks for them once, while it starts: a folder that goes at that moment ends it, as a limit of the machine's
        does, which may have been raised since a running one was started.
        """
        unwatched = parse_unwatched(answer)
        if not unwatched or self.blind > BLIND_STARTS:
            return found
        name, why = next(iter(unwatched.items()))
        if self.blind < BLIND_STARTS and (GONE in why or self.started is None):
            self.blind += 1
            said = f"the dev loop could not watch the files of {name}, and is started again: {why}"
            return Updates((STARTING,), again=lambda: self._start_anew(said))
        self.blind = BLIND_STARTS + 1  # it is said once
        limits = any(words in why for words in LIMITS)
        cause = f"this machine's limits, fs.inotify.*, are too low; `kilter doctor` tells of them ({why})"
        self.workspace.machine.progress.warn(
            f"the dev loop does not watch the files of {', '.join(unwatched)}: what you save reaches no app until "
            f"`kilter up` starts it again: {cause if limits else why}"
        )
        return found

    def _answer(self) -> str | None:
        """Ask Tilt; None while one that was just started cannot answer, although it listens already."""
        try:
            return self.workspace.machine.runner.run(self.commands.resources()).stdout
        except Failed:
            if self.started is None or time.monotonic() - self.started > START_LIMIT:
                raise
            return None

    def _start_anew(self, said: str) -> None:
        """Try again what failed. Not by a trigger: for one Tilt removes what runs before it builds."""
        self.workspace.machine.progress.note(said)
        self.retries = False
        self.told.clear()
        end(self.workspace.machine.paths, self.workspace.name)
        self._start()

    def _tell(self, resource: str) -> None:
        """Make Tilt update a resource; what it says of older builds does not count from now on."""
        self.told[resource] = datetime.now(UTC)
        self.workspace.machine.runner.run(self.commands.trigger(resource))


def url(workspace: Workspace) -> str:
    """Return where the page of the project's Tilt is."""
    return f"http://localhost:{workspace.allocation.tilt_port}"


def commands(binary: Path, workspace: Workspace) -> Tilt:
    """Return the commands that reach the project's Tilt."""
    return Tilt(
        binary,
        workspace.allocation.tilt_port,
        workspace.machine.paths.tilt_home(workspace.name),
        workspace.kubeconfig,
        workspace.plan.context,
        workspace.plan.namespace,
    )


def running(workspace: Workspace) -> TiltRecord | None:
    """Return the record of the project's Tilt if that very process still runs."""
    return alive(workspace.machine.paths, workspace.name)


class Heard(NamedTuple):
    """What the running Tilt tells: its resources, and whose files it does not watch with the reason."""

    resources: tuple[Resource, ...] = ()
    unwatched: Mapping[str, str] = MappingProxyType({})


def heard(workspace: Workspace) -> Heard:
    """Ask the running Tilt how it stands; of one that does not answer nothing is known."""
    try:
        known = commands(workspace.machine.tool("tilt"), workspace)
        told = workspace.machine.runner.run(replace(known.resources(), timeout=PATIENCE)).stdout
    except KilterError:
        return Heard()
    return Heard(parse_resources(told), parse_unwatched(told))


def log_tail(workspace: Workspace, lines: int = LOG_LINES_SHOWN, of: str | None = None) -> list[str]:
    """Return the last lines of Tilt's log, of which no more than its end is read; of one resource alone if named."""
    try:
        with workspace.machine.paths.tilt_log(workspace.name).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - LOG_TAIL))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    whole = text.splitlines()[1:] if size > LOG_TAIL else text.splitlines()
    return [line for line in whole if of is None or _is_of(line, of)][-lines:]


def _is_of(line: str, resource: str) -> bool:
    """Tell whether a line of Tilt's log is of a resource, whose shortened name stands in front of its lines.

    Those of the Tiltfile have none.
    """
    name, bar, _said = line.partition(" │ ")
    if resource == TILTFILE:
        return not bar
    return bool(bar) and name.strip() == (resource if len(resource) <= NAME_WIDTH else f"{resource[: NAME_WIDTH - 1]}…")


def cap_log(workspace: Workspace) -> None:
    """Empty the log of a running Tilt that has grown large; Tilt appends, and so goes on at the front."""
    log = workspace.machine.paths.tilt_log(workspace.name)
    with suppress(OSError):  # none, or on a disk that does not want it: only its size is at stake
        if (size := log.stat().st_size) > LOG_LIMIT:
            os.truncate(log, 0)
            workspace.machine.progress.note(f"the dev loop's log had {human_size(size)}, and is begun anew")


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2):
            return True
    except OSError:
        return False
