"""The edges of `kilter up`: what becomes of the work beside the story when the story ends early."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fakes import FakeRunner
from unit.dev.support import workspace

from kilter.dev import ready
from kilter.dev.tilt import TiltLife
from kilter.dev.up import Up, UpOptions, UpResult, up
from kilter.state.lock import holder
from kilter.tools.kubectl import Kubectl


@pytest.mark.requirement("LC-Q22")
def test_ctrl_c_waits_for_no_work_of_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download, or a pull, may take minutes."""
    over, begun, ended, done = threading.Event(), threading.Event(), list[bool](), list[bool]()

    def download() -> None:
        begun.set()
        done.append(over.wait(20))

    def story(self: Up) -> UpResult:
        self.pool.submit(download)
        assert begun.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(Up, "run", story)
    monkeypatch.setattr(FakeRunner, "end_running", lambda _: ended.append(True))
    opened = workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        up(opened.machine, opened.project, UpOptions())
    assert done == [], "it waited for the work"
    over.set()
    assert ended == [True]
    assert holder(opened.machine.paths, "shop") is None


@pytest.mark.requirement("LC-Q16")
def test_tilt_is_asked_while_every_thread_still_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project of eight apps builds eight images, and what it waits for must end when its time is up."""
    over, heard = threading.Event(), list[str]()

    def story(self: Up) -> UpResult:
        for _ in range(8):
            self.pool.submit(over.wait, 20)
        try:
            life = SimpleNamespace(check=lambda: "nothing left")
            self.await_answers(opened, cast("TiltLife", life), cast("Kubectl", None), {})
        finally:
            over.set()
        return cast("UpResult", None)

    monkeypatch.setattr(Up, "run", story)
    monkeypatch.setattr(ready.Wait, "run", lambda self, _: heard.append(self.ask_tilt().result(5)))
    opened = workspace(tmp_path)
    up(opened.machine, opened.project, UpOptions())
    assert heard == ["nothing left"]
