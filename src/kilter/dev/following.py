"""`kilter logs --follow`: a log that ends goes on in the next container or pod, and no line comes twice.

Containers are told apart by their ids. Where one is read again, because it was started anew or the connection was lost,
the time stamps of its lines say which were printed already.
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kilter.dev.kubectl import kubectl
from kilter.dev.readers import Ended, Line, Log, Readers
from kilter.dev.workspace import Workspace
from kilter.errors import KilterError
from kilter.proc import Command
from kilter.render.manifests import SERVICE
from kilter.tools.kubectl import Kubectl, parse_list
from kilter.words import escaped

PAUSE = 1.0  # seconds from the end of a log to a look for what goes on in its place
# Seconds between two looks while no log ends, or one cannot be read: a new pod may begin beside the old one.
LOOK_EVERY = 5.0
MOMENT = 1.0  # seconds without a line, after which whoever reads may have gone
STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z")


class Container(NamedTuple):
    """A container that prints, or did: its log, its own id, and whether it runs."""

    log: Log
    id: str
    running: bool


@dataclass
class Following:
    """One `logs --follow`: whose logs, and kubectl's flags for those that are there when it begins."""

    workspace: Workspace
    commands: Kubectl
    names: Sequence[str]
    flags: Sequence[str]
    readers: Readers = field(init=False)
    known: dict[Log, str] = field(default_factory=dict)  # the container that was last read
    printed: dict[Log, str] = field(default_factory=dict)  # when the last line was printed there
    bounds: dict[Log, str] = field(default_factory=dict)  # up to when the lines that come were printed already
    new: dict[Log, bool] = field(default_factory=dict)  # whether the last line that came was not; none came yet
    warned: dict[Log, set[str]] = field(default_factory=dict)  # what was told since its last line
    idle: set[str] = field(default_factory=set)
    silent: bool = False

    def __post_init__(self) -> None:
        self.readers = Readers(self.workspace.machine.runner)

    def lines(self) -> Iterator[tuple[str, str] | None]:
        """Yield the lines with the names of whose they are, without an end; None where there was none for a moment.

        Raises what the first look raises, and later NotFound or NotReady once the cluster has ended.
        """
        self.begin(self.look(), first=True)
        due = time.monotonic() + LOOK_EVERY
        while True:
            if time.monotonic() >= due:
                self.look_again()
                due = time.monotonic() + LOOK_EVERY
            taken = self.readers.take(max(0.0, min(MOMENT, due - time.monotonic())))
            if isinstance(taken, Ended):
                if taken.error:
                    self.warn(taken.log, "; ".join([taken.error.what, *taken.error.details]))
                if taken.log not in self.warned:
                    due = min(due, time.monotonic() + PAUSE)
            elif taken is None:
                yield None
            else:
                yield from self.fresh(taken)

    def look(self) -> list[Container]:
        """Return the containers whose logs can be read."""
        outcome = self.workspace.machine.runner.run(self.commands.get("pods"))
        return list(containers(parse_list(outcome.stdout), self.names))

    def look_again(self) -> None:
        """Follow what is new; a cluster that does not answer for a moment is asked again."""
        try:
            found = self.look()
        except KilterError as error:
            kubectl(self.workspace)  # raises where there is nobody left to answer
            if not self.silent:
                self.workspace.machine.progress.warn(f"the cluster does not answer ({error.what}); it is asked again")
            self.silent = True
            return
        self.silent = False
        self.begin(found, first=False)

    def begin(self, found: Iterable[Container], *, first: bool) -> None:
        """Read what is not being read, but for containers that have ended and were."""
        pods = {log.pod for log in self.known}
        for container in found:
            log, before = container.log, self.known.get(container.log)
            if log in self.readers.running or (before == container.id and not container.running):
                continue
            if not first and log.pod not in pods:
                self.workspace.machine.progress.note(f"{log.name}: following its new pod {log.pod}")
                pods.add(log.pod)
            elif before not in (None, container.id):
                self.workspace.machine.progress.note(f"{log.name}: {log.pod} was started again")
            self.known[log] = container.id
            self.readers.begin(log, self.command(log, anew=not first and before != container.id))
        self.tell_idle()

    def command(self, log: Log, *, anew: bool) -> Command:
        """Return how to read a log on from its last printed line; `anew` is one without a line that was asked for."""
        flags = [] if anew else list(self.flags)
        self.new.pop(log, None)
        if printed := self.printed.get(log):
            self.bounds[log] = printed
            flags = [f"--since-time={printed}"]
        return self.commands.logs(log.pod, container=log.container, flags=("--timestamps", *flags), follow=True)

    def tell_idle(self) -> None:
        """Say of whom nothing is read; once, until there is something again."""
        idle = set(self.names) - {log.name for log in self.readers.running}
        for name in sorted(idle - self.idle):
            self.workspace.machine.progress.note(f"{name} does not run; its log goes on when it does")
        self.idle = idle

    def fresh(self, line: Line) -> Iterator[tuple[str, str]]:
        """Yield a line that was not printed yet, without its stamp.

        A carriage return makes two lines of one: what has no stamp belongs to the line before. Where there is none, it
        is a word of kubectl's, or of the node's.
        """
        log = line.log
        stamp, _, text = line.text.partition(" ")
        if moment := comparable(stamp):
            self.new[log] = moment > self.bounds.get(log, "")
            self.printed[log] = max(moment, self.printed.get(log, ""))
        if log not in self.new:
            self.warn(log, line.text)
        elif self.new[log]:
            self.warned.pop(log, None)
            yield log.name, text if moment else line.text

    def warn(self, log: Log, text: str) -> None:
        """Tell why a log cannot be read; the same once, until it prints again."""
        warned = self.warned.setdefault(log, set())
        if text in warned:
            return
        warned.add(text)
        self.workspace.machine.progress.warn(f"{log.name}: {escaped(text)}")


def containers(pods: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Container]:
    """Yield the containers of the named services' pods that have begun to print."""
    for log, status in _statuses(pods, names):
        state, last = status.get("state", {}), status.get("lastState", {})
        runs = "running" in state
        id_ = status.get("containerID", "") if runs else _ended(state) or _ended(last)
        if id_:
            yield Container(log, id_, runs)


def ended_before(pods: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[Log]:
    """Yield the logs of the named services' containers that were started anew: what they printed before can be read."""
    return (log for log, status in _statuses(pods, names) if "terminated" in status.get("lastState", {}))


def _statuses(pods: Iterable[Mapping[str, Any]], names: Sequence[str]) -> Iterator[tuple[Log, Mapping[str, Any]]]:
    for pod in pods:
        name = pod["metadata"].get("labels", {}).get(SERVICE)
        for status in [each for key in STATUSES for each in pod.get("status", {}).get(key, [])]:
            if name in names:
                yield Log(name, pod["metadata"]["name"], status["name"]), status


def comparable(stamp: str) -> str:
    """Return an RFC 3339 time with nine digits behind the second, so that two of them compare as texts; '' for others.

    https://www.rfc-editor.org/rfc/rfc3339#section-5.6; a node gives all of its times in one zone.
    """
    found = _STAMP.match(stamp)
    return f"{found[1]}.{(found[2] or '').ljust(9, '0')}{found[3]}" if found else ""


def _ended(state: Mapping[str, Any]) -> str:
    """Return the id of the container that has ended, if one has."""
    return str(state.get("terminated", {}).get("containerID", ""))
