"""What last happened to a workload, by the cluster's own events. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from kilter.dev.conditions import Condition


def last_event(events: Iterable[Mapping[str, Any]], condition: Condition) -> str:
    """Return the newest event about a condition's pod, or about what has made none yet; '' where there is none."""
    newest = max((each for each in events if _is_about(each["involvedObject"], condition)), key=_time, default=None)
    return f"{newest.get('reason')}: {newest.get('message')}" if newest else ""


def _is_about(item: Mapping[str, Any], condition: Condition) -> bool:
    name = item.get("name", "")
    if condition.pod:
        return bool(name == condition.pod)
    return bool(condition.name == (name.rpartition("-")[0] if item.get("kind") == "ReplicaSet" else name))


def _time(event: Mapping[str, Any]) -> str:
    """Return when it last happened; which field says so depends on who wrote the event."""
    series = event.get("series") or {}
    told = event.get("lastTimestamp") or series.get("lastObservedTime") or event.get("eventTime")
    return str(told or event["metadata"].get("creationTimestamp", ""))
