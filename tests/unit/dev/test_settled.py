"""What counts as ready too early."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kilter.clusters.provider import Cluster, State
from kilter.dev.settled import AGAIN, FRESH, STEADY, USUAL, WHOLE, Steadiness, fresh_start, outdated
from kilter.render.manifests import SERVICE
from kilter.render.tree import Workload
from kilter.tools.docker import Container

WEB = Workload("web", "Deployment", "web", "hash")
START = datetime(2026, 1, 1, 12, 0, 0, 900_000, UTC)


def pod(started: datetime, *, probed: bool = False, container: str = "containerd://1", **metadata: Any) -> Any:
    spec: dict[str, Any] = {"name": "web"} | ({"readinessProbe": {}} if probed else {})
    running = {"running": {"startedAt": f"{started:%Y-%m-%dT%H:%M:%SZ}"}}
    return {
        "kind": "Pod",
        "metadata": {"name": "web-1", "labels": {SERVICE: "web"}, **metadata},
        "spec": {"containers": [spec]},
        "status": {"containerStatuses": [{"name": "web", "containerID": container, "state": running}]},
    }


def node(started_at: str) -> Cluster:
    return Cluster("shop", State.RUNNING, Container("id", "node", "image", "sha", "running", started_at))


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize(
    ("started", "said"),
    [
        (START - timedelta(seconds=5), ["is starting again with the cluster"]),
        (START, []),  # in the same second, of which Kubernetes tells no parts
        (START + timedelta(seconds=5), []),
    ],
)
def test_a_container_of_before_the_nodes_start_has_ended_whatever_is_said_of_it(
    started: datetime, said: list[str]
) -> None:
    assert [each.says for each in outdated([pod(started)], [WEB], START)] == said


def test_pods_of_others_pods_that_go_and_pods_that_wait_are_no_matter() -> None:
    old = START - timedelta(hours=1)
    others = pod(old, labels={SERVICE: "else"})
    waiting = pod(old)
    waiting["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    bare = {"kind": "Pod", "metadata": {"name": "x", "labels": {SERVICE: "web"}}}
    documents = [others, pod(old, deletionTimestamp="2026-01-01T12:00:00Z"), waiting, bare, {"kind": "Deployment"}]
    assert outdated(documents, [WEB], START) == []


@pytest.mark.parametrize(
    ("ago", "found"),
    [(timedelta(seconds=3), True), (FRESH + timedelta(seconds=9), False), (-timedelta(hours=1), False)],
)
def test_a_start_counts_for_a_short_while_and_one_that_lies_ahead_never(ago: timedelta, found: bool) -> None:
    """After a clock was set back every container would be older than its node."""
    started = datetime.now(UTC) - ago
    assert fresh_start(node(started.isoformat())) == (started if found else None)


def test_dockers_own_way_of_writing_a_time_is_read() -> None:
    started = (datetime.now(UTC) - timedelta(seconds=3)).strftime("%Y-%m-%dT%H:%M:%S.%f789Z")
    assert fresh_start(node(started)) is not None
    assert fresh_start(node("0001-01-01T00:00:00Z")) is None
    assert fresh_start(node("")) is None
    assert fresh_start(Cluster("shop", State.ABSENT)) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.requirement("LC-Q16")
def test_what_has_no_probe_is_believed_once_it_has_run_for_a_while(clock: list[float]) -> None:
    """Kubernetes calls it ready in the moment before it fails."""
    seen, ahead = Steadiness(), datetime.now(UTC) + timedelta(hours=1)  # by a cluster whose clock goes wrong
    assert [each.says for each in seen.missing([pod(ahead)], [WEB])] == ["has just started"]
    clock[0] += STEADY + WHOLE
    assert seen.missing([pod(ahead)], [WEB]) == []
    assert seen.missing([pod(ahead, container="containerd://2")], [WEB]) != []


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize("has_started_node", [False, True])
def test_as_late_as_a_start_was_told_its_end_may_be_told_too(clock: list[float], has_started_node: bool) -> None:
    """A busy node says of a process that it runs when that has failed already."""
    seen, late = Steadiness(is_watching=has_started_node), STEADY + WHOLE + USUAL
    if not has_started_node:
        seen.missing([], [WEB])
    web = pod(datetime.now(UTC) - timedelta(seconds=late))
    assert seen.missing([web], [WEB]) != []
    clock[0] += STEADY + WHOLE
    assert seen.missing([web], [WEB]) != []
    clock[0] += STEADY + WHOLE  # the pod's start is told in whole seconds
    assert seen.missing([web], [WEB]) == []


def test_what_has_run_long_ago_and_what_answers_a_probe_is_believed_at_once() -> None:
    now = datetime.now(UTC)
    assert Steadiness().missing([pod(now - timedelta(seconds=STEADY + WHOLE + 1))], [WEB]) == []
    assert Steadiness(is_watching=True).missing([pod(now - timedelta(seconds=AGAIN + WHOLE + 1))], [WEB]) == []
    assert Steadiness().missing([pod(now, probed=True)], [WEB]) == []


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize(
    ("began", "lasted", "since", "believed"),
    [
        (timedelta(seconds=9), timedelta(seconds=1), None, False),
        (timedelta(seconds=9), timedelta(seconds=1), timedelta(seconds=30), False),
        (timedelta(seconds=60), timedelta(seconds=50), None, True),
        (timedelta(seconds=9), timedelta(seconds=1), timedelta(seconds=8), True),  # the node ended it
    ],
)
def test_what_failed_soon_after_its_last_start_must_run_for_longer(
    clock: list[float], began: timedelta, lasted: timedelta, since: timedelta | None, believed: bool
) -> None:
    """The API server tells of its end up to seconds later."""
    now = datetime.now(UTC).replace(microsecond=0)
    again = pod(now)
    ended = {"startedAt": (now - began).isoformat(), "finishedAt": (now - began + lasted).isoformat()}
    again["status"]["containerStatuses"][0]["lastState"] = {"terminated": ended}
    seen = Steadiness(now - since if since else None)
    assert seen.missing([again], [WEB]) != []
    clock[0] += 6
    assert STEADY + WHOLE < 6 < AGAIN
    assert (seen.missing([again], [WEB]) == []) is believed
