"""Which pods count as ready too early: by what was known before the node started, or in the moment before a crash.

Pure but for the clock: Kubernetes objects in (as `kubectl get -o json` prints them), conditions out.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kilter.clusters.provider import Cluster
from kilter.dev.conditions import Condition
from kilter.render.manifests import SERVICE
from kilter.render.tree import Workload

STEADY = 2.0  # seconds that a container without a readiness probe must have run; most that fail do so while they start
AGAIN = 10.0  # and where the run before was shorter than this: as long, for an end is told a while later
NEW = "has just started"
WHOLE = 1.0  # Kubernetes tells times in whole seconds, so that a run may be this much shorter than it seems
USUAL = 1.5  # seconds that a start seems to be told late by a node that is idle: in whole ones, at looks one apart
FRESH = timedelta(minutes=5)  # after which a kubelet has told everything anew; a clock set back costs no more than that


def fresh_start(cluster: Cluster) -> datetime | None:
    """Return when the cluster's node started, if that was a short while ago; None otherwise."""
    if cluster.container is None or not cluster.container.started_at:
        return None
    started = datetime.fromisoformat(cluster.container.started_at)
    return started if timedelta(0) <= datetime.now(UTC) - started <= FRESH else None


def outdated(documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload], since: datetime) -> list[Condition]:
    """Return the targets with a container that is said to run since before `since`, when its node started.

    A node that starts again has ended every container; what the API server says of them is of before.
    """

    def is_of_before(pod: Mapping[str, Any]) -> bool:
        return any(run.started < _whole(since) for run in _runs(pod, since))

    return _conditions(documents, targets, "is starting again with the cluster", is_of_before)


def just_started(
    documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload], since: datetime | None
) -> list[Condition]:
    """Return the targets with a container without a readiness probe that has not run for as long as it must.

    For a single look, which knows no clock but the cluster's: one that goes ahead of ours is not believed.
    """

    def is_new(pod: Mapping[str, Any]) -> bool:
        return any(0 <= run.age < run.needed + WHOLE for run in _runs(pod, since, unprobed=True))

    return _conditions(documents, targets, NEW, is_new)


@dataclass
class Steadiness:
    """What a wait has seen of containers without a readiness probe: when it first saw each, by its id.

    That is a time of `time.monotonic`, and how many seconds late it was told of the start, where it was watching.
    `since` is when the node started, if that was a short while ago.
    """

    since: datetime | None = None
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    is_watching: bool = False  # it has looked before, or the node was started for this wait

    def missing(self, documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
        """Return the targets of which such a container has not run for as long as it must."""

        def is_new(pod: Mapping[str, Any]) -> bool:
            return any(self._is_new(run) for run in _runs(pod, self.since, unprobed=True))

        found = _conditions(documents, targets, NEW, is_new)
        self.is_watching = True
        return found

    def _is_new(self, run: "Run") -> bool:
        """Tell by the cluster's clock or by our own, of which one may be wrong.

        A start that was told late, by a node that is busy, was followed by an end that is told as late.
        """
        now = time.monotonic()
        first, late = self.seen.setdefault(run.container, (now, max(run.age - USUAL, 0.0) if self.is_watching else 0.0))
        return now - first < run.needed + late and run.age < (AGAIN if late else run.needed) + WHOLE


@dataclass(frozen=True)
class Run:
    """A running container: its id, when it started, and how many seconds it must have run to be believed."""

    container: str
    started: datetime
    needed: float

    @property
    def age(self) -> float:
        """For how many seconds it has run, by the cluster's clock."""
        return (datetime.now(UTC) - self.started).total_seconds()


def _conditions(
    documents: Iterable[Mapping[str, Any]],
    targets: Sequence[Workload],
    message: str,
    applies: Callable[[Mapping[str, Any]], bool],
) -> list[Condition]:
    """Say `message` of each of the targets' pods that it applies to."""
    wanted = {target.service for target in targets}
    found = []
    for pod in (item for item in documents if item["kind"] == "Pod" and "deletionTimestamp" not in item["metadata"]):
        service = pod["metadata"].get("labels", {}).get(SERVICE)
        if service in wanted and applies(pod):
            found.append(Condition(service, False, message, pod=pod["metadata"]["name"]))
    return found


def _runs(pod: Mapping[str, Any], since: datetime | None, *, unprobed: bool = False) -> Iterator[Run]:
    """Yield each running container; on demand those without a readiness probe only."""
    spec = pod.get("spec", {}).get("containers", [])
    silent = {container["name"] for container in spec if "readinessProbe" not in container}
    for container in pod.get("status", {}).get("containerStatuses", []):
        started = container.get("state", {}).get("running", {}).get("startedAt")
        if started and (not unprobed or container.get("name") in silent):
            yield Run(container.get("containerID", ""), datetime.fromisoformat(started), _needed(container, since))


def _needed(container: Mapping[str, Any], since: datetime | None) -> float:
    """Return how long it must run: longer where its last run was short, and not ended by the end of the node."""
    last = container.get("lastState", {}).get("terminated", {})
    began, ended = last.get("startedAt"), last.get("finishedAt")
    if not began or not ended:
        return STEADY
    start = datetime.fromisoformat(began)
    is_short = (datetime.fromisoformat(ended) - start).total_seconds() < AGAIN
    return AGAIN if is_short and (since is None or start >= _whole(since)) else STEADY


def _whole(since: datetime) -> datetime:
    """Return a time as Kubernetes tells it, without fractions."""
    return since.replace(microsecond=0)
