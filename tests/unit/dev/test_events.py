"""What last happened to a workload."""

from typing import Any

import pytest

from kilter.dev.conditions import Condition
from kilter.dev.events import last_event

WEB, NO_POD = Condition("web", False, "is starting", pod="web-5f-x1"), Condition("web", False, "has no pod yet")


def event(name: str, reason: str, kind: str = "Pod", **when: Any) -> dict[str, Any]:
    about = {"kind": kind, "name": name}
    return {"involvedObject": about, "metadata": {}, "reason": reason, "message": "it says why", **when}


@pytest.mark.requirement("LC-Q16")
def test_the_newest_event_of_the_pod_counts_whichever_field_tells_its_time() -> None:
    events = [
        event("web-5f-x1", "Scheduled", eventTime="2026-01-01T00:00:01.500000Z"),
        event("web-5f-x1", "FailedMount", lastTimestamp="2026-01-01T00:00:09Z"),
        event("web-5f-x1", "Pulling", series={"lastObservedTime": "2026-01-01T00:00:05.000000Z"}),
        event("web-5f-x1", "Created", metadata={"creationTimestamp": "2026-01-01T00:00:02Z"}),
        event("web-5f-x2", "Killing", lastTimestamp="2026-01-01T00:01:00Z"),
    ]
    assert last_event(events, WEB) == "FailedMount: it says why"
    assert last_event(events[:1] + events[2:], WEB) == "Pulling: it says why"
    assert last_event(events[:1] + events[3:], WEB) == "Created: it says why"
    assert last_event(events[-1:], WEB) == ""


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize(
    ("name", "kind", "counts"),
    [
        ("web", "StatefulSet", True),
        ("web", "Deployment", True),
        ("web-5f", "ReplicaSet", True),
        ("web-api", "Deployment", False),
        ("web-api-5f", "ReplicaSet", False),
        ("web-5f-x1", "Pod", False),
    ],
)
def test_without_a_pod_what_is_to_make_it_is_asked(name: str, kind: str, counts: bool) -> None:
    assert bool(last_event([event(name, "FailedCreate", kind)], NO_POD)) is counts
