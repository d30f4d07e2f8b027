"""`kilter logs`: what services and apps print, merged line by line."""

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from kilter.dev.kubectl import kubectl
from kilter.dev.machine import Machine
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import KilterError
from kilter.project.load import Project
from kilter.render.manifests import SERVICE
from kilter.tools.kubectl import Kubectl, parse_list

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
        flags = ["--ignore-errors"] if self.follow else []
        flags += [f"--since={plain(self.since)}s"] if self.since else []
        flags += [f"--tail={self.tail}"] if self.tail is not None else []
        return flags + (["--previous"] if self.previous else [])


def logs(machine: Machine, project: Project, names: tuple[str, ...], options: LogOptions) -> Iterator[str]:
    """Yield the lines of the named services, of all when none is named; the name stands in front unless it is one.

    Raises BadInput for an unknown name, NotFound and NotReady without a running cluster.
    """
    workspace = open_workspace(machine, project)
    chosen = workspace.known(names)
    commands = kubectl(workspace)
    pods = _pods(workspace, commands, chosen)
    width = max((len(name) for name, _ in pods), default=0)
    for name, line in _merged(workspace, commands, pods, options):
        yield shown(line) if len(chosen) == 1 else f"{name.ljust(width)} | {shown(line)}"


def plain(seconds: float) -> str:
    """Write seconds without an exponent, which kubectl would refuse."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def shown(line: str) -> str:
    """Return a line that cannot drive the terminal: control characters escaped, overlong lines cut (C15)."""
    cut = line if len(line) <= LONGEST else f"{line[:LONGEST]} … ({len(line)} characters)"
    return "".join(
        char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode() for char in cut
    )


def _pods(workspace: Workspace, commands: Kubectl, names: tuple[str, ...]) -> list[tuple[str, str]]:
    listed = parse_list(workspace.machine.runner.run(commands.get("pods")).stdout)
    labelled = [(item["metadata"].get("labels", {}).get(SERVICE), item["metadata"]["name"]) for item in listed]
    return sorted((name, pod) for name, pod in labelled if name in names)


def _merged(
    workspace: Workspace, commands: Kubectl, pods: list[tuple[str, str]], options: LogOptions
) -> Iterator[tuple[str, str]]:
    """Read all pods at once; the lines come in the order in which they arrive."""
    lines: queue.Queue[tuple[str, str] | KilterError | None] = queue.Queue(maxsize=1000)

    def read(name: str, pod: str) -> None:
        try:
            for line in workspace.machine.runner.stream(
                commands.logs(pod, flags=options.flags(), follow=options.follow)
            ):
                lines.put((name, line))
        except KilterError as error:
            lines.put(error)
        finally:
            lines.put(None)

    for name, pod in pods:
        threading.Thread(target=read, args=(name, pod), daemon=True).start()
    ended = 0
    while ended < len(pods):
        item = lines.get()
        if item is None:
            ended += 1
        elif isinstance(item, KilterError):
            workspace.machine.progress.warn("; ".join([item.what, *item.details]))
        else:
            yield item
