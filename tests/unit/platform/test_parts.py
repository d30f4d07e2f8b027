"""The programs of a platform: when one is up, and what is said of one that does not come up."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from fakes import Answer, FakeRunner

from kilter.errors import NotReady
from kilter.platform import parts, target
from kilter.platform.target import Target
from kilter.proc import Outcome
from kilter.progress import RecordedStep, Recorder
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl(Path("/bin/kubectl"), Path("/k"), "c", target.NAMESPACE)
HERE = Target("cluster c", Helm("/bin/helm", Path("/k"), target.NAMESPACE, Path("/h")), KUBECTL)


def telling(kinds: str, *items: dict[str, object]) -> FakeRunner:
    """Return a runner that has these objects of these kinds."""
    asked = KUBECTL.get(kinds, selector=parts.OWN).argv
    return FakeRunner({asked: json.dumps({"kind": "List", "items": items})})


def deployment(name: str, ready: int, *, wanted: int = 1, updated: int = 1, seen: int = 2) -> dict[str, object]:
    return {
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": wanted, "template": {"spec": {"containers": [{"image": "x/y:1"}]}}},
        "status": {"readyReplicas": ready, "updatedReplicas": updated, "observedGeneration": seen},
    }


@pytest.mark.parametrize(
    ("item", "up"),
    [
        (deployment("a", 1), True),
        (deployment("a", 0), False),
        (deployment("a", 1, updated=0), False),
        (deployment("a", 1, seen=1), False),
        (deployment("a", 0, wanted=0), False),
    ],
)
def test_a_program_is_up_when_its_newest_pods_are_ready(item: dict[str, object], up: bool) -> None:
    (part,) = parts.parts(telling(parts.WORKLOADS, item), HERE)
    assert part.is_up is up


@pytest.mark.parametrize("which", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_cannot_start_is_named_with_its_reason(which: str) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image: x/y:1"}
    pod: dict[str, object] = {
        "kind": "Pod",
        "metadata": {"name": "kilter-registry-1"},
        "status": {which: [{"name": "collect", "state": {"waiting": waiting}}]},
    }
    runner = telling(f"{parts.WORKLOADS},pods", {"kind": "Deployment", **deployment("kilter-registry", 0)}, pod)
    with pytest.raises(NotReady, match="kilter-registry did not come up") as raised:
        parts.await_all(runner, HERE, time.monotonic() - 1, RecordedStep(Recorder(), ""))
    assert raised.value.details == ("kilter-registry-1: ImagePullBackOff: no such image: x/y:1",)


@pytest.mark.parametrize(("count", "said"), [(3, "p0, p1, p2"), (5, "p0, p1, p2 and 2 more")])
def test_what_is_waited_for_is_named_or_counted(count: int, said: str) -> None:
    programs = [{"kind": "Deployment", **deployment(f"p{number}", 0)} for number in range(count)]
    progress = Recorder()
    with pytest.raises(NotReady):
        parts.await_all(
            telling(f"{parts.WORKLOADS},pods", *programs), HERE, time.monotonic() - 1, RecordedStep(progress, "")
        )
    assert progress.lines[-1].endswith(f"0 of {count} run; waiting for {said}")


def test_what_cannot_start_is_given_up_after_a_minute_and_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = {"reason": "ErrImagePull", "message": "no such image"}
    pod = unready("server-1", containerStatuses=[{"name": "server", "state": {"waiting": waiting}}])
    runner = telling(f"{parts.WORKLOADS},pods", {"kind": "Deployment", **deployment("kilter-server", 0)}, pod)
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    with pytest.raises(NotReady):
        parts.await_all(runner, HERE, 9999.0, RecordedStep(Recorder(), ""))
    assert 1060 < now[0] < 1065


def unready(name: str, **status: object) -> dict[str, object]:
    return {"kind": "Pod", "metadata": {"name": name}, "status": status}


def causes(pod: dict[str, object], answers: Mapping[tuple[str, ...], Answer] | None = None) -> tuple[str, ...]:
    """Return what is told of a pod that is not ready when the time is over."""
    runner = telling(f"{parts.WORKLOADS},pods", {"kind": "Deployment", **deployment("kilter-server", 0)}, pod)
    runner = FakeRunner({**runner.answers, **(answers or {})})
    with pytest.raises(NotReady) as raised:
        parts.await_all(runner, HERE, time.monotonic() - 1, RecordedStep(Recorder(), ""))
    return raised.value.details


def test_a_pod_that_no_node_takes_says_why() -> None:
    message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims"
    pending = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    assert causes(unready("postgres-0", conditions=[pending])) == (f"postgres-0: Unschedulable: {message}",)


LOG = KUBECTL.logs("server-1", container="server", flags=("--previous", "--tail=5")).argv


@pytest.mark.parametrize(
    ("log", "told"),
    [("starting\nwrong  password\n", ("    starting", "    wrong password")), (Outcome(1, "", "no log"), ())],
)
def test_a_program_that_crashes_is_told_with_its_last_words(log: str | Outcome, told: tuple[str, ...]) -> None:
    crashed = {"name": "server", "state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 3}}}
    said = causes(unready("server-1", containerStatuses=[crashed]), {LOG: log})
    assert said == ("server-1: server ended with exit code 3", *told)


def test_a_pod_whose_secret_is_not_there_says_so_by_the_newest_warning() -> None:
    def event(pod: str, message: str, at: str, kind: str = "Warning") -> dict[str, object]:
        about: dict[str, object] = {
            "kind": "Event",
            "involvedObject": {"name": pod},
            "type": kind,
            "reason": "FailedMount",
        }
        return about | {"message": message, "lastTimestamp": at}

    events = [
        event("server-1", 'secret "postgress" not found', "2026-11-23T02:00:09Z"),
        event("server-1", "timed out", "2026-11-23T02:00:01Z"),
        event("server-1", "pulled", "2026-11-23T02:00:10Z", "Normal"),
        event("other-1", "elsewhere", "2026-11-23T02:00:11Z"),
    ]
    answer = {KUBECTL.get("events").argv: json.dumps({"kind": "List", "items": events})}
    assert causes(unready("server-1"), answer) == ('server-1: FailedMount: secret "postgress" not found',)


def test_a_pod_that_is_ready_is_no_cause() -> None:
    assert causes(unready("registry-1", conditions=[{"type": "Ready", "status": "True"}])) == ()
