"""Waiting until everything answers, or saying why it never will."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from msgspec.structs import replace
from unit.dev import support
from unit.dev.support import workspace

from kilter.dev import ready
from kilter.dev.conditions import Condition
from kilter.dev.probes import Answer
from kilter.dev.ready import BUILD_EVERY, LOOK_EVERY, PAUSE, WATCHED, Endpoint, Wait, endpoints
from kilter.dev.updates import Updates
from kilter.errors import BuildFailed, KilterError, NotReady, TimedOut
from kilter.proc import Outcome
from kilter.progress import RecordedStep, Recorder
from kilter.render.manifests import RENDERED, SERVICE
from kilter.render.tree import Workload
from kilter.tools.kubectl import Kubectl
from kilter.values import Credentials

COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")
LOOK, EVENTS = COMMANDS.get(WATCHED).argv, COMMANDS.get("events").argv
REDIS = Workload("redis", "StatefulSet", "redis", "hash")
YES, NO = Answer(True, "fine"), Answer(False, "refused")


def objects(*, ready_replicas: int = 1, waiting: str = "", restarts: int = 0, ended: str = "") -> str:
    """What the cluster says of redis: ready, or a pod that waits for the named reason, and when it `ended` last."""
    workload: dict[str, Any] = {
        "kind": "StatefulSet",
        "metadata": {"name": "redis", "generation": 1, "annotations": {RENDERED: "hash"}},
        "spec": {"replicas": 1},
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "updatedReplicas": ready_replicas,
            "readyReplicas": ready_replicas,
        },
    }
    state = {"waiting": {"reason": waiting}} if waiting else {"running": {}}
    container: dict[str, Any] = {
        "state": state,
        "ready": bool(ready_replicas),
        "restartCount": restarts,
        "lastState": {"terminated": {"exitCode": 1}},
    }
    container["lastState"]["terminated"] |= {"finishedAt": ended} if ended else {}
    pod: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {"name": "redis-0", "labels": {SERVICE: "redis"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"containerStatuses": [container]},
    }
    pod["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "redis", "controller": True}] if ended else []
    return json.dumps({"kind": "List", "items": [workload, pod]})


def logs(*flags: str) -> tuple[str, ...]:
    return COMMANDS.logs("redis-0", flags=(f"--tail={ready.LOG_LINES_SHOWN}", *flags)).argv


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that only `sleep` moves."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """What the address on localhost says at each look; the last answer stays."""
    given = [YES]

    def probe(_kind: str, _port: int, _login: Credentials | None) -> Answer:
        return given.pop(0) if len(given) > 1 else given[0]

    monkeypatch.setattr(ready, "probe", probe)
    return given


class Repeating(FakeRunner):
    """A fake that repeats the last of a list of answers for ever."""

    def _answer(self, command: Any) -> Outcome:
        listed = self.answers.get(command.argv)
        if isinstance(listed, list) and len(listed) == 1:
            return listed[0] if isinstance(listed[0], Outcome) else Outcome(0, listed[0])
        return super()._answer(command)


def asking(check: Callable[[], Updates]) -> Callable[[], Future[Updates]]:
    """Ask at once what is to be asked beside a look."""

    def ask() -> Future[Updates]:
        told: Future[Updates] = Future()
        try:
            told.set_result(check())
        except KilterError as error:
            told.set_exception(error)
        return told

    return ask


class Told:
    """A Tilt that answers this in turn, the last for ever; it knows how often it was asked."""

    def __init__(self, *answers: Updates) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self) -> Updates:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


BUILDING = Updates((Condition("redis", False, "is being built"),))


Waiting = Callable[..., tuple[Wait, RecordedStep]]


@pytest.fixture
def waiting(tmp_path: Path, clock: list[float], answering: list[Answer]) -> Waiting:
    """Build a wait of 60 seconds over what the cluster answers in turn."""
    del clock, answering

    def build(
        *looks: str | Outcome, check: Callable[[], Updates] | None = None, **more: Any
    ) -> tuple[Wait, RecordedStep]:
        answers: Any = {LOOK: list(looks), **{tuple(key): text for key, text in more.get("logs", {}).items()}}
        opened = workspace(tmp_path, Repeating(answers))
        return Wait(opened, COMMANDS, [REDIS], 60.0, check and asking(check)), RecordedStep(Recorder(), "wait")

    return build


@pytest.mark.requirement("LC-Q16")
def test_ready_means_that_the_cluster_says_so_and_the_address_answers(
    waiting: Waiting, answering: list[Answer], clock: list[float]
) -> None:
    answering[:] = [NO, YES, NO, YES]
    wait, step = waiting(objects(ready_replicas=0), objects())
    wait.run(step)
    assert clock[0] == 3 * PAUSE
    assert step.recorder.lines[0] == "wait: redis runs, but does not answer its readiness probe yet"
    assert "redis does not answer at localhost:" in step.recorder.lines[1]


def test_an_app_that_answers_with_a_servers_error_is_ready_and_told_of(
    waiting: Waiting, answering: list[Answer]
) -> None:
    answering[:] = [Answer(True, "answers 500", is_error=True)]
    wait, step = waiting(objects())
    wait.run(step)
    port = endpoints(wait.workspace.plan)[0].port
    warned = f"warn: redis answers 500 at localhost:{port}: `kilter logs redis` may tell why"
    assert support.told(wait.workspace.machine) == [warned]


def test_an_error_of_the_first_moment_alone_is_not_told_of(waiting: Waiting, answering: list[Answer]) -> None:
    answering[:] = [Answer(True, "answers 503", is_error=True), YES]
    wait, step = waiting(objects(ready_replicas=0), objects())
    wait.run(step)
    assert not [line for line in support.told(wait.workspace.machine) if line.startswith("warn")]


def test_the_cluster_is_asked_once_a_second_until_the_address_answers(
    waiting: Waiting, answering: list[Answer], clock: list[float]
) -> None:
    """Each look at the cluster is a process; asking an address is not."""
    answering[:] = [*[NO] * 10, YES]
    looks = [objects(ready_replicas=0)] * 3
    wait, step = waiting(*looks, objects())
    wait.run(step)
    assert clock[0] == 2 * LOOK_EVERY + 3 * PAUSE
    runner = wait.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    assert len(runner.commands) == 4


def test_an_address_that_has_answered_is_not_asked_while_the_cluster_is_awaited(
    waiting: Waiting, answering: list[Answer]
) -> None:
    answering[:] = [YES, NO, YES]
    wait, step = waiting(*[objects(ready_replicas=0)] * 4, objects())
    wait.run(step)
    assert "does not answer at" in step.recorder.lines[-1]


@pytest.mark.requirement("LC-Q16")
def test_what_will_never_be_ready_fails_at_once_with_its_last_log_lines(waiting: Waiting, clock: list[float]) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3)
    wait, step = waiting(broken, logs={logs("--previous"): "opening /data\nFatal error\n"})
    with pytest.raises(NotReady) as caught:
        wait.run(step)
    assert caught.value.what == "redis ended with exit code 1, 3 times in a row"
    assert caught.value.details == ("opening /data", "Fatal error")
    assert "kilter logs redis" in caught.value.hint
    assert clock[0] == 0.0


def test_of_a_stage_that_compose_would_mount_the_code_into_it_is_said_that_it_has_none(
    waiting: Waiting, tmp_path: Path
) -> None:
    wait, _ = waiting(objects())
    shop = Condition("shop", False, "ended", failure="shop ended with exit code 2, 3 times in a row")
    assert wait.failed(shop).hint.startswith("`kilter logs shop`")
    file = tmp_path / "shop" / "Dockerfile"
    file.write_text("FROM x AS dev\nCOPY list.txt /\nEXPOSE 80\nFROM x\nCOPY . .\n")
    wait.workspace = workspace(tmp_path)
    assert wait.failed(shop).hint.startswith(
        "the stage dev of Dockerfile does not copy `.`, as the last stage does, and nothing is mounted here: add that "
        "COPY; `kilter logs shop`"
    )
    file.write_text("FROM x AS dev\nCOPY . .\nEXPOSE 80\nFROM x\nCOPY . .\n")
    wait.workspace = workspace(tmp_path)
    assert wait.failed(shop).hint.startswith("`kilter logs shop`")


# What Node prints of an error that nobody catches: what is wrong stands above the calls.
TRACE = f"""/app/server.js:3
procezz.exit(3);
^

ReferenceError: procezz is not defined
{"".join(f"    at call{number} (node:internal/modules/cjs/loader:{number}:14)" + chr(10) for number in range(10))}
Node.js v22.23.3
"""


@pytest.mark.requirement("LC-Q16")
def test_the_log_lines_of_a_failure_hold_what_a_stack_trace_begins_with(waiting: Waiting) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3)
    wait, step = waiting(broken, logs={logs("--previous"): "started\n" * 40 + TRACE})
    with pytest.raises(NotReady) as caught:
        wait.run(step)
    assert "ReferenceError: procezz is not defined" in caught.value.details


LONG_AGO, TO_COME = "2026-01-01T00:00:10Z", "2999-01-01T00:00:00Z"
ANEW = COMMANDS.delete("pod", "redis-0", wait=False)


@pytest.mark.requirement("LC-Q16", "LC-33")
def test_what_had_failed_before_gets_a_new_pod(waiting: Waiting) -> None:
    """What it failed of, such as a full disk, may be mended; Kubernetes would try again after minutes."""
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3, ended=LONG_AGO)
    told = {ANEW.argv: "", logs("--previous"): "No space left\n"}
    wait, step = waiting(broken, objects(ready_replicas=0), objects(), logs=told)
    wait.run(step)
    runner, progress = wait.workspace.machine.runner, wait.workspace.machine.progress
    assert isinstance(runner, FakeRunner)
    assert isinstance(progress, Recorder)
    assert [command.argv for command in runner.commands].count(ANEW.argv) == 1
    said = "redis ended with exit code 1, 3 times in a row; that was before, and its pod redis-0 is made anew"
    assert progress.lines == [f"note: {said}", "note: No space left"]


def test_each_pod_of_before_gets_a_new_one_once_whatever_the_new_ones_are_called(waiting: Waiting) -> None:
    """The cluster's clock may go behind ours: what it says of a new pod is then of before, too."""
    first = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3, ended=LONG_AGO)
    told = {ANEW.argv: "", logs("--previous"): "Fatal error\n"}
    told |= {tuple(each.replace("redis-0", "redis-1") for each in argv): text for argv, text in told.items()}
    wait, step = waiting(first, first.replace("redis-0", "redis-1"), logs=told)
    with pytest.raises(NotReady, match="3 times in a row"):
        wait.run(step)
    runner = wait.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    assert [command.argv for command in runner.commands if "delete" in command.argv] == [ANEW.argv]


def test_an_api_server_that_is_away_for_a_moment_is_asked_again_for_a_new_pod(waiting: Waiting) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3, ended=LONG_AGO)
    told = {ANEW.argv: [Outcome(1, "", "connection refused"), ""], logs("--previous"): "Fatal error\n"}
    wait, step = waiting(broken, broken, objects(), logs=told)
    wait.run(step)


def test_what_fails_again_in_a_new_pod_has_failed(waiting: Waiting) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3, ended=LONG_AGO)
    wait, step = waiting(broken, broken, logs={ANEW.argv: "", logs("--previous"): "Fatal error\n"})
    with pytest.raises(NotReady, match="3 times in a row"):
        wait.run(step)


@pytest.mark.parametrize("ended", ["", TO_COME])
def test_what_fails_now_or_would_not_come_back_is_not_touched(waiting: Waiting, ended: str) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3, ended=ended)
    wait, step = waiting(broken, logs={logs("--previous"): "Fatal error\n"})
    with pytest.raises(NotReady, match="3 times in a row"):
        wait.run(step)


@pytest.mark.parametrize(
    "previous",
    [
        Outcome(1, "", "previous terminated container not found"),
        Outcome(0, "unable to retrieve container logs for containerd://bf0343de", ""),
    ],
)
def test_a_pod_without_a_log_of_a_previous_run_shows_its_only_one(waiting: Waiting, previous: Outcome) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3)
    given = {logs("--previous"): previous, logs(): "one\ntwo"}
    wait, step = waiting(broken, logs=given)
    with pytest.raises(NotReady) as caught:
        wait.run(step)
    assert caught.value.details == ("one", "two")


def test_logs_that_cannot_be_read_do_not_hide_the_failure(waiting: Waiting) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3)
    gone = Outcome(1, "", "not found")
    wait, step = waiting(broken, logs={logs("--previous"): gone, logs(): gone})
    with pytest.raises(NotReady, match="redis ended with exit code 1"):
        wait.run(step)


MOUNT = {
    "involvedObject": {"kind": "Pod", "name": "redis-0"},
    "metadata": {},
    "reason": "FailedMount",
    "message": "no such Secret",
}


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize(
    ("events", "said"),
    [
        (json.dumps({"kind": "List", "items": [MOUNT]}), ("last event: FailedMount: no such Secret",)),
        ("", ()),
        (Outcome(1, "", "connection refused"), ()),
    ],
)
def test_the_end_of_the_time_names_what_is_not_ready(
    events: str | Outcome, said: tuple[str, ...], waiting: Waiting, clock: list[float]
) -> None:
    told = {EVENTS: events, logs("--previous"): "", logs(): "loading\n"}
    wait, step = waiting(objects(ready_replicas=0), logs=told)
    with pytest.raises(TimedOut) as caught:
        wait.run(step)
    assert caught.value.what == "redis runs, but does not answer its readiness probe yet, and the time is up"
    assert caught.value.details == (*said, "loading")
    assert 60.0 < clock[0] < 60.0 + LOOK_EVERY + PAUSE


def test_an_api_server_that_does_not_answer_for_a_while_is_awaited(waiting: Waiting) -> None:
    wait, step = waiting(Outcome(1, "", "connection refused"), Outcome(1, "", "timeout"), objects())
    wait.run(step)
    assert step.recorder.lines[0].startswith("wait: the cluster does not answer (")


def test_a_loop_that_broke_ends_the_wait(waiting: Waiting, clock: list[float]) -> None:
    def broken() -> Updates:
        raise BuildFailed("web could not be built")

    wait, step = waiting(objects(ready_replicas=0), check=broken)
    with pytest.raises(BuildFailed):
        wait.run(step)
    assert clock[0] == 0.0


@pytest.mark.requirement("LC-Q16", "LC-Q7")
def test_what_answers_is_not_up_while_tilt_still_builds_the_newest_code(waiting: Waiting, clock: list[float]) -> None:
    """After `kilter down` and a `git pull`, the pods of the old code are all ready."""
    told = Told(BUILDING, BUILDING, Updates())
    wait, step = waiting(objects(), check=told)
    wait.run(step)
    assert step.recorder.lines == ["wait: redis is being built"] * 2
    assert (told.asked, clock[0]) == (3, 2 * BUILD_EVERY)


@pytest.mark.requirement("LC-Q16")
def test_a_build_that_fails_beside_pods_that_are_ready_is_no_success(waiting: Waiting) -> None:
    def failing() -> Updates:
        if told.asked:
            raise BuildFailed("web could not be built")
        return told()

    told = Told(BUILDING)
    wait, step = waiting(objects(), check=failing)
    with pytest.raises(BuildFailed):
        wait.run(step)


@pytest.mark.requirement("LC-Q7")
def test_a_tilt_with_nothing_to_do_is_asked_once_and_keeps_nobody_waiting(waiting: Waiting, clock: list[float]) -> None:
    told = Told(Updates(finished=datetime(2026, 1, 1, tzinfo=UTC)))
    wait, step = waiting(objects(), check=told)
    wait.run(step)
    runner = wait.workspace.machine.runner
    assert isinstance(runner, FakeRunner)
    assert (told.asked, clock[0], len(runner.commands)) == (1, 0.0, 1)


def test_a_build_that_ends_during_a_look_is_looked_at_again(waiting: Waiting) -> None:
    told = Told(Updates(finished=datetime(9999, 1, 1, tzinfo=UTC)))
    wait, step = waiting(objects(), objects(ready_replicas=0), objects(), check=told)
    wait.run(step)
    assert "does not answer its readiness probe" in step.recorder.lines[0]


@pytest.mark.requirement("LC-Q16")
def test_pods_of_the_code_before_fail_nothing_while_the_newest_is_built(waiting: Waiting) -> None:
    broken = objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=3)
    done = Updates(finished=datetime(9999, 1, 1, tzinfo=UTC))
    wait, step = waiting(broken, broken, objects(), check=Told(BUILDING, done))
    wait.run(step)
    assert step.recorder.lines[0] == "wait: redis is being built; so far redis ended with exit code 1, 3 times in a row"
    wait, step = waiting(broken, check=Told(Updates()), logs={logs("--previous"): "Fatal error\n"})
    with pytest.raises(NotReady, match="redis ended with exit code 1"):
        wait.run(step)


def test_the_primary_port_is_asked_in_its_protocol_and_the_others_are_only_opened(tmp_path: Path) -> None:
    plan = workspace(tmp_path).plan
    [service] = plan.services
    second = replace(service.primary, name="metrics", node_port=service.primary.node_port + 1)
    more = replace(plan, services=(replace(service, ports=(*service.ports, second)),))
    assert [(each.protocol, each.port) for each in endpoints(more)] == [
        ("redis", service.primary.node_port),
        ("tcp", service.primary.node_port + 1),
    ]
    assert isinstance(endpoints(more)[0], Endpoint)


def test_a_project_without_addresses_has_nothing_to_ask(tmp_path: Path) -> None:
    assert endpoints(workspace(tmp_path, text="name: shop\n").plan) == []
    assert ready.answers(workspace(tmp_path), []) == []


def test_nobody_waits_for_the_address_of_what_has_no_pods_all_the_time(tmp_path: Path) -> None:
    image = "components: {shop: {image: 'web:1', port: 80, primary: true}}\n"
    idle = "processes: {idle: {command: [x], port: 9001, replicas: 0}, busy: {command: [x], port: 9002}}\n"
    plan = workspace(tmp_path, text=f"name: shop\n{image}{idle}").plan
    assert [each.name for each in endpoints(plan)] == ["shop", "busy"]


@pytest.mark.requirement("LC-Q16")
def test_what_fails_while_its_mend_is_being_built_is_no_failure_yet(waiting: Waiting) -> None:
    """Tilt had nothing to do at first; then somebody saved a file."""
    told = Told(Updates(), BUILDING, Updates())
    second, third = (objects(ready_replicas=0, waiting="CrashLoopBackOff", restarts=times) for times in (2, 3))
    wait, step = waiting(second, third, objects(), check=told)
    wait.run(step)
    assert "redis is being built; so far redis ended with exit code 1, 3 times in a row" in step.recorder.lines[1]
