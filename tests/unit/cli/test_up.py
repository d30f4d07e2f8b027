"""Leaving `kilter up --attach`."""

import io
import sys
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.cli.test_verbs import NODE, Terminal

from kilter.cli import up
from kilter.cli.app import App
from kilter.cli.console import Console
from kilter.dev.machine import Machine
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.state import records, tilt
from kilter.state.paths import Paths
from kilter.state.tilt import TiltRecord


class Interrupting(Terminal):
    """A terminal on which the user presses Ctrl-C again."""

    def readline(self, _size: int = -1) -> str:  # type: ignore[override]  # as StringIO itself does
        raise KeyboardInterrupt


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """A project whose Tilt is recorded; it is down when its record is gone."""
    (tmp_path / "kilter.yaml").write_text("name: shop\n")
    paths = Paths(tmp_path / "data", tmp_path / "cache")
    records.claim(paths, "shop", tmp_path)
    records.assign(paths, "shop", [], {})
    tilt.write(paths, "shop", TiltRecord(2**30, "of another boot", 1, ""))
    opened = App(Console(), tmp_path)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(App, "machine", Machine(FakeRunner({NODE: "[]"}), paths, {}, Recorder()))
    return opened


@pytest.mark.requirement("LC-Q6")
@pytest.mark.parametrize(
    ("stdin", "ended"),
    [
        (Terminal("n\n"), True),
        (Terminal("down\n"), True),
        (Terminal("N\n"), True),
        (Terminal("\n"), False),
        (Terminal("d\n"), False),
        (Terminal("no\n"), False),
        (Terminal(""), False),
        (Interrupting(), False),
        (io.StringIO("n\n"), False),  # no terminal: nobody is asked
    ],
)
def test_only_a_clear_answer_on_a_terminal_ends_the_loop(
    stdin: io.StringIO, ended: bool, app: App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(sys, "stderr", screen)
    up.leave(app, load(app.directory / "kilter.yaml"))
    assert (tilt.read(app.machine.paths, "shop") is None) is ended
    assert ("dev loop" in capsys.readouterr().out) is ended
    assert ("detached: the dev loop runs on" in screen.getvalue()) is not ended
    assert ("\n[d]etach (default) or dow[n]? " in screen.getvalue()) is stdin.isatty()
