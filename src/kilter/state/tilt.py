"""The record of the Tilt that runs in the background for a project."""

import json
from pathlib import Path

from msgspec.structs import asdict

from kilter.state.files import remove_file, write_whole
from kilter.state.paths import Paths
from kilter.values import Value


class TiltRecord(Value, frozen=True):
    """Which process is the project's Tilt.

    `pid` and `started` together name one process for ever (`kilter.proc.Started`); `port` is Tilt's own port and
    `directory` the project's root. `tree` names the rendered tree that it was told of last (`dev.rendered.version`).
    """

    pid: int
    started: str
    port: int
    directory: str
    tree: str = ""


def write(paths: Paths, name: str, record: TiltRecord) -> None:
    """Record the running Tilt of project `name`."""
    write_whole(_file(paths, name), json.dumps(asdict(record)) + "\n")


def read(paths: Paths, name: str) -> TiltRecord | None:
    """Return the record, or None when there is none. A record says nothing on whether the process still lives."""
    try:
        return TiltRecord(**json.loads(_file(paths, name).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def clear(paths: Paths, name: str) -> None:
    """Forget the record; without one this does nothing."""
    remove_file(_file(paths, name))


def _file(paths: Paths, name: str) -> Path:
    return paths.project_data(name) / "tilt" / "tilt.json"
