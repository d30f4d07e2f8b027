"""The edges of `kilter up`: what becomes of the work beside the story when the story ends early."""

import threading
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import workspace

from kilter.dev.up import Up, UpOptions, UpResult, up
from kilter.state.lock import holder


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
