"""What the tests of the testbed share."""

from pathlib import Path
from typing import Any

import pytest

from testbed import engine, network
from testbed.home import Home
from testbed.running import RUNNING
from testbed.work import Work


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ending: after a command of the testbed its process ends, that of the tests goes on."""
    monkeypatch.setattr(RUNNING, "ending", False)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What would have been asked of the kernel, by the name of the function."""
    asked: dict[str, Any] = {}
    for name in (
        *("unmount_below", "remove_bridges", "remove_rules", "remove_control_groups"),
        *("raise_limits", "restore_limits", "note_policies"),
    ):
        monkeypatch.setattr(network, name, lambda *words, name=name: asked.update({name: words}))
    monkeypatch.setattr(engine, "OUTSIDE", ())
    monkeypatch.setattr(engine, "stranger", lambda _: False)
    monkeypatch.setattr(network, "exists", lambda _: False)
    return asked


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A stage of a testbed that is nowhere else than in this test's folder."""
    home = Home(tmp_path / "cache", tmp_path / "run")
    home.logs.mkdir(parents=True)
    return Work(home, "running", {"PATH": str(tmp_path)})
