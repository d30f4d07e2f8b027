"""Owning Tilt: its process, its port, and what its own errors mean."""

import json
import time
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.dev import rendered, tilt, tilt_process
from kilter.dev.tilt import TiltLife
from kilter.dev.updates import Updates
from kilter.errors import BuildFailed, Failed, MachineLacks, NotReady
from kilter.proc import Command, Outcome, Started
from kilter.state import tilt as record
from kilter.state.tilt import TiltRecord
from kilter.tools.tilt import TILTFILE

BINARY = Path("tilt")


WEB = "components: {web: {image: 'web:1', port: 80}}\n"


def resource(name: str, update: str = "ok", error: str = "", began: str | None = None) -> dict[str, object]:
    history = [{"error": error, "startTime": began}] if error else []
    return {"metadata": {"name": name}, "status": {"updateStatus": update, "buildHistory": history}}


def life(
    folder: Path, *resources: dict[str, object], running: bool = True, text: str = "services: {redis: }\n"
) -> TiltLife:
    """A Tilt that is recorded as process 4242 and reports the resources."""
    opened = workspace(folder, text=text)
    commands = tilt.commands(BINARY, opened)
    runner = opened.machine.runner
    assert isinstance(runner, FakeRunner)
    port = opened.allocation.tilt_port
    up, trigger = commands.up(opened.cache / "Tiltfile").argv, commands.trigger(TILTFILE).argv
    runner.answers = {commands.resources().argv: json.dumps({"items": resources}), trigger: "", up: ""}
    if running:
        record.write(opened.machine.paths, "shop", TiltRecord(4242, "1", port, str(opened.project.root)))
    return TiltLife(commands, opened)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The processes that run; what is ended leaves the set."""
    running = {4242}

    def end(started: Started) -> bool:
        there = started.pid in running
        running.discard(started.pid)
        return there

    monkeypatch.setattr(tilt, "end_started", end)
    for module in (tilt, tilt_process):
        monkeypatch.setattr(module, "is_alive", lambda started: started.pid in running and started.start_time == "1")
    monkeypatch.setattr(tilt_process, "end_started", end)
    return running


@pytest.fixture
def started_anew(processes: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is started becomes process 4242, and has Tilt's port for as long as that runs."""
    start = FakeRunner.start

    def started(runner: FakeRunner, command: Command, log: Path) -> Started:
        processes.add(4242)
        return start(runner, command, log)

    monkeypatch.setattr(tilt, "_listens", lambda _port: 4242 in processes)
    monkeypatch.setattr(FakeRunner, "start", started)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that nobody has until Tilt is started."""
    answers = [False, True]
    monkeypatch.setattr(tilt, "_listens", lambda _port: answers.pop(0))


@pytest.mark.usefixtures("processes")
def test_a_tilt_without_errors_is_fine(tmp_path: Path) -> None:
    fine = life(tmp_path, resource("(Tiltfile)"), resource("shop", "in_progress", "of the build before"))
    assert fine.check() == Updates()


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("name", "before"), [("web", "          web │ "), ("a-long-web-app", "a-long-web-a… │ "), ("(Tiltfile)", "")]
)
def test_a_failed_build_is_said_with_its_error_and_the_end_of_its_own_log(
    tmp_path: Path, name: str, before: str
) -> None:
    """A database that is made meanwhile says more than any build."""
    broken = life(tmp_path, resource("redis"), resource(name, "error", "exit status 1"))
    log = broken.workspace.machine.paths.tilt_log("shop")
    others = "".join(f"        redis │ makes {part}\n" for part in range(40))
    own = "".join(f"{before}line {number}\n" for number in range(40))
    log.write_text(others + own + others)
    with pytest.raises(BuildFailed) as caught:
        broken.check()
    assert caught.value.what == f"{name} could not be built or applied"
    assert caught.value.why == "exit status 1"
    assert caught.value.details[0] == f"{before}line 25"
    assert caught.value.details[-1] == f"{before}line 39"


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(
    ("name", "hint"), [("web", r"rename caf\xe9.txt, or list it in"), ("redis", "mend it and save")]
)
def test_a_failed_build_whose_words_say_nothing_comes_with_what_mends_it(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / "shop").mkdir()
    for file in ("Dockerfile", "caf\udce9.txt"):
        (tmp_path / "shop" / file).write_text("FROM scratch\n")
    said = "ImageBuild: rpc error: string field contains invalid UTF-8"
    broken = life(tmp_path, resource(name, "error", said), text="components: {web: {path: ., port: 80}}\n")
    with pytest.raises(BuildFailed) as caught:
        broken.check()
    assert caught.value.hint.startswith(hint)


@pytest.mark.requirement("LC-Q16")
@pytest.mark.usefixtures("processes", "listening")
def test_a_tilt_that_was_just_started_is_awaited_until_it_has_built_every_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It listens before it can answer, and answers before it has read the Tiltfile."""
    here = life(tmp_path, running=False, text=WEB)
    runner, asked = here.workspace.machine.runner, here.commands.resources().argv
    assert isinstance(runner, FakeRunner)
    here.ensure()
    refused = Outcome(1, "", "Error: No tilt apiserver found: tilt-31994")
    read, web = resource("(Tiltfile)"), resource("web")
    looks = [[resource("(Tiltfile)", "in_progress")], [read], [read, resource("web", "pending")], [read, web]]
    runner.answers = {**runner.answers, asked: [refused, *(json.dumps({"items": each}) for each in looks)]}
    said = [[(each.name, each.says) for each in here.check().pending] for _ in range(5)]
    assert said == [
        [("the dev loop", "is starting")],
        [("the dev loop", "is reading its files"), ("web", "is still to be built")],
        [("web", "is still to be built")],
        [("web", "is still to be built")],
        [],
    ]
    runner.answers = {**runner.answers, asked: refused}
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    with pytest.raises(Failed, match="tilt get"):
        here.check()


@pytest.mark.requirement("LC-Q16", "CT-10")
@pytest.mark.usefixtures("processes")
def test_what_tilt_said_before_it_was_told_of_changed_files_is_of_the_old_ones(tmp_path: Path) -> None:
    read = resource("(Tiltfile)", "error", "of the files before", began="2020-01-01T00:00:00.000000Z")
    here = life(tmp_path, read, resource("web"), text=WEB)
    rendered.write(here.workspace.cache, {"Tiltfile": "# changed\n"})
    here.ensure()
    assert [each.name for each in here.check().pending] == ["the dev loop"]
    again = resource("(Tiltfile)", "error", "no such file", began="9999-01-01T00:00:00.000000Z")
    runner = here.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    runner.answers = {**runner.answers, here.commands.resources().argv: json.dumps({"items": [again]})}
    with pytest.raises(BuildFailed, match=r"\(Tiltfile\) could not be built"):
        here.check()


@pytest.mark.requirement("LC-Q7")
@pytest.mark.usefixtures("started_anew")
def test_up_again_tries_once_more_what_failed_for_a_cause_that_may_be_gone(tmp_path: Path) -> None:
    """Tilt builds again only what was changed, and told to do more it removes the pods that run before it builds."""
    failed = resource("web", "error", "failed to fetch oauth token: EOF")
    here = life(tmp_path, resource("(Tiltfile)"), resource("redis"), failed, text=WEB)
    here.ensure()
    found = here.check()
    assert [(each.name, each.says) for each in found.pending] == [("the dev loop", "is starting")]
    assert found.again is not None
    found.again()
    runner = here.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    assert [command.argv[1] for command in runner.commands] == ["get", "up"]
    assert any("web: the last update failed" in line for line in told(here.workspace.machine))
    with pytest.raises(BuildFailed, match="web could not be built"):
        here.check()


@pytest.mark.requirement("LC-Q7")
@pytest.mark.usefixtures("started_anew")
def test_what_failed_is_tried_again_only_once_nothing_else_is_being_built(tmp_path: Path) -> None:
    """A new dev loop would begin a build of minutes from its front."""
    failed, busy = resource("web", "error", "failed to fetch oauth token: EOF"), resource("redis", "in_progress")
    here = life(tmp_path, resource("(Tiltfile)"), busy, failed, text=WEB)
    here.ensure()
    found = here.check()
    assert [(each.name, each.ready, each.says) for each in found.pending] == [("redis", False, "is being built")]
    assert found.again is None


def unwatched(why: str) -> dict[str, object]:
    """The files of an app that Tilt was to watch, and could not."""
    error = f'filewatch init: notify.Add("/home/ada/shop"): {why}'
    metadata = {"name": "image:shop_web", "annotations": {"tilt.dev/resource": "web"}}
    return {"kind": "FileWatch", "metadata": metadata, "status": {"error": error}}


@pytest.mark.requirement("LC-Q29")
@pytest.mark.usefixtures("started_anew")
def test_a_tilt_that_met_a_folder_as_it_went_is_started_again_so_that_it_watches_the_files(
    tmp_path: Path, processes: set[int]
) -> None:
    """It never looks again by itself: no saved change would arrive, and nothing would say so."""
    gone = unwatched("open /home/ada/shop/build/1: no such file or directory")
    here = life(tmp_path, resource("(Tiltfile)"), resource("web"), gone, running=False, text=WEB)
    processes.clear()
    here.ensure()
    for _ in range(2):
        found = here.check()
        assert [(each.name, each.says) for each in found.pending] == [("the dev loop", "is starting")]
        assert found.again is not None
        found.again()
    assert here.check() == here.check() == Updates()  # something makes and removes folders all the time
    said = told(here.workspace.machine)
    assert sum("started again" in line and "build/1: no such file" in line for line in said) == 2
    assert sum("warn: the dev loop does not watch the files of web" in line for line in said) == 1


@pytest.mark.requirement("LC-Q29")
@pytest.mark.usefixtures("processes")
def test_a_machine_that_lets_no_more_files_be_watched_is_told_of(tmp_path: Path) -> None:
    why = 'watcher.Add("/home/ada/shop/src"): no space left on device'
    here = life(tmp_path, resource("(Tiltfile)"), resource("web"), unwatched(why), text=WEB)
    found = here.check()
    assert found.again is not None  # one that ran before: the limits may be higher now
    here.started = 1.0
    assert here.check() == Updates()
    [warning] = [line for line in told(here.workspace.machine) if line.startswith("warn")]
    assert "web" in warning
    assert "fs.inotify" in warning
    assert "`kilter doctor`" in warning


@pytest.mark.usefixtures("processes")
def test_a_tilt_that_hangs_comes_with_what_mends_it(tmp_path: Path) -> None:
    here = life(tmp_path)
    runner = here.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    runner.answers = {here.commands.resources().argv: Outcome(1, "", "context deadline exceeded")}
    here.ensure()
    with pytest.raises(Failed) as caught:
        here.check()
    assert "`kilter down`" in caught.value.hint


@pytest.mark.requirement("LC-Q6")
def test_a_tilt_that_died_is_noticed(tmp_path: Path, processes: set[int]) -> None:
    dead = life(tmp_path)
    processes.clear()
    assert tilt.running(dead.workspace) is None
    with pytest.raises(NotReady, match="Tilt ended unexpectedly") as caught:
        dead.check()
    assert caught.value.hint == "run `kilter up` to start it again"


def test_a_reused_process_number_is_not_our_tilt(tmp_path: Path, processes: set[int]) -> None:
    here = life(tmp_path)
    paths, port = here.workspace.machine.paths, here.workspace.allocation.tilt_port
    record.write(paths, "shop", TiltRecord(4242, "another start", port, "/"))
    assert tilt.running(here.workspace) is None
    assert processes == {4242}


@pytest.mark.requirement("LC-Q7", "CT-10")
@pytest.mark.usefixtures("processes")
def test_a_running_tilt_is_kept_and_told_of_changed_files_only(tmp_path: Path) -> None:
    here = life(tmp_path)
    runner = here.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    assert here.ensure() == "was already running"
    assert runner.commands == []
    rendered.write(here.workspace.cache, {"Tiltfile": "# changed\n"})
    assert here.ensure() == "took the changed files over"
    assert here.ensure() == "was already running"
    assert [command.argv for command in runner.commands] == [here.commands.trigger(TILTFILE).argv]


@pytest.mark.requirement("LC-Q7", "LC-Q22")
@pytest.mark.usefixtures("processes")
def test_what_tilt_could_not_be_told_it_is_told_next_time(tmp_path: Path) -> None:
    """The next `up` finds the tree as it should be, and nothing changed."""
    here = life(tmp_path)
    runner, trigger = here.workspace.machine.runner, here.commands.trigger(TILTFILE).argv
    assert isinstance(runner, FakeRunner)
    runner.answers = {**runner.answers, trigger: [Outcome(1, "", "Error: context deadline exceeded"), ""]}
    rendered.write(here.workspace.cache, {"Tiltfile": "# changed\n"})
    with pytest.raises(Failed):
        here.ensure()
    assert here.ensure() == "took the changed files over"
    assert here.ensure() == "was already running"


def test_a_tilt_is_started_on_its_own_port_and_recorded(
    tmp_path: Path, processes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = life(tmp_path, running=False)
    answers = [False, False, True]
    monkeypatch.setattr(tilt, "_listens", lambda _port: answers.pop(0))
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    assert here.ensure() == f"started, http://localhost:{here.workspace.allocation.tilt_port}"
    runner = here.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    [started] = runner.commands
    assert started.cwd == here.commands.home
    assert started.env["KUBECONFIG"] == str(here.workspace.kubeconfig)
    kept = record.read(here.workspace.machine.paths, "shop")
    assert kept is not None
    assert (kept.pid, kept.port) == (4242, here.workspace.allocation.tilt_port)
    assert processes == {4242}


@pytest.mark.usefixtures("listening", "processes")
def test_a_tilt_is_started_where_there_is_a_folder_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, seen = life(tmp_path, running=False), list[bool]()
    start = FakeRunner.start

    def looking(self: FakeRunner, command: Command, log: Path) -> Started:
        seen.append(command.cwd is not None and command.cwd.is_dir())
        return start(self, command, log)

    monkeypatch.setattr(FakeRunner, "start", looking)
    assert not here.commands.home.exists()
    here.ensure()
    assert seen == [True]


def test_a_tilt_that_cannot_be_recorded_is_ended(
    tmp_path: Path, processes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or Ctrl-C: nobody else would ever end it."""
    here = life(tmp_path, running=False)

    def full(*_: object) -> None:
        raise MachineLacks("the disk is full")

    monkeypatch.setattr(tilt, "_listens", lambda _port: False)
    monkeypatch.setattr(record, "write", full)
    with pytest.raises(MachineLacks, match="disk is full"):
        here.ensure()
    assert processes == set()


def test_a_program_that_the_system_does_not_name_is_left_alone(tmp_path: Path) -> None:
    assert tilt_process.end_orphan(0, tmp_path) is False


@pytest.mark.requirement("NS-Q16")
@pytest.mark.usefixtures("processes")
def test_a_port_that_another_program_has_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = life(tmp_path, running=False)
    monkeypatch.setattr(tilt, "_listens", lambda _port: True)
    with pytest.raises(MachineLacks, match=r"port [0-9]+ is held by") as caught:
        here.ensure()
    assert caught.value.hint == "end the program and run `kilter up` again"
    assert here.workspace.machine.runner.commands == []  # type: ignore[attr-defined]


@pytest.mark.requirement("LC-Q22")
@pytest.mark.usefixtures("processes")
def test_a_tilt_that_a_killed_kilter_left_makes_room_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, homes = life(tmp_path, running=False), list[Path]()

    def end(_: int, home: Path) -> bool:
        homes.append(home)
        return True

    monkeypatch.setattr(tilt, "_listens", lambda _port: True)
    monkeypatch.setattr(tilt, "end_orphan", end)
    assert here.ensure().startswith("started, ")
    assert homes == [here.workspace.machine.paths.tilt_home("shop")]
    assert "note: ended a Tilt of shop that a killed `kilter up` left" in told(here.workspace.machine)


@pytest.mark.usefixtures("processes")
def test_a_tilt_that_lives_and_never_listens_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = life(tmp_path, running=False)
    monkeypatch.setattr(tilt, "_listens", lambda _port: False)
    monkeypatch.setattr(tilt, "START_LIMIT", -1.0)
    with pytest.raises(NotReady, match="Tilt did not start") as caught:
        here.ensure()
    assert caught.value.hint == f"its whole log: {here.workspace.machine.paths.tilt_log('shop')}"


def test_a_tilt_that_ends_at_once_shows_its_log(
    tmp_path: Path, processes: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = life(tmp_path, running=False)
    processes.clear()
    monkeypatch.setattr(tilt, "_listens", lambda _port: False)
    monkeypatch.setattr(tilt, "log_tail", lambda _workspace: ["Error: no such file"])
    with pytest.raises(NotReady, match="Tilt did not start") as caught:
        here.ensure()
    assert caught.value.details == ("Error: no such file",)


@pytest.mark.requirement("LC-9", "LC-Q7")
def test_ending_tilt_ends_exactly_it_and_twice_is_fine(tmp_path: Path, processes: set[int]) -> None:
    here = life(tmp_path)
    processes.add(17)
    paths = here.workspace.machine.paths
    assert tilt_process.end(paths, "shop") is True
    assert processes == {17}
    assert tilt_process.end(paths, "shop") is False
    assert record.read(paths, "shop") is None


def test_a_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert tilt.log_tail(workspace(tmp_path)) == []


def test_of_a_large_log_no_more_than_the_end_is_read(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    log = opened.machine.paths.tilt_log("shop")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{number} {'é' * 500}\n" for number in range(1000)))
    shown = tilt.log_tail(opened, 10_000)
    assert sum(len(line.encode()) + 1 for line in shown) <= tilt.LOG_TAIL
    assert [line.split()[0] for line in shown] == [str(number) for number in range(1000 - len(shown), 1000)]
    assert [line.split()[0] for line in tilt.log_tail(opened, 2)] == ["998", "999"]


@pytest.mark.usefixtures("processes")
def test_the_log_of_a_tilt_that_runs_for_long_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tilt goes on behind what is there: `SubprocessRunner.start` opens it to be appended to."""
    here = life(tmp_path)
    log = here.workspace.machine.paths.tilt_log("shop")
    monkeypatch.setattr(tilt, "LOG_LIMIT", 100)
    with log.open("ab", buffering=0) as stream:
        stream.write(b"x" * 100)
        here.ensure()
        assert log.stat().st_size == 100
        stream.write(b"x")
        here.ensure()
        stream.write(b"later")
    assert log.read_bytes() == b"later"
