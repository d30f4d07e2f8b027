"""What Tilt reads: one Tiltfile, and one part per service, component and process that it includes (CT-Q32).

Tilt's file language is Starlark. Everything that comes from the user is written as a quoted string; nothing here runs
a command on the user's machine.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kilter.render.builds import IGNORED
from kilter.render.manifests import WORKLOADS
from kilter.render.model import NAMESPACE_RESOURCE, AppPlan, BuildPlan, Plan
from kilter.render.options import RenderOptions
from kilter.render.text import HEADER, starlark

Objects = Sequence[Mapping[str, Any]]

PARALLEL_UPDATES = 4


def tiltfile(plan: Plan, options: RenderOptions) -> str:
    """Return the Tiltfile: settings of this Tilt, then the parts."""
    context = starlark(plan.context)
    registry = f"{starlark(options.registry_host)}, host_from_cluster={starlark(options.registry_in_cluster)}"
    names = ["namespace", *(service.name for service in plan.services), *(app.name for app in plan.apps)]
    lines = [
        f"allow_k8s_contexts({context})",
        f"if k8s_context() != {context}:",
        f"    fail({starlark(f'this Tiltfile is for {plan.context} alone; `kilter up` starts Tilt with it')})",
        "analytics_settings(enable=False)",
        "version_settings(check_updates=False)",
        "secret_settings(disable_scrub=False)",
        "# Tilt's pruner would also clear build caches that are not this project's.",
        "docker_prune_settings(disable=True)",
        f"update_settings(max_parallel_updates={PARALLEL_UPDATES})",
        f"default_registry({registry})",
        "",
        *(f"include({starlark(f'tilt/{name}.tiltfile')})" for name in names),
    ]
    return HEADER + "\n".join(lines) + "\n"


def namespace_part(plan: Plan) -> str:
    """Return the part that makes the namespace, which everything else waits for."""
    selected = starlark([f"{plan.namespace}:namespace"])
    arguments = f"new_name={starlark(NAMESPACE_RESOURCE)}, objects={selected}, labels={starlark(['kilter'])}"
    return HEADER + f"{_yaml('namespace')}\nk8s_resource({arguments})\n"


def service_part(service: str, objects: Objects, links: Iterable[str]) -> str:
    """Return the part of a backing service from the objects of its chart.

    Tilt makes one resource per workload and finds its Services by itself; all other objects go to the first one, so
    that they are applied before it and not on their own.
    """
    workloads = [item for item in objects if item["kind"] in WORKLOADS]
    apart = [selected(item) for item in objects if item["kind"] not in WORKLOADS and not _found(item, workloads)]
    calls = [
        _resource(
            item["metadata"]["name"],
            objects=apart if index == 0 else [],
            label="services",
            links=list(links) if index == 0 else [],
        )
        for index, item in enumerate(workloads)
    ]
    return HEADER + "\n".join([_yaml(service), *calls]) + "\n"


def app_part(plan: Plan, app: AppPlan) -> str:
    """Return the part of a component or process; a component's also builds the images of its processes.

    It depends on no service: its image is built at once, and its pods themselves wait for what is declared (CT-Q17).
    """
    builds = {each.build.reference: each.build for each in plan.apps if each.component == app.name and each.build}
    link = [f"http://localhost:{app.node_port}"] if app.node_port else []
    resource = _resource(
        app.name,
        objects=[f"{app.name}-env:secret:{plan.namespace}"] if app.injected else [],
        label="app",
        links=link,
        ready=not app.schedule,
    )
    return HEADER + "\n".join([*(_build(plan.root, build) for build in builds.values()), _yaml(app.name), resource, ""])


def selected(item: Mapping[str, Any]) -> str:
    """Return Tilt's selector of one object: name, kind and, where it has one, namespace."""
    metadata = item["metadata"]
    words = [metadata["name"], item["kind"].lower(), metadata.get("namespace", "")]
    return ":".join(word.replace("\\", "\\\\").replace(":", "\\:") for word in words if word)


def _found(item: Mapping[str, Any], workloads: Objects) -> bool:
    wanted = item.get("spec", {}).get("selector") if item["kind"] == "Service" else None
    if not wanted:
        return False
    labels = [_pod_labels(workload) for workload in workloads]
    return any(wanted.items() <= each.items() for each in labels)


def _pod_labels(workload: Mapping[str, Any]) -> Mapping[str, str]:
    spec = workload["spec"]
    template = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    labels: Mapping[str, str] = template.get("metadata", {}).get("labels", {})
    return labels


def _yaml(name: str) -> str:
    return f"k8s_yaml({starlark(f'../manifests/{name}.yaml')})"


def _resource(
    name: str,
    *,
    objects: Sequence[str],
    label: str,
    links: Sequence[str],
    ready: bool = True,
) -> str:
    arguments = [starlark(name)]
    if objects:
        arguments.append(f"objects={starlark(objects)}")
    arguments.append(f"resource_deps={starlark([NAMESPACE_RESOURCE])}")
    arguments.append(f"labels={starlark([label])}")
    if links:
        arguments.append(f"links={starlark(links)}")
    if not ready:
        arguments.append('pod_readiness="ignore"')
    return _call("k8s_resource", arguments)


def _build(root: Path, build: BuildPlan) -> str:
    def absolute(path: str) -> str:
        return starlark(str(root / path))

    arguments = [
        starlark(build.reference),
        absolute(build.context),
        f"dockerfile={absolute(build.dockerfile)}",
    ]
    if build.target:
        arguments.append(f"target={starlark(build.target)}")
    if build.only:
        arguments.append(f"only={starlark(build.only)}")
    arguments.append(f"ignore={starlark(IGNORED)}")
    if build.live:
        stops = [f"        fall_back_on([{', '.join(map(absolute, build.rebuild_on))}]),"] if build.rebuild_on else []
        syncs = [f"        sync({absolute(local)}, {starlark(remote)})," for local, remote in build.sync]
        arguments.append("\n".join(["live_update=[", *stops, *syncs, "    ]"]))
    # Of a link, Tilt would watch the link itself.
    watched = f"watch_file({absolute(build.link_to)})\n" if build.link_to else ""
    return watched + _call("docker_build", arguments)


def _call(function: str, arguments: Iterable[str]) -> str:
    return "\n".join([f"{function}(", *(f"    {argument}," for argument in arguments), ")"])
