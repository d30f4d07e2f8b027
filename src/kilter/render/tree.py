"""The whole rendered tree of a project, as relative paths and texts. Everything is text before anything is executed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yaml import YAMLError

from kilter.catalog.load import chart
from kilter.errors import BadInput
from kilter.render import manifests, tiltfile
from kilter.render.cluster import kind_config
from kilter.render.manifests import RENDERED, WORKLOADS
from kilter.render.model import Plan, ServicePlan
from kilter.render.options import RenderOptions
from kilter.render.ownership import identity
from kilter.render.text import dump, dump_all, load_all
from kilter.render.volumes import claims, volumes

__all__ = ["ChartJob", "RenderOptions", "Workload", "chart_jobs", "claimed", "identities", "render", "workloads"]


@dataclass(frozen=True)
class ChartJob:
    """One chart to be rendered by helm; jobs are independent of each other. `values_text` is YAML, with a password."""

    service: str
    chart: Path
    release: str
    namespace: str
    values_text: str


@dataclass(frozen=True)
class Workload:
    """A workload of the tree: whose it is, its kind and name, and the hash of its manifest that it carries."""

    service: str
    kind: str
    name: str
    rendered: str


def chart_jobs(plan: Plan) -> list[ChartJob]:
    """Return what helm must render before `render` can be called, one job per service."""
    return [
        ChartJob(service.name, chart(service.entry.name), service.name, plan.namespace, _values(service))
        for service in plan.services
    ]


def render(plan: Plan, chart_texts: Mapping[str, str], options: RenderOptions) -> dict[str, str]:
    """Return every file of the tree: relative path to text, sorted by path.

    `chart_texts` is what helm printed for each job of `chart_jobs`, by service. The same arguments give the same
    bytes. Manifests and values hold passwords. Raises BadInput for a chart with hooks, Failed for one without sense.
    """
    files = {
        "kind.yaml": kind_config(plan, options),
        "Tiltfile": tiltfile.tiltfile(plan, options),
        "tilt/namespace.tiltfile": tiltfile.namespace_part(plan),
        "manifests/namespace.yaml": dump_all(manifests.namespace(plan)),
    }
    for service in plan.services:
        objects = manifests.from_chart(plan, service.name, chart_texts[service.name])
        objects = [*volumes(plan, objects), *objects]
        files[f"values/{service.name}.yaml"] = _values(service)
        files[f"manifests/{service.name}.yaml"] = dump_all(objects)
        files[f"tilt/{service.name}.tiltfile"] = tiltfile.service_part(service.name, objects, _links(service))
    for app in plan.apps:
        files[f"manifests/{app.name}.yaml"] = dump_all(manifests.app(plan, app))
        files[f"tilt/{app.name}.tiltfile"] = tiltfile.app_part(plan, app)
    return dict(sorted(files.items()))


def workloads(files: Mapping[str, str]) -> list[Workload]:
    """Return the workloads of a rendered tree, those of one manifest in its order."""
    return [
        Workload(
            name.removeprefix("manifests/").removesuffix(".yaml"),
            item["kind"],
            item["metadata"]["name"],
            item["metadata"].get("annotations", {}).get(RENDERED, ""),
        )
        for name, item in _objects(files)
        if item["kind"] in WORKLOADS
    ]


def claimed(files: Mapping[str, str]) -> list[str]:
    """Return the names of the claims whose volumes a rendered tree makes; each is a folder among the project's."""
    return claims(item for _, item in _objects(files))


def identities(files: Mapping[str, str]) -> frozenset[str]:
    """Return every object of a rendered tree as `<kind>/<name>`."""
    return frozenset(identity(item) for _, item in _objects(files))


def _objects(files: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a rendered tree with the names of their files, those of one manifest in its order."""
    for name, text in sorted(files.items()):
        if name.startswith("manifests/"):
            for item in _loaded(name, text):
                yield name, item


def _loaded(name: str, text: str) -> list[dict[str, Any]]:
    try:
        return load_all(text)
    except YAMLError as error:
        why = str(error).replace("\n", " ")
        raise BadInput(f"the rendered {name} is no YAML", why=why, hint="`kilter render` renders it anew") from error


def _values(service: ServicePlan) -> str:
    return dump(service.values)


def _links(service: ServicePlan) -> list[str]:
    schemes = {port.name: port.scheme for port in service.entry.ports}
    return [f"http://localhost:{port.node_port}" for port in service.ports if schemes[port.name] == "http"]
