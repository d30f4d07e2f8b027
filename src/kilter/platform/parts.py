"""The programs of a platform, as its cluster has them, and waiting until they all run."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kilter.errors import KilterError, NotReady
from kilter.platform.target import Target
from kilter.proc import Runner
from kilter.progress import Step
from kilter.tools.kubectl import container_statuses, parse_list
from kilter.tools.nolog import printed
from kilter.words import shortened

OWN = "app.kubernetes.io/part-of=kilter"
WORKLOADS = "deployments,statefulsets"
PAUSE = 1.0
NAMED = 3  # programs in one line
STUCK = frozenset(
    {"CreateContainerConfigError", "ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"}
)
LAST_WORDS = 5  # lines of the log of what crashed
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
        """Whether it runs as it should; of what somebody has scaled to none, nothing runs."""
        return self.current and self.ready >= max(self.wanted, 1)


def parts(runner: Runner, target: Target) -> tuple[Part, ...]:
    """Return what is installed, by name; empty where nothing is."""
    return _parts(_items(runner, target, WORKLOADS))


def await_all(runner: Runner, target: Target, limit: float, step: Step) -> None:
    """Wait until everything runs. Raises NotReady, a minute after a container began to be unable to start."""
    seen_stuck = 0.0
    while True:
        items = _items(runner, target, f"{WORKLOADS},pods")
        found = _parts(item for item in items if item["kind"] != "Pod")
        pods = [item for item in items if item["kind"] == "Pod"]
        missing = [part for part in found if not part.is_up]
        if found and not missing:
            return
        step.note(f"{len(found) - len(missing)} of {len(found)} run; waiting for {_some(missing)}")
        stuck = tuple(_stuck(pods))
        now = time.monotonic()
        seen_stuck = (seen_stuck or now) if stuck else 0.0
        if now > limit or (stuck and now - seen_stuck > PATIENCE):
            raise NotReady(
                f"{', '.join(part.name for part in missing)} did not come up",
                details=stuck or tuple(_hindrances(runner, target, pods)),
                hint=target.again,
            )
        time.sleep(PAUSE)


def _some(missing: Sequence[Part]) -> str:
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return ", ".join(part.name for part in missing[:NAMED]) + more


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
        for container in container_statuses(pod):
            waiting = container.get("state", {}).get("waiting", {})
            if waiting.get("reason") in STUCK:
                yield f"{pod['metadata']['name']}: {waiting['reason']}: {shortened(waiting.get('message', ''))}"


def _hindrances(runner: Runner, target: Target, pods: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield what keeps pods from being ready that wait, or crash, without a word of their containers'."""
    for pod in pods:
        name = pod["metadata"]["name"]
        conditions = {each["type"]: each for each in pod.get("status", {}).get("conditions", [])}
        if conditions.get("Ready", {}).get("status") == "True":
            continue
        if (scheduled := conditions.get("PodScheduled", {})).get("status") == "False":
            yield f"{name}: {scheduled.get('reason', '')}: {shortened(scheduled.get('message', ''))}"
        elif crashed := next(_crashed(pod), None):
            yield f"{name}: {crashed['name']} ended with exit code {crashed['lastState']['terminated']['exitCode']}"
            yield from _last_words(runner, target, name, crashed["name"])
        else:
            yield from _warnings(runner, target, name)


def _crashed(pod: dict[str, Any]) -> Iterator[Mapping[str, Any]]:
    for container in container_statuses(pod):
        if container.get("lastState", {}).get("terminated", {}).get("exitCode"):
            yield container


def _last_words(runner: Runner, target: Target, pod: str, container: str) -> Iterator[str]:
    with suppress(KilterError):  # its log is gone with it, perhaps
        log = runner.run(target.kubectl.logs(pod, container=container, flags=("--previous", f"--tail={LAST_WORDS}")))
        yield from (f"    {shortened(line)}" for line in printed(log.stdout).splitlines())


def _warnings(runner: Runner, target: Target, pod: str) -> Iterator[str]:
    """Yield the newest warning about a pod: of a volume, or a Secret, that is not there."""
    with suppress(KilterError):
        events = parse_list(runner.run(target.kubectl.get("events")).stdout)
        about = (each for each in events if each.get("involvedObject", {}).get("name") == pod)
        warnings = [each for each in about if each.get("type") == "Warning"]
        for each in sorted(warnings, key=lambda each: str(each.get("lastTimestamp") or each.get("eventTime")))[-1:]:
            yield f"{pod}: {each.get('reason', '')}: {shortened(each.get('message', ''))}"
