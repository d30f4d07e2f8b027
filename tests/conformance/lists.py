"""Fills an operator's stores by plain requests, for tests that look once and run no watches."""

import time

import msgspec

from kilter.operator.kinds import Object
from kilter.operator.kube import Kube, KubeError
from kilter.operator.settings import Settings
from kilter.operator.store import Entry
from kilter.operator.stores import Stores, watched
from kilter.operator.watch import Source

PATIENCE = 30.0  # seconds


def fill(kube: Kube, stores: Stores, settings: Settings, name: str) -> None:
    """Make every store hold what the API server has right now of one environment, and nothing else."""
    for each in watched(stores, settings):
        source = each.source
        found = {}
        for thing in _patiently(kube, source, name):
            metadata = thing["metadata"]
            version = int(metadata["resourceVersion"])
            value = source.decode(msgspec.Raw(msgspec.json.encode(thing)))
            found[metadata.get("namespace", ""), metadata["name"]] = Entry(version, value)
        each.store.replace(found, max((entry.version for entry in found.values()), default=0))


def _patiently(kube: Kube, source: "Source[object]", name: str) -> list[Object]:
    """Ask again, as the operator's watches do, while the API server is busy making a cache for a kind (429)."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return _asked(kube, source, name)
        except KubeError as error:
            if error.code != 429 or time.monotonic() > until:
                raise
            time.sleep(0.2)


def _asked(kube: Kube, source: "Source[object]", name: str) -> list[Object]:
    if source.kind.namespaced and not source.namespace:
        return kube.list(source.kind, name, source.selector)
    thing = kube.get(source.kind, source.namespace, name)
    key, _, value = source.selector.partition("=")
    labels = (thing or {}).get("metadata", {}).get("labels") or {}
    return [thing] if thing and (not key or (labels.get(key) == value if value else key in labels)) else []
