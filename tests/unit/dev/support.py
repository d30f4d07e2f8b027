"""A project on a machine whose processes are fakes."""

from pathlib import Path

from fakes import FakeRunner

from kilter.dev.machine import Machine
from kilter.dev.workspace import Workspace, open_workspace
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.state.paths import Paths


def machine(folder: Path, runner: FakeRunner | None = None, **environment: str) -> Machine:
    """A machine that keeps everything below `folder` and finds nothing on PATH."""
    paths = Paths(folder / "data", folder / "cache")
    return Machine(runner or FakeRunner(), paths, {"PATH": "", **environment}, Recorder())


def workspace(folder: Path, runner: FakeRunner | None = None, text: str = "services: {redis: }\n") -> Workspace:
    """The project `shop` in `folder/shop`, claimed and planned."""
    root = folder / "shop"
    root.mkdir(exist_ok=True)
    (root / "kilter.yaml").write_text(text)
    return open_workspace(machine(folder, runner), load(root / "kilter.yaml"))


def told(opened: Machine) -> list[str]:
    """Return what the machine's user was told."""
    assert isinstance(opened.progress, Recorder)
    return opened.progress.lines
