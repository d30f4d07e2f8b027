"""What pods print, on its way to a terminal."""

import json
from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import machine, told

from kilter.dev import logs as feature
from kilter.dev.logs import LONGEST, LogOptions, logs, shown
from kilter.dev.workspace import Workspace
from kilter.errors import BadInput
from kilter.proc import Outcome
from kilter.project.load import load
from kilter.render.manifests import SERVICE
from kilter.tools.kubectl import Kubectl


@pytest.mark.requirement("C15")
@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("plain", "plain"),
        ("tab\tstays", "tab\tstays"),
        ("größer ✓ 東京", "größer ✓ 東京"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x1b]8;;http://evil\x1b\\click", "\\x1b]8;;http://evil\\x1b\\click"),
        ("over\rwritten", "over\\rwritten"),
        ("back\x08space", "back\\x08space"),
        ("csi\x9b2J", "csi\\x9b2J"),
        ("right\u202eleft", "right\\u202eleft"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("nul\x00", "nul\\x00"),
        ("bad \ufffd utf-8", "bad \ufffd utf-8"),
        ("", ""),
    ],
)
def test_no_line_can_drive_the_terminal(line: str, text: str) -> None:
    assert shown(line) == text


@pytest.mark.requirement("C15")
def test_a_line_of_ten_megabytes_is_cut_and_says_so() -> None:
    text = shown("x" * 10_000_000)
    assert text == "x" * LONGEST + " … (10000000 characters)"


@pytest.mark.requirement("LC-Q30")
@pytest.mark.parametrize(
    ("options", "flags"),
    [
        (LogOptions(), []),
        (LogOptions(follow=True), []),
        (LogOptions(since=90.0), ["--since=90s"]),
        (LogOptions(since=0.5), ["--since=0.5s"]),
        (LogOptions(tail=0), ["--tail=0"]),
        (LogOptions(tail=20, previous=True), ["--tail=20", "--previous"]),
        pytest.param(
            LogOptions(since=4_000_000.0),
            ["--since=4000000s"],
        ),
    ],
)
def test_the_options_are_those_of_kubectl(options: LogOptions, flags: list[str]) -> None:
    assert options.flags() == flags


COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")


def pods(*names: str) -> str:
    items = [{"kind": "Pod", "metadata": {"name": f"{name}-0", "labels": {SERVICE: name}}} for name in names]
    return json.dumps({"kind": "List", "items": [*items, {"kind": "Pod", "metadata": {"name": "stranger"}}]})


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """A project with two services whose pods printed a little."""
    monkeypatch.setattr(feature, "kubectl", lambda _workspace: COMMANDS)
    root = tmp_path / "shop"
    root.mkdir()
    (root / "kilter.yaml").write_text("services: {redis: , postgres: }\n")
    return FakeRunner(
        {
            COMMANDS.get("pods").argv: pods("redis", "postgres"),
            COMMANDS.logs("redis-0").argv: "ready\n\x1b[2Jcleared\n",
            COMMANDS.logs("postgres-0").argv: "listening\n",
        }
    )


def test_the_lines_of_one_service_are_its_own(reading: FakeRunner, tmp_path: Path) -> None:
    project = load(tmp_path / "shop" / "kilter.yaml")
    assert list(logs(machine(tmp_path, reading), project, ("redis",), LogOptions())) == ["ready", "\\x1b[2Jcleared"]


@pytest.mark.requirement("LC-Q30")
def test_the_lines_of_several_services_have_their_names_in_front(reading: FakeRunner, tmp_path: Path) -> None:
    told = logs(machine(tmp_path, reading), load(tmp_path / "shop" / "kilter.yaml"), (), LogOptions())
    lines = [str(line) for line in told]
    assert sorted(lines) == ["postgres | listening", "redis    | \\x1b[2Jcleared", "redis    | ready"]


def test_a_pod_whose_log_cannot_be_read_does_not_hide_the_others(reading: FakeRunner, tmp_path: Path) -> None:
    assert isinstance(reading.answers, dict)
    reading.answers[COMMANDS.logs("redis-0").argv] = Outcome(1, "", "container is waiting to start")
    here = machine(tmp_path, reading)
    assert list(logs(here, load(tmp_path / "shop" / "kilter.yaml"), (), LogOptions())) == ["postgres | listening"]
    [warning] = told(here)
    assert warning.startswith("warn: ")
    assert "container is waiting to start" in warning


def test_an_unknown_service_is_refused_before_anything_is_asked(tmp_path: Path, reading: FakeRunner) -> None:
    with pytest.raises(BadInput, match="did you mean 'redis'"):
        list(logs(machine(tmp_path, reading), load(tmp_path / "shop" / "kilter.yaml"), ("redi",), LogOptions()))
    assert reading.commands == []


@pytest.mark.requirement("LC-32")
def test_a_project_whose_pods_are_not_there_yet_prints_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def commands(_workspace: Workspace) -> Kubectl:
        return COMMANDS

    monkeypatch.setattr(feature, "kubectl", commands)
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: , postgres: }\n")
    here = machine(tmp_path, FakeRunner({COMMANDS.get("pods").argv: pods()}))
    assert list(logs(here, load(tmp_path / "kilter.yaml"), (), LogOptions())) == []
    assert told(here) == ["note: there is no pod of redis, postgres"]


@pytest.mark.parametrize("follow", [False, True])
def test_where_there_is_nothing_to_show_it_says_so_and_ends(reading: FakeRunner, tmp_path: Path, follow: bool) -> None:
    (tmp_path / "shop" / "kilter.yaml").write_text("name: shop\n")
    here = machine(tmp_path, reading)
    assert list(logs(here, load(tmp_path / "shop" / "kilter.yaml"), (), LogOptions(follow=follow))) == []
    assert told(here) == ["note: shop has no services and no apps"]
    assert reading.commands == []


def test_who_reads_no_further_ends_what_reads(
    reading: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `head` has seen enough, or at Ctrl-C."""
    ended: list[bool] = []
    monkeypatch.setattr(FakeRunner, "end_running", lambda _: ended.append(True))
    project = load(tmp_path / "shop" / "kilter.yaml")
    assert list(logs(machine(tmp_path, reading), project, ("redis",), LogOptions())) != []
    assert ended == [], "there was nothing to end"
    lines = logs(machine(tmp_path, reading), project, ("redis",), LogOptions())
    next(lines)
    lines.close()
    assert ended == [True]


def test_what_was_before_a_restart_is_over_and_not_followed(reading: FakeRunner, tmp_path: Path) -> None:
    """An app waits for its services in containers that have never ended: of these there is nothing to read."""
    again, once = {"name": "redis", "lastState": {"terminated": {"exitCode": 1}}}, {"name": "postgres", "lastState": {}}
    status = {"initContainerStatuses": [once], "containerStatuses": [again]}
    pod = {"kind": "Pod", "metadata": {"name": "redis-0", "labels": {SERVICE: "redis"}}, "status": status}
    assert isinstance(reading.answers, dict)
    reading.answers[COMMANDS.get("pods").argv] = json.dumps({"kind": "List", "items": [pod]})
    reading.answers[COMMANDS.logs("redis-0", container="redis", flags=["--previous"]).argv] = "the end\n"
    project = load(tmp_path / "shop" / "kilter.yaml")
    options = LogOptions(follow=True, previous=True)
    assert list(logs(machine(tmp_path, reading), project, ("redis",), options)) == ["the end"]


def test_where_nothing_has_run_before_it_says_so(reading: FakeRunner, tmp_path: Path) -> None:
    here = machine(tmp_path, reading)
    project = load(tmp_path / "shop" / "kilter.yaml")
    assert list(logs(here, project, ("redis",), LogOptions(previous=True))) == []
    assert told(here) == ["note: no container of redis has run before"]
