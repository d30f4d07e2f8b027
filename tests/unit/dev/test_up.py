"""The edges of `kilter up`: what becomes of the work beside the story when the story ends early."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fakes import FakeRunner
from unit.dev.support import workspace

from kilter.clusters import engine
from kilter.clusters.provider import Cluster, State
from kilter.dev import clusters, ready
from kilter.dev import up as up_module
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


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The steps of one `kilter up` of a stopped project, each with the text of kilter.yaml at that time."""
    steps = list[str]()

    def step(name: str, answer: object = None) -> Callable[..., object]:
        def taken(self: Up, *_: object) -> object:
            steps.append(f"{name} {self.project.file.read_text()}")
            return answer

        return taken

    def tools(self: Up) -> dict[str, Future[Path]]:
        return {name: self.pool.submit(Path, name) for name in ("helm", "kubectl", "tilt")}

    there = SimpleNamespace(find=lambda name: Cluster(name, State.STOPPED))
    monkeypatch.setattr(engine, "check", lambda *_: None)
    monkeypatch.setattr(clusters, "provider", lambda _: there)
    monkeypatch.setattr(up_module, "render_files", lambda *_: {"kind.yaml": ""})
    monkeypatch.setattr(up_module, "share_images", lambda _: None)
    monkeypatch.setattr(up_module, "prune", lambda *_: None)
    monkeypatch.setattr(Up, "fetch_tools", tools)
    for name in ("bring_up", "await_images", "await_answers"):
        monkeypatch.setattr(Up, name, step(name))
    monkeypatch.setattr(Up, "start_tilt", step("start_tilt", SimpleNamespace(url="http://localhost:1")))
    return steps


@pytest.mark.requirement("LC-Q13", "LC-Q14")
def test_the_dev_loop_never_sees_the_flag_of_a_stop(tmp_path: Path, story: list[str]) -> None:
    """With `COPY . .` an image would be built with the flag in it, and after `up` once more without it."""
    opened = workspace(tmp_path, text="services: {}\ncluster: {stopped: true}\n")
    up(opened.machine, opened.project, UpOptions())
    flagged, cleared = "services: {}\ncluster: {stopped: true}\n", "services: {}\n"
    assert story == [
        f"bring_up {flagged}",
        f"await_images {cleared}",
        f"start_tilt {cleared}",
        f"await_answers {cleared}",
    ]
