"""The programs of a platform: when one is up, and what is said of one that does not come up."""

import json
import time
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.errors import NotReady
from kilter.platform import parts, target
from kilter.platform.target import Target
from kilter.progress import RecordedStep, Recorder
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl(Path("/bin/kubectl"), Path("/k"), "c", target.NAMESPACE)
HERE = Target("cluster c", Helm("/bin/helm", Path("/k"), target.NAMESPACE, Path("/h")), KUBECTL)


def telling(kinds: str, *items: dict[str, object]) -> FakeRunner:
    """Return a runner that has these objects of these kinds."""
    asked = KUBECTL.get(kinds, selector=parts.OWN).argv
    return FakeRunner({asked: json.dumps({"kind": "List", "items": items})})


def deployment(name: str, ready: int, *, updated: int = 1, seen: int = 2) -> dict[str, object]:
    return {
        "metadata": {"name": name, "generation": 2},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "x/y:1"}]}}},
        "status": {"readyReplicas": ready, "updatedReplicas": updated, "observedGeneration": seen},
    }


@pytest.mark.parametrize(
    ("item", "up"),
    [
        (deployment("a", 1), True),
        (deployment("a", 0), False),
        (deployment("a", 1, updated=0), False),
        (deployment("a", 1, seen=1), False),
    ],
)
def test_a_program_is_up_when_its_newest_pods_are_ready(item: dict[str, object], up: bool) -> None:
    (part,) = parts.parts(telling(parts.WORKLOADS, item), HERE)
    assert part.is_up is up


@pytest.mark.parametrize("which", ["containerStatuses", "initContainerStatuses"])
def test_a_container_that_cannot_start_is_named_with_its_reason(which: str) -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image: x/y:1"}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "kilter-registry-1"},
        "status": {which: [{"name": "collect", "state": {"waiting": waiting}}]},
    }
    runner = telling(f"{parts.WORKLOADS},pods", {"kind": "Deployment", **deployment("kilter-registry", 0)}, pod)
    with pytest.raises(NotReady, match="kilter-registry did not come up") as raised:
        parts.await_all(runner, HERE, time.monotonic() - 1, RecordedStep(Recorder(), ""))
    assert raised.value.details == ("kilter-registry-1: ImagePullBackOff: no such image: x/y:1",)
