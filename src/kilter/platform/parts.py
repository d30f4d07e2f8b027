"""The programs of a platform, as its cluster has them, and waiting until they all run."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from kilter.errors import NotReady
from kilter.platform.target import Target
from kilter.proc import Runner
from kilter.progress import Step
from kilter.tools.kubectl import parse_list

OWN = "app.kubernetes.io/part-of=kilter"
WORKLOADS = "deployments,statefulsets"
PAUSE = 1.0
STUCK = frozenset(
    {"CreateContainerConfigError", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}
)
PATIENCE = 60.0  # seconds in which a pull that fails may come right


@dataclass(frozen=True)
class Part:
    """One program: its name, the image that it runs, and how many of its pods are ready."""

    name: str
    image: str
    ready: int
    wanted: int
    current: bool  # whether its pods are of the newest description

    @property
    def is_up(self) -> bool:
        """Whether it runs as it should."""
        return self.current and self.ready >= self.wanted


def parts(runner: Runner, target: Target) -> tuple[Part, ...]:
    """Return what is installed, by name; empty where nothing is."""
    return _parts(_items(runner, target, WORKLOADS))


def await_all(runner: Runner, target: Target, limit: float, step: Step) -> None:
    """Wait until everything runs. Raises NotReady, a minute after a container began to be unable to start."""
    seen_stuck = 0.0
    while True:
        items = _items(runner, target, f"{WORKLOADS},pods")
        found = _parts(item for item in items if item["kind"] != "Pod")
        missing = [part for part in found if not part.is_up]
        if found and not missing:
            return
        step.note(
            f"{len(found) - len(missing)} of {len(found)} run; waiting for {', '.join(p.name for p in missing[:3])}"
        )
        stuck = tuple(_stuck(item for item in items if item["kind"] == "Pod"))
        now = time.monotonic()
        seen_stuck = (seen_stuck or now) if stuck else 0.0
        if now > limit or (stuck and now - seen_stuck > PATIENCE):
            raise NotReady(
                f"{', '.join(part.name for part in missing)} did not come up",
                details=stuck,
                hint="`kilter platform status` looks again; the same command again goes on",
            )
        time.sleep(PAUSE)


def _items(runner: Runner, target: Target, kinds: str) -> tuple[dict[str, Any], ...]:
    return parse_list(runner.run(target.kubectl.get(kinds, selector=OWN)).stdout)


def _parts(items: Iterable[dict[str, Any]]) -> tuple[Part, ...]:
    return tuple(sorted((_part(item) for item in items), key=lambda part: part.name))


def _part(item: dict[str, Any]) -> Part:
    status, spec = item.get("status", {}), item["spec"]
    updated = status.get("updatedReplicas", 0) >= spec["replicas"]
    return Part(
        name=item["metadata"]["name"],
        image=spec["template"]["spec"]["containers"][0]["image"],
        ready=status.get("readyReplicas", 0),
        wanted=spec["replicas"],
        current=updated and status.get("observedGeneration", 0) >= item["metadata"]["generation"],
    )


def _stuck(pods: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each container that will not start by waiting."""
    for pod in pods:
        status = pod.get("status", {})
        for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in STUCK:
                said = " ".join(waiting.get("message", "").split())[:300]
                yield f"{pod['metadata']['name']}: {waiting['reason']}: {said}"
