"""The manifests of a release: what helm must render, and what becomes of its texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kilter.catalog.load import chart as catalog_chart
from kilter.errors import Failed
from kilter.render import names
from kilter.render.charts import APP, chart
from kilter.render.manifests import WORKLOADS, chart_objects
from kilter.render.ownership import Object
from kilter.render.production.release import AppRelease, Platform
from kilter.render.production.services import Binding, secrets
from kilter.render.production.values import values
from kilter.render.text import dump, dump_all
from kilter.render.tree import ChartJob

HEADER = "# Rendered by kilter. The next deploy overwrites this; change kilter.yaml instead.\n"
APP_FILE = "app.yaml"

# Everything that a release may consist of; all of it lives in one namespace.
KINDS = frozenset(
    {
        "ConfigMap",
        "CronJob",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
)


@dataclass(frozen=True)
class Rendered:
    """A rendered release: files for the slot's folder in git, and Secrets that the operator applies itself (DP-Q18)."""

    files: dict[str, str]
    secrets: tuple[Object, ...] = field(repr=False)


def chart_jobs(release: AppRelease, platform: Platform, bound: Sequence[Binding]) -> list[ChartJob]:
    """Return what helm must render, the app's own chart first. `bound` must have its credentials."""
    own = ChartJob(release.app, chart(APP), release.app, release.namespace, dump(values(release, platform, bound)))
    by_chart = [binding.plan for binding in bound if binding.by == "chart"]
    return [own] + [
        ChartJob(plan.name, catalog_chart(plan.entry.name), plan.name, release.namespace, dump(plan.values))
        for plan in by_chart
    ]


def rendered(release: AppRelease, platform: Platform, bound: Sequence[Binding], texts: Mapping[str, str]) -> Rendered:
    """Turn what helm printed for each job, by service, into the release's files and Secrets.

    The same arguments give the same bytes, and no file holds a value of a Secret. Raises Failed for an object that a
    release may not contain, BadInput for a chart with hooks.
    """
    own = checked(release, chart_objects(release.app, texts[release.app], release.namespace))
    files, kept = {APP_FILE: dump_all(own, HEADER)}, secrets(release, platform, bound)
    for binding in bound:
        if binding.by == "chart":
            name = binding.service.name
            objects = [_labelled(release, item) for item in chart_objects(name, texts[name], release.namespace)]
            kept += [item for item in objects if item["kind"] == "Secret"]
            public = [item for item in objects if item["kind"] != "Secret"]
            files[f"services/{name}.yaml"] = dump_all(checked(release, public), HEADER)
    return Rendered(files, tuple(kept))


def checked(release: AppRelease, objects: Sequence[Object]) -> list[Object]:
    """Return the objects if a release may consist of them, else raise Failed naming the first that it may not.

    Cluster-wide objects, other namespaces, Secrets in clear and ports of nodes are out (Y11, Y12).
    """
    for item in objects:
        metadata, place = item["metadata"], f"{item['kind']} {item['metadata'].get('name', '')}"
        why = ""
        if item["kind"] not in KINDS:
            why = f"a release has no {item['kind']}"
        elif metadata.get("namespace") != release.namespace:
            why = f"it is in the namespace {metadata.get('namespace')}, not in {release.namespace}"
        elif item["kind"] == "Secret" and "sops" not in item and (item.get("data") or item.get("stringData")):
            why = "its values would be in git for all to read"
        elif item["kind"] == "Service" and item["spec"].get("type", "ClusterIP") != "ClusterIP":
            why = f"it is of type {item['spec']['type']}: outside traffic comes through the Gateway alone"
        if why:
            raise Failed(f"{release.slot} rendered {place}, which is not allowed", why=why)
    return list(objects)


def _labelled(release: AppRelease, item: Object) -> Object:
    """Return a catalog chart's object with the slot's labels, its pods' too; what selects pods stays as it is."""
    own = names.labels(release.slot, release.namespace)
    found = {**item, "metadata": _with(item["metadata"], own)}
    if item["kind"] in WORKLOADS and "template" in item["spec"]:
        template = item["spec"]["template"]
        pods = {**template, "metadata": _with(template.get("metadata") or {}, own)}
        found["spec"] = {**item["spec"], "template": pods}
    return found


def _with(metadata: Object, labels: Mapping[str, str]) -> Object:
    return {**metadata, "labels": {**(metadata.get("labels") or {}), **labels}}
