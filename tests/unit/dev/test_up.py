"""The edges of `kilter up`: what becomes of the work beside the story when the story ends early."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.clusters import engine, ports
from kilter.clusters.kind import KindProvider
from kilter.clusters.node import stopping_mark
from kilter.clusters.provider import Cluster, State
from kilter.dev import bases, clusters, ready
from kilter.dev import up as up_module
from kilter.dev.tilt import TiltLife
from kilter.dev.up import Up, UpOptions, UpResult, up
from kilter.dev.warming import Warming
from kilter.errors import Busy, MachineLacks
from kilter.state import lock
from kilter.state.files import write_whole
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


@pytest.mark.requirement("LC-Q22")
def test_one_command_at_a_time_brings_a_project_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = workspace(tmp_path)
    monkeypatch.setattr(lock, "PATIENCE", 0)
    monkeypatch.setattr(Up, "run", lambda _: pytest.fail("another command works on it"))
    with (
        lock.project_lock(opened.machine.paths, "shop", "destroy"),
        pytest.raises(Busy, match="`kilter destroy` is working on project shop"),
    ):
        up(opened.machine, opened.project, UpOptions())


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


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What one `kilter up` does for the cluster beside its steps."""
    done = list[str]()

    def noted(name: str, answer: object = None) -> None:
        def called(*given: object) -> object:
            done.append(name)
            return next((each for each in given if isinstance(each, Cluster)), None) if answer is Cluster else answer

        monkeypatch.setattr(up_module, name, called)

    for name in ("prune", "reassign"):
        noted(name)
    noted("make_room", Cluster)
    noted("former", ["it was moved"])
    return done


@pytest.mark.requirement("NS-Q16", "CT-Q6")
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (UpOptions(), ["former", "prune"]),
        (UpOptions(recreate=True), ["former", "prune"]),
        (UpOptions(reassign_ports=True), ["reassign", "former", "prune"]),
        (UpOptions(reassign_ports=True, recreate=True), ["make_room", "reassign", "former", "prune"]),
    ],
)
@pytest.mark.usefixtures("story")
def test_ports_move_and_a_cluster_is_given_up_only_for_who_asked_for_it(
    options: UpOptions, expected: list[str], tmp_path: Path, beside: list[str]
) -> None:
    opened = workspace(tmp_path)
    up(opened.machine, opened.project, options)
    assert beside == expected
    assert "warn: it was moved" in told(opened.machine)


@pytest.mark.requirement("CT-Q6")
@pytest.mark.parametrize(
    ("state", "changed", "expected"),
    [
        (State.ABSENT, ["redis.yaml"], {"warm the node"}),
        (State.STOPPED, ["redis.yaml"], {"bring the bases", "prune", "complete the caches"}),
        (State.STOPPED, [], {"bring the bases", "prune"}),
    ],
)
@pytest.mark.usefixtures("story")
def test_a_new_cluster_is_warmed_and_an_old_one_rid_of_what_left_the_file(
    state: State, changed: list[str], expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = set[str]()
    there = SimpleNamespace(find=lambda name: Cluster(name, state))
    monkeypatch.setattr(clusters, "provider", lambda _: there)
    monkeypatch.setattr(up_module, "prune", lambda *_: done.add("prune"))
    monkeypatch.setattr(up_module, "write", lambda *_: changed)
    monkeypatch.setattr(up_module, "complete_caches", lambda _: done.add("complete the caches"))
    monkeypatch.setattr(bases, "bring", lambda *_: done.add("bring the bases"))
    monkeypatch.setattr(Warming, "begin", lambda *_: done.add("warm the node"))
    opened = workspace(tmp_path)
    up(opened.machine, opened.project, UpOptions())
    assert done == expected


@pytest.mark.requirement("LC-Q4")
def test_nothing_is_begun_on_an_engine_that_is_refused(
    tmp_path: Path, story: list[str], beside: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MachineLacks("Docker runs on another host")

    monkeypatch.setattr(engine, "check", refuse)
    opened = workspace(tmp_path)
    with pytest.raises(MachineLacks, match="Docker runs on another host"):
        up(opened.machine, opened.project, UpOptions())
    assert (story, beside) == ([], [])


def test_a_registry_that_is_somebody_elses_ends_the_command(
    tmp_path: Path, story: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked at beside the story, which is not to go on to the apps without it."""

    def refuse(_: object) -> None:
        raise Busy("the container kilter-registry is not kilter's")

    monkeypatch.setattr(up_module, "share_images", refuse)
    opened = workspace(tmp_path)
    with pytest.raises(Busy, match="is not kilter's"):
        up(opened.machine, opened.project, UpOptions())
    assert not [step for step in story if step.startswith("start_tilt")]


@pytest.mark.requirement("LC-Q19", "NS-Q16", "NS-Q3")
@pytest.mark.parametrize(
    ("state", "cut_off", "checked", "started"),
    [
        (State.STOPPED, False, True, True),
        (State.DEAD, False, True, True),
        (State.RUNNING, False, False, False),
        (State.RUNNING, True, False, True),
        (State.FOREIGN, False, False, True),
    ],
)
def test_the_ports_of_a_cluster_that_is_started_are_looked_at_where_it_does_not_hold_them(
    state: State, cut_off: bool, checked: bool, started: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is foreign is refused by the provider, and what runs has its ports."""
    opened, looked = workspace(tmp_path), list[object]()
    monkeypatch.setattr(ports, "check", lambda _, wanted, __: looked.append(wanted))
    monkeypatch.setattr(up_module, "fresh_start", lambda _: None)
    if cut_off:
        write_whole(stopping_mark(opened.machine.paths, "shop"), "")
    brought = Up(opened.machine, opened.project, UpOptions(), cast("ThreadPoolExecutor", None))
    provider = SimpleNamespace(start=lambda name, _: Cluster(name, State.RUNNING))
    brought.resume(cast("KindProvider", provider), Cluster("shop", state), opened)
    assert looked == ([opened.allocation.mapped_ports] if checked else [])
    assert brought.has_started_node is started


@pytest.mark.requirement("LC-Q21")
def test_the_volumes_of_an_earlier_cluster_are_found_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = workspace(tmp_path)
    folder = opened.machine.paths.volumes("shop") / "shop-dev_data-redis-0"
    folder.parent.mkdir(parents=True)
    monkeypatch.setattr(up_module, "claimed", lambda _: [folder.name])
    brought = Up(opened.machine, opened.project, UpOptions(), cast("ThreadPoolExecutor", None))
    brought.make_volume_folders(opened, {})
    (folder / "row").touch()
    brought.make_volume_folders(opened, {})
    assert (folder / "row").is_file()
