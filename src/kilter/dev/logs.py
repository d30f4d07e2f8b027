"""`kilter logs`: what services and apps print, merged line by line."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from kilter.dev.following import Following, ended_before
from kilter.dev.kubectl import kubectl
from kilter.dev.machine import Machine
from kilter.dev.readers import Line, Log, Readers
from kilter.dev.workspace import Workspace, open_workspace
from kilter.project.load import Project
from kilter.render.manifests import SERVICE
from kilter.tools.kubectl import Kubectl, in_seconds, parse_list
from kilter.words import escaped

LONGEST = 16_384  # characters of one line; what is longer is cut and says so (C15)


@dataclass(frozen=True)
class LogOptions:
    """What to show: `since` in seconds, `tail` in lines per pod."""

    follow: bool = False
    since: float | None = None
    tail: int | None = None
    previous: bool = False

    def flags(self) -> list[str]:
        """Return kubectl's own flags for these options."""
        flags = [f"--since={in_seconds(self.since)}"] if self.since else []
        flags += [f"--tail={self.tail}"] if self.tail is not None else []
        return flags + (["--previous"] if self.previous else [])


def logs(
    machine: Machine, project: Project, names: tuple[str, ...], options: LogOptions
) -> Generator[str | None, None, None]:
    """Yield the lines of the named services, of all when none is named; the name stands in front unless it is one.

    None comes where nothing was printed for a moment, and more may be. Close it where nobody reads on, lest what it
    started goes on. Raises BadInput for an unknown name, NotFound and NotReady without a running cluster.
    """
    workspace = open_workspace(machine, project)
    chosen = workspace.known(names)
    commands = kubectl(workspace)
    width = max(map(len, chosen), default=0)
    try:
        for each in _lines(workspace, commands, chosen, options):
            if each is None:
                yield None
                continue
            name, line = each
            yield shown(line) if len(chosen) == 1 else f"{name.ljust(width)} | {shown(line)}"
    except BaseException:
        machine.runner.end_running()
        raise


def shown(line: str) -> str:
    """Return a line that cannot drive the terminal, and is not overlong (C15)."""
    return escaped(line if len(line) <= LONGEST else f"{line[:LONGEST]} … ({len(line)} characters)")


def _lines(
    workspace: Workspace, commands: Kubectl, names: tuple[str, ...], options: LogOptions
) -> Iterator[tuple[str, str] | None]:
    """Yield lines with the names of whose they are; what was before a restart is over, and cannot be followed."""
    if not names:
        workspace.machine.progress.note(f"{workspace.name} has no services and no apps")
        return
    if options.follow and not options.previous:
        yield from Following(workspace, commands, names, options.flags()).lines()
        return
    readers = Readers(workspace.machine.runner)
    found = _logs(workspace, commands, names, previous=options.previous)
    if options.previous and not found:
        workspace.machine.progress.note(f"no container of {', '.join(names)} has run before")
    absent = [name for name in names if name not in {log.name for log in found}]
    if absent and not options.previous:
        workspace.machine.progress.note(f"there is no pod of {', '.join(absent)}")
    for log in found:
        readers.begin(log, commands.logs(log.pod, container=log.container, flags=options.flags()))
    while readers.running:
        taken = readers.take()
        if isinstance(taken, Line):
            yield taken.log.name, taken.text
        elif taken and taken.error:
            workspace.machine.progress.warn("; ".join([taken.error.what, *taken.error.details]))


def _logs(workspace: Workspace, commands: Kubectl, names: tuple[str, ...], *, previous: bool) -> list[Log]:
    listed = parse_list(workspace.machine.runner.run(commands.get("pods")).stdout)
    if previous:  # kubectl reads all containers of a pod up to the first that has never ended
        return sorted(ended_before(listed, names))
    labelled = [(item["metadata"].get("labels", {}).get(SERVICE), item["metadata"]["name"]) for item in listed]
    return sorted(Log(name, pod) for name, pod in labelled if name in names)
