"""Which pods count as ready too early: by what was known before the node started, or in the moment before a crash.

Pure but for the clock: Kubernetes objects in (as `kubectl get -o json` prints them), conditions out.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from kilter.clusters.provider import Cluster
from kilter.dev.conditions import Condition
from kilter.render.manifests import SERVICE
from kilter.render.tree import Workload

# Seconds that a container without a readiness probe must have run, by a start told in whole seconds: one at least. Most
# that fail do so while they start.
STEADY = 2.0
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
    whole = since.replace(microsecond=0)  # Kubernetes tells no fractions
    return [
        Condition(service, False, "is starting again with the cluster", pod=pod["metadata"]["name"])
        for service, pod in _pods(documents, targets)
        if any(started < whole for _, started in _running(pod))
    ]


def just_started(documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
    """Return the targets with a container without a readiness probe that has run for less than `STEADY` seconds.

    For a single look, which knows no clock but the cluster's: one that goes ahead of ours is not believed.
    """
    return [
        Condition(service, False, "has just started", pod=pod["metadata"]["name"])
        for service, pod in _pods(documents, targets)
        if any(0 <= _age(started) < STEADY for _, started in _running(pod, unprobed=True))
    ]


@dataclass
class Steadiness:
    """What a wait has seen of containers without a readiness probe: since when (`time.monotonic`), by their ids."""

    seen: dict[str, float] = field(default_factory=dict)

    def missing(self, documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]) -> list[Condition]:
        """Return the targets of which such a container has run for less than `STEADY` seconds."""
        return [
            Condition(service, False, "has just started", pod=pod["metadata"]["name"])
            for service, pod in _pods(documents, targets)
            if any(self._is_new(container, started) for container, started in _running(pod, unprobed=True))
        ]

    def _is_new(self, container: str, started: datetime) -> bool:
        """Tell by the cluster's clock or by our own, of which one may be wrong."""
        watched = time.monotonic() - self.seen.setdefault(container, time.monotonic())
        return watched < STEADY and _age(started) < STEADY


def _age(started: datetime) -> float:
    return (datetime.now(UTC) - started).total_seconds()


def _pods(
    documents: Iterable[Mapping[str, Any]], targets: Sequence[Workload]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    wanted = {target.service for target in targets}
    for pod in (item for item in documents if item["kind"] == "Pod" and "deletionTimestamp" not in item["metadata"]):
        service = pod["metadata"].get("labels", {}).get(SERVICE)
        if service in wanted:
            yield service, pod


def _running(pod: Mapping[str, Any], *, unprobed: bool = False) -> Iterator[tuple[str, datetime]]:
    """Yield the id of each running container and when it started; on demand of those without a readiness probe only."""
    spec = pod.get("spec", {}).get("containers", [])
    silent = {container["name"] for container in spec if "readinessProbe" not in container}
    for container in pod.get("status", {}).get("containerStatuses", []):
        started = container.get("state", {}).get("running", {}).get("startedAt")
        if started and (not unprobed or container.get("name") in silent):
            yield container.get("containerID", ""), datetime.fromisoformat(started)
