"""`kilter logs --follow`: what goes on when a pod is replaced, a container started anew, a connection lost."""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes import Answer, FakeRunner
from unit.dev.support import machine, told

from kilter.dev import following, logs
from kilter.dev.following import comparable
from kilter.dev.logs import LogOptions
from kilter.dev.readers import Ended, Line, Readers
from kilter.errors import Failed, NotReady
from kilter.proc import Command, Outcome
from kilter.project.load import load
from kilter.render.manifests import SERVICE
from kilter.tools.kubectl import Kubectl

COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")
LIST = COMMANDS.get("pods").argv
LOOKS = 12


def pod(name: str, pod: str, **containers: str) -> dict[str, Any]:
    """A pod of a service; of each container its state and its id, such as `running 1`."""
    statuses = []
    for container, state in containers.items():
        kind, _, id_ = state.partition(" ")
        body = {} if kind == "waiting" else {"containerID": id_}
        crashed = {"lastState": {"terminated": {"containerID": id_}}} if kind == "waiting" and id_ else {}
        statuses.append({"name": container, "state": {kind: body}, "containerID": id_, **crashed})
    metadata = {"name": pod, "labels": {SERVICE: name}}
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": statuses}}


def read(pod: str, *flags: str, container: str = "redis") -> tuple[str, ...]:
    return COMMANDS.logs(pod, container=container, flags=["--timestamps", *flags], follow=True).argv


def since(second: int) -> str:
    return f"--since-time={at(second)}"


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000000000Z"


def printed(*lines: tuple[int, str]) -> str:
    """Return what kubectl prints of lines, each with the second at which it was printed."""
    return "".join(f"{at(second)} {line}\n" for second, line in lines)


def listed(*looks: Sequence[dict[str, Any]] | Outcome) -> list[str | Outcome]:
    """Return kubectl's answers of these pods."""
    return [each if isinstance(each, Outcome) else json.dumps({"kind": "List", "items": list(each)}) for each in looks]


@dataclass
class Cluster(FakeRunner):
    """Answers the looks in turn, the last answer again and again, until the user presses Ctrl-C."""

    looks: list[str | Outcome] = field(default_factory=list)
    looked: int = 0
    limit: int = LOOKS
    endless: tuple[str, ...] = ()
    over: threading.Event = field(default_factory=threading.Event)

    def run(self, command: Command) -> Outcome:
        if command.argv == LIST:
            self.looked += 1
            if self.looked > self.limit:
                raise KeyboardInterrupt
            self.answers = {**self.answers, LIST: self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]}
        return super().run(command)

    def stream(self, command: Command) -> Iterator[str]:
        yield from super().stream(command)
        if command.argv == self.endless:
            self.over.wait(20)

    def end_running(self) -> None:
        self.over.set()


@dataclass
class Scene:
    """What a user of `logs --follow` sees."""

    folder: Path
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    moments: int = 0  # without a line
    runner: Cluster = field(default_factory=Cluster)
    now: list[float] = field(default_factory=lambda: [0.0])

    def play(
        self,
        looks: Sequence[Sequence[dict[str, Any]] | Outcome],
        logged: Mapping[tuple[str, ...], Answer],
        names: tuple[str, ...] = ("redis",),
        **options: Any,
    ) -> None:
        """Follow until Ctrl-C, which comes when the last look was answered a few times."""
        self.runner = Cluster(logged, looks=listed(*looks))
        here = machine(self.folder, self.runner)
        project = load(self.folder / "kilter.yaml")
        try:
            for line in logs.logs(here, project, names, LogOptions(follow=True, **options)):
                self.moments += line is None
                self.out += [] if line is None else [line]
        except KeyboardInterrupt:
            pass
        finally:
            self.err += told(here)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two services."""
    for module in (following, logs):
        monkeypatch.setattr(module, "kubectl", lambda _workspace: COMMANDS)
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: , postgres: }\n")
    return tmp_path


@pytest.fixture
def scene(project: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """That project, and a clock that moves when nothing is being read."""
    played, take = Scene(project), Readers.take

    def taken(readers: Readers, timeout: float | None = None) -> Line | Ended | None:
        if readers.running:
            return take(readers, 20)
        played.now[0] += timeout or 0.0
        return None

    monkeypatch.setattr(following, "time", SimpleNamespace(monotonic=lambda: played.now[0]))
    monkeypatch.setattr(following, "PAUSE", 0.0)
    monkeypatch.setattr(Readers, "take", taken)
    return played


def test_who_reads_is_looked_after_every_second_in_which_nothing_is_printed(scene: Scene) -> None:
    """`kilter logs -f | head -1` would end at the next line, which may come in the morning."""
    scene.play([[pod("redis", "redis-0", redis="terminated 1")]], {read("redis-0"): printed((1, "one"))})
    assert scene.out == ["one"]
    assert scene.moments >= scene.now[0] - 1 > 10


@pytest.mark.requirement("LC-Q30")
def test_a_new_pod_is_followed_in_the_old_ones_place_and_told_of(scene: Scene) -> None:
    old, new = pod("redis", "redis-a", redis="running 1"), pod("redis", "redis-b", redis="terminated 2")
    scene.play([[old], [new]], {read("redis-a"): printed((1, "old")), read("redis-b"): printed((2, "new"))})
    assert scene.out == ["old", "new"]
    assert "note: redis: following its new pod redis-b" in scene.err


@pytest.mark.requirement("LC-Q30")
def test_a_new_pod_is_followed_beside_the_old_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a rebuild: the old one goes only when the new one is ready, which may never be."""
    monkeypatch.setattr(following, "LOOK_EVERY", 0.01)
    old, new = pod("redis", "redis-a", redis="running 1"), pod("redis", "redis-b", redis="running 2")
    logged = {read("redis-a"): printed((1, "old")), read("redis-b"): printed((2, "new"))}
    runner = Cluster(logged, looks=listed([old], [old, new]), endless=read("redis-a"), limit=1000)
    lines = logs.logs(machine(project, runner), load(project / "kilter.yaml"), ("redis",), LogOptions(follow=True))
    heard = (line for line in lines if line is not None)
    assert [next(heard), next(heard)] == ["old", "new"]
    lines.close()
    assert runner.over.is_set()


@pytest.mark.requirement("LC-Q30")
@pytest.mark.parametrize("state", ["terminated 1", "waiting 1"])
def test_a_container_that_was_started_again_goes_on_without_its_old_lines(state: str, scene: Scene) -> None:
    first, between, second = ([pod("redis", "redis-0", redis=each)] for each in ("running 1", state, "running 2"))
    ended = [pod("redis", "redis-0", redis="terminated 2")]
    logged = {
        read("redis-0", "--tail=5"): printed((1, "one"), (2, "two")),
        read("redis-0", since(2)): printed((2, "two"), (3, "three")),
    }
    scene.play([first, between, between, second, ended], logged, tail=5)
    assert scene.out == ["one", "two", "three"]
    assert "note: redis does not run; its log goes on when it does" in scene.err
    assert "note: redis: redis-0 was started again" in scene.err


@pytest.mark.requirement("LC-Q30")
def test_no_line_comes_twice_where_the_connection_was_lost(scene: Scene) -> None:
    """The API server knows seconds alone: the last lines come once more."""
    running, ended = ([pod("redis", "redis-0", redis=each)] for each in ("running 1", "terminated 1"))
    logged: dict[tuple[str, ...], str | Outcome | list[str | Outcome]] = {
        read("redis-0"): f"{at(1)} one\n2026-01-01T00:00:01.5Z two\n",
        read("redis-0", "--since-time=2026-01-01T00:00:01.500000000Z"): (
            f"{at(1)} one\n2026-01-01T00:00:01.5Z two\n2026-01-01T00:00:01.51Z \nover\rwritten\n"
        ),
    }
    scene.play([running, running, ended], logged)
    assert scene.out == ["one", "two", "", "over", "written"]
    assert [line for line in scene.err if "following" in line or "again" in line] == []


def test_who_has_no_pod_yet_is_waited_for(scene: Scene) -> None:
    starting, ready = ([pod("redis", "redis-0", redis=each)] for each in ("waiting", "terminated 1"))
    scene.play([[], starting, ready], {read("redis-0"): printed((1, "ready"))})
    assert scene.out == ["ready"]
    assert scene.err == [
        "note: redis does not run; its log goes on when it does",
        "note: redis: following its new pod redis-0",
        "note: redis does not run; its log goes on when it does",
    ]


@pytest.mark.parametrize("state", ["terminated 1", "waiting 1"])
def test_what_has_ended_before_is_read_once(state: str, scene: Scene) -> None:
    """The last run of a process with a schedule, or a container between two crashes."""
    scene.play(
        [[pod("redis", "redis-0", redis=state)]], {read("redis-0", "--since=60s"): printed((1, "bye"))}, since=60.0
    )
    assert scene.out == ["bye"]


def test_the_lines_that_nobody_asked_for_do_not_come_later(scene: Scene) -> None:
    """With `--tail 0` nothing was printed, so that nothing says where the log goes on."""
    running, ended = ([pod("redis", "redis-0", redis=each)] for each in ("running 1", "terminated 1"))
    scene.play([running, running, ended], {read("redis-0", "--tail=0"): ""}, tail=0)
    assert [command.argv for command in scene.runner.commands if command.argv != LIST] == [
        read("redis-0", "--tail=0")
    ] * 2


def test_each_container_of_each_pod_is_followed_under_its_services_name(scene: Scene) -> None:
    pods = [
        pod("redis", "redis-0", redis="terminated 1", metrics="terminated 2"),
        pod("postgres", "postgres-0", postgres="terminated 3"),
        pod("stranger", "stranger-0", stranger="terminated 4"),
    ]
    logged = {
        read("redis-0"): printed((1, "ready")),
        read("redis-0", container="metrics"): printed((1, "counting")),
        read("postgres-0", container="postgres"): printed((1, "listening")),
    }
    scene.play([pods], logged, names=())
    assert sorted(scene.out) == ["postgres | listening", "redis    | counting", "redis    | ready"]


def test_words_of_the_node_are_no_lines_of_the_log(scene: Scene) -> None:
    scene.play([[pod("redis", "redis-0", redis="terminated 1")]], {read("redis-0"): "unable \x1b[2J to read\n"})
    assert scene.out == []
    assert "warn: redis: unable \\x1b[2J to read" in scene.err


def test_a_log_that_cannot_be_read_is_told(scene: Scene) -> None:
    scene.play([[pod("redis", "redis-0", redis="terminated 1")]], {read("redis-0"): Outcome(1, "", "not found")})
    [warning] = [line for line in scene.err if line.startswith("warn")]
    assert "not found" in warning


@pytest.mark.parametrize("answer", [Outcome(1, "", "forbidden"), "unable to read\n"])
def test_a_log_that_cannot_be_read_again_and_again_is_told_once_and_seldom_tried(
    answer: Outcome | str, scene: Scene
) -> None:
    scene.play([[pod("redis", "redis-0", redis="running 1")]], {read("redis-0"): answer})
    assert len([line for line in scene.err if line.startswith("warn")]) == 1
    assert len([each for each in scene.runner.commands if each.argv == read("redis-0")]) == LOOKS
    assert scene.now[0] == LOOKS * following.LOOK_EVERY


def test_a_log_that_cannot_be_read_once_more_after_its_lines_is_told_again(scene: Scene) -> None:
    lost = Outcome(1, "", "forbidden")
    scene.play(
        [[pod("redis", "redis-0", redis="running 1")]],
        {read("redis-0"): [lost, printed((1, "one")), lost], read("redis-0", since(1)): lost},
    )
    assert scene.out == ["one"]
    assert len([line for line in scene.err if line.startswith("warn")]) == 2


def test_a_cluster_that_does_not_answer_for_a_moment_is_asked_again(scene: Scene) -> None:
    lost, ready = Outcome(1, "", "connection refused"), [pod("redis", "redis-0", redis="terminated 1")]
    scene.play([[], lost, lost, ready], {read("redis-0"): printed((1, "ready"))})
    assert scene.out == ["ready"]
    assert len([line for line in scene.err if line.startswith("warn: the cluster does not answer")]) == 1


def test_a_cluster_that_was_stopped_ends_the_command(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(_workspace: object) -> Kubectl:
        raise NotReady("the cluster of shop does not run")

    monkeypatch.setattr(following, "kubectl", stopped)
    with pytest.raises(NotReady):
        scene.play([[], Outcome(1, "", "connection refused")], {})


def test_a_first_look_that_fails_is_an_error(scene: Scene) -> None:
    with pytest.raises(Failed, match="get pods"):
        scene.play([Outcome(1, "", "forbidden")], {})


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        ("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.000000000Z"),
        ("2026-01-01T00:00:01.25Z", "2026-01-01T00:00:01.250000000Z"),
        ("2026-01-01T00:00:01.123456789+02:00", "2026-01-01T00:00:01.123456789+02:00"),
        ("2026-01-01", ""),
        ("2026-01-01T00:00:01", ""),
        ("error:", ""),
        ("", ""),
    ],
)
def test_times_compare_as_texts(stamp: str, text: str) -> None:
    assert comparable(stamp) == text
