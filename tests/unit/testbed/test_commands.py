"""The commands, on a home and a run folder of the test's own."""

import argparse
import os
import runpy
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed import cli, engine, machine, probe
from testbed.build import finished
from testbed.cli import COMMANDS, parser
from testbed.home import Home
from testbed.plan import Stage, keys_of
from testbed.running import RUNNING
from testbed.work import RECIPES, StageFailed, Work


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which nothing was ever made."""
    return Home(tmp_path / "cache", tmp_path / "run")


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """The testbeds that would have been ended."""
    works: list[Work] = []
    monkeypatch.setattr(engine, "stop_all", works.append)
    return works


@pytest.fixture(autouse=True)
def fit(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of a machine that can run the testbed."""
    asked: list[str] = []
    for name in ("check_system", "check_user", "check_engine", "check_alone"):
        monkeypatch.setattr(machine, name, lambda *_, name=name: asked.append(name))
    return asked


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The commands that `exec` would have become, with their variables."""
    commands: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(os, "execvpe", lambda _, words, variables: commands.append((words, variables)))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    return commands


def run(home: Home, *words: str) -> int:
    """One command as typed."""
    options: argparse.Namespace = parser().parse_args(words)
    return COMMANDS[options.name](home, options)


def standing(home: Home) -> None:
    """Let an engine of the testbed be there."""
    home.run.mkdir()
    home.socket.touch()


def test_down_leaves_a_machine_alone_on_which_nothing_was_started(
    home: Home, stopped: list[Work], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "down") == 0
    assert capsys.readouterr().err == "nothing of the testbed runs\n"
    assert stopped == []
    assert not home.root.exists()


def test_down_ends_what_was_started(home: Home, stopped: list[Work]) -> None:
    home.run.mkdir()
    assert run(home, "down") == 0
    assert [work.home for work in stopped] == [home]


def test_down_ends_what_was_started_from_another_home(home: Home, stopped: list[Work], tmp_path: Path) -> None:
    home.run.mkdir()
    (home.run / "home").write_text(str(tmp_path / "other"))
    assert run(home, "down") == 0
    assert [work.home for work in stopped] == [Home(tmp_path / "other", home.run)]
    assert not home.root.exists()


@contextmanager
def faster(home: Home) -> Iterator[None]:
    """A lock that is had only after another run has ended everything."""
    home.run.rmdir()
    yield


def test_down_leaves_alone_what_another_run_ended_meanwhile(
    home: Home, stopped: list[Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    home.run.mkdir()
    monkeypatch.setattr(cli, "locked", lambda _: faster(home))
    assert run(home, "down") == 0
    assert stopped == []


def test_a_second_testbed_names_the_first(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home.run.mkdir()
    (home.run / "home").write_text(str(tmp_path / "other"))
    monkeypatch.setattr(engine, "running", lambda _: {"dockerd": 1})
    with pytest.raises(StageFailed, match=f"a testbed runs from {tmp_path}/other; end it first: python3 testbed down"):
        engine.check_only_one(home)


def test_the_cache_is_removed_by_no_command() -> None:
    """Its folder may be any, and have a person's own files in it."""
    assert "clean" not in COMMANDS


def test_only_the_first_dashes_are_those_of_exec(home: Home, started: list[tuple[list[str], dict[str, str]]]) -> None:
    run(home, "exec", "--", "kubectl", "exec", "pod", "--", "ls", "--", "x")
    run(home, "exec", "kubectl", "exec", "pod", "--", "ls")
    assert [words for words, _ in started] == [
        ["kubectl", "exec", "pod", "--", "ls", "--", "x"],
        ["kubectl", "exec", "pod", "--", "ls"],
    ]


def test_exec_needs_a_command(home: Home, started: list[Any]) -> None:
    assert run(home, "exec", "--") == 2
    assert run(home, "exec") == 2
    assert started == []


def test_exec_and_env_go_by_whether_the_testbeds_engine_is_there(
    home: Home, started: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(probe, "docker_works", lambda _: pytest.fail("probed"))
    run(home, "exec", "true")
    assert run(home, "env") == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "the testbed does not run: there is nothing to set\n"
    standing(home)
    run(home, "exec", "true")
    run(home, "env")
    assert [variables.get("DOCKER_HOST") for _, variables in started] == [None, f"unix://{home.socket}"]
    assert f"export DOCKER_HOST=unix://{home.socket}\n" in capsys.readouterr().out


def test_what_belongs_to_another_engine_is_not_handed_on(
    home: Home, started: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    foreign = {"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "BUILDX_BUILDER"}
    for name in foreign:
        monkeypatch.setenv(name, "theirs")
    run(home, "exec", "true")
    standing(home)
    run(home, "exec", "true")
    run(home, "env")
    assert [foreign & set(variables) for _, variables in started] == [foreign, set()]
    first = capsys.readouterr().out.splitlines()[0]
    assert set(first.split()) == {"unset", *foreign}
    read: list[Mapping[str, str]] = []

    def answer(_: list[str], variables: Mapping[str, str], **__: Any) -> tuple[int, bytes]:
        read.append(variables)
        return 0, b""

    monkeypatch.setattr(RUNNING, "run", answer)
    home.logs.mkdir(parents=True)
    Work(home, "docker", {"PATH": "/bin", "DOCKER_CONTEXT": "theirs"}).read("env")
    assert read == [{"PATH": "/bin"}]


def test_the_home_that_is_handed_out_is_that_of_the_testbed_that_runs(
    home: Home, started: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    standing(home)
    (home.run / "home").write_text(str(tmp_path / "other"))
    for command in (["env"], ["status"], ["exec", "true"]):
        run(home, *command)
    said = capsys.readouterr().out
    assert f"export KILTER_TOOLS_MIRROR={tmp_path}/other/mirror\n" in said
    assert f"home     {tmp_path}/other\n" in said
    assert started[0][1]["KILTER_TOOLS_MIRROR"] == f"{tmp_path}/other/mirror"


def test_status_takes_for_made_what_up_would_take(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A toolchain whose Go was removed from the machine is a folder, and is made anew all the same."""
    go = Stage("go", "Go toolchain", lambda *_: None, sound=lambda artefact: (artefact / "go").exists())
    monkeypatch.setattr(cli, "STAGES", (go,))
    artefact = finished(home, go, keys_of(RECIPES, (go,))["go"])
    artefact.mkdir(parents=True)
    run(home, "status")
    (artefact / "go").touch()
    run(home, "status")
    told = [line.split()[3] for line in capsys.readouterr().out.splitlines() if line.startswith("stage")]
    assert told == ["missing", "made"]


@pytest.mark.parametrize(
    ("docker", "registry", "told"),
    [
        (False, True, "no Docker answers here"),
        (True, False, "https://registry.k8s.io/v2/ does not answer"),
        (True, True, ""),
    ],
)
def test_up_says_what_the_testbed_is_needed_for(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    docker: bool, registry: bool, told: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(probe, "docker_works", lambda _: docker)
    monkeypatch.setattr(probe, "registry_answers", lambda _: registry)
    monkeypatch.setattr(cli, "perform", lambda *_: None)
    assert run(home, "up") == 0
    said = capsys.readouterr().err
    assert (f"the testbed is needed: {told}\n" in said) == bool(told)
    assert (cli.NOT_NEEDED in said) == (not told)


def test_what_is_only_compiled_is_made_where_docker_works_too(
    home: Home, monkeypatch: pytest.MonkeyPatch, fit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    made: list[str] = []
    monkeypatch.setattr(probe, "docker_works", lambda _: pytest.fail("probed"))
    monkeypatch.setattr(cli, "perform", lambda _, stages, __: made.extend(stage.name for stage in stages))
    assert run(home, "up", "--only", "kubernetes") == 0
    assert made == ["go", "kubernetes"]
    assert fit == ["check_system"]
    assert capsys.readouterr().err == ""


def test_a_machine_is_asked_before_anything_is_made(
    home: Home, monkeypatch: pytest.MonkeyPatch, fit: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Home) -> None:
        raise machine.Unfit("it cannot")

    monkeypatch.setattr(probe, "docker_works", lambda _: False)
    monkeypatch.setattr(machine, "check_alone", refuse)
    monkeypatch.setattr(cli, "perform", lambda *_: pytest.fail("made something"))
    monkeypatch.setattr(Home, "from_environment", lambda _: home)
    assert cli.main(["up"]) == cli.CANNOT
    assert fit == ["check_system", "check_user", "check_engine"]
    assert capsys.readouterr().err.splitlines()[-1] == "testbed: it cannot"


def test_what_is_made_is_readable_to_all_whatever_the_umask(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def perform(*_: Any) -> None:
        (home.root / "made").touch()
        made.append((home.root / "made").stat().st_mode & 0o777)

    monkeypatch.setattr(probe, "docker_works", lambda _: False)
    monkeypatch.setattr(cli, "perform", perform)
    before = os.umask(0o077)
    try:
        assert run(home, "up") == 0
    finally:
        os.umask(before)
    assert made == [0o644]


def test_an_older_python_is_told_which_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, and here is 3\.9"):
        runpy.run_path(str(Path(cli.__file__).parent))


def test_a_full_disk_is_a_sentence(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fill(*_: Any) -> None:
        raise OSError(28, "No space left on device", "/cache/lock")

    monkeypatch.setattr(Home, "from_environment", lambda _: home)
    monkeypatch.setattr(cli, "selection", fill)
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == "testbed: No space left on device: /cache/lock\n"


def test_who_is_asked_to_end_ends_as_with_ctrl_c(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Home, "from_environment", lambda _: home)
    monkeypatch.setattr(cli, "selection", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(["up"]) == 1
    assert capsys.readouterr().err == "testbed: interrupted; run it again to go on from here\n"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_testbed_can_be_asked_for_all_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "docker_works", lambda _: pytest.fail("probed"))
    monkeypatch.setenv("KILTER_TESTBED", "force")
    assert probe.why_needed(home) == "KILTER_TESTBED=force says so"


def test_a_testbed_that_is_there_is_brought_up_to_date_without_a_probe(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`exec` uses it, so `up` may not say that the real images are used."""
    made: list[Home] = []
    standing(home)
    monkeypatch.setattr(probe, "docker_works", lambda _: pytest.fail("probed"))
    monkeypatch.setattr(cli, "perform", lambda home, *_: made.append(home))
    assert run(home, "up") == 0
    assert made == [home]
