"""`kilter status`: how every workload stands, by the cluster's own objects."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec.structs import replace

from kilter.clusters import engine
from kilter.clusters.node import foreign, is_elsewhere, stop_was_cut_off
from kilter.clusters.provider import Cluster, State
from kilter.dev import clusters, rendered, tilt
from kilter.dev.conditions import Condition, conditions, is_ready
from kilter.dev.documents import PodRow, StatusDocument, WorkloadRow
from kilter.dev.former import former
from kilter.dev.kubectl import kubectl
from kilter.dev.machine import Machine
from kilter.dev.ready import WATCHED, awaited, endpoints, scheduled, troubled
from kilter.dev.reclaim import VOLUMES, released
from kilter.dev.settled import fresh_start, just_started, outdated
from kilter.dev.threads import beside
from kilter.dev.updates import UNDER_WAY
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import KilterError
from kilter.project.load import Project
from kilter.render.addresses import addresses
from kilter.render.manifests import SERVICE
from kilter.state.files import is_filled
from kilter.state.lock import holder
from kilter.tools.kubectl import parse_list
from kilter.tools.tilt import TILTFILE
from kilter.words import shortened

BEAT = 2.0  # seconds from one look of `--watch` to the next

ProjectState = Literal["up", "down", "stopped", "absent"]


def status(machine: Machine, project: Project) -> StatusDocument:
    """Look at the project: its cluster, its Tilt, and every workload with its pods and addresses."""
    engine.check(machine.runner, machine.environment)
    workspace = open_workspace(machine, project)
    cluster = clusters.provider(machine).find(project.name)
    running = cluster.state is State.RUNNING
    tilt_runs = running and tilt.running(workspace) is not None
    with beside(machine) as asking:
        answer = asking.submit(tilt.heard, workspace) if tilt_runs else None
        objects = _objects(workspace) if running else ()
    told = answer.result() if answer else tilt.Heard()
    rows = _with_builds(list(_rows(workspace, cluster, objects)), told)
    return StatusDocument(
        project=project.name,
        state=state_of(cluster, tilt_runs=tilt_runs),
        ready=running and bool(rows) and all(row.ready for row in rows),
        cluster=workspace.plan.cluster,
        node_image=cluster.image or None,
        tilt=tilt.url(workspace) if tilt_runs else None,
        notes=[*_notes(workspace, cluster, objects), *_outdated_by(rows, told)],
        workloads=rows,
    )


def watching(look: Callable[[], StatusDocument]) -> Iterator[StatusDocument | KilterError]:
    """Yield what is seen, again and again; the first look raises its error, a later one yields it and goes on."""
    seen: StatusDocument | KilterError
    began, seen = time.monotonic(), look()
    while True:
        yield seen
        time.sleep(max(0.0, began + BEAT - time.monotonic()))
        began = time.monotonic()
        try:
            seen = look()
        except KilterError as error:
            seen = error


def state_of(cluster: Cluster, *, tilt_runs: bool) -> ProjectState:
    """Return the project's state: up (with Tilt), down (without), stopped, or absent."""
    if cluster.state is State.RUNNING:
        return "up" if tilt_runs else "down"
    return "stopped" if cluster.state in (State.STOPPED, State.DEAD) else "absent"


def _objects(workspace: Workspace) -> Sequence[Mapping[str, Any]]:
    question = kubectl(workspace).get(f"{WATCHED},{VOLUMES}")
    return parse_list(workspace.machine.runner.run(question).stdout)


def _notes(workspace: Workspace, cluster: Cluster, objects: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    volumes = workspace.machine.paths.volumes(workspace.name)
    if working := holder(workspace.machine.paths, workspace.name):
        yield f"`kilter {working.verb}` works on it right now (process {working.pid}, since {working.started})"
    elif cluster.state is State.RUNNING and stop_was_cut_off(workspace.machine.paths, workspace.name):
        yield "a `kilter stop` was cut off, and the databases may be closed: `kilter up` makes it work again"
    for name in rendered.illegible(workspace.cache, rendered.read(workspace.cache)):
        yield f"{workspace.cache / name} was edited and cannot be read any more: `kilter render` renders it anew"
    if cluster.state is State.ABSENT and is_filled(volumes):
        elsewhere = is_elsewhere(workspace.machine.runner, workspace.machine.paths, workspace.name)
        where = "is on another Docker than this one" if elsewhere else "was removed outside kilter"
        yield f"the cluster {where}; its data is still in {volumes}"
    pinned = workspace.node_image
    if cluster.image and cluster.image != pinned and cluster.state is not State.FOREIGN:
        yield f"the cluster runs {cluster.image}, this kilter would make it from {pinned}; it goes on working"
    if cluster.state is State.FOREIGN:
        why = foreign(cluster)
        yield f"a cluster named {workspace.plan.cluster} exists that is not this project's: {why.why}; {why.hint}"
    yield from former(workspace.machine, workspace.project)
    for name in released(objects):
        yield f"the claim of the volume {name} was deleted; its data is kept, and `kilter up` gives it to a new one"


def _rows(workspace: Workspace, cluster: Cluster, objects: Sequence[Mapping[str, Any]]) -> Iterable[WorkloadRow]:
    running, since = cluster.state is State.RUNNING, fresh_start(cluster)
    files = rendered.legible(workspace.cache)
    judged = {each.name: each for each in conditions(objects, awaited(files))}
    early = [
        *just_started(objects, awaited(files), since),
        *(outdated(objects, awaited(files), since) if since else ()),
    ]
    judged |= {each.name: each for each in early if judged[each.name].ready}
    judged |= {name: Condition(name, True, "runs by the clock") for name in scheduled(files)}
    trouble = dict[str, Condition]()
    if running and all(condition.ready for condition in judged.values()):
        trouble = {each.name: each for each in troubled(workspace, endpoints(workspace.plan))}
        judged |= trouble
    known = {address.name: address for address in addresses(workspace.plan)}
    services = {service.name for service in workspace.plan.services}
    processes = {app.name for app in workspace.plan.apps if app.is_process}
    for name in [*(service.name for service in workspace.plan.services), *(app.name for app in workspace.plan.apps)]:
        address = known.get(name)
        fallback = Condition(name, False, "is not rendered yet: run `kilter up`" if running else "")
        condition = judged.get(name, fallback) if running else Condition(name, False, "")
        yield WorkloadRow(
            name=name,
            kind="service" if name in services else "process" if name in processes else "component",
            ready=condition.ready,
            reason="" if condition.ready and name not in trouble else condition.failure or condition.says,
            in_cluster=address.in_cluster if address else None,
            localhost=address.localhost if address else None,
            pods=[_pod(item) for item in objects if _belongs(item, name)],
        )


def _with_builds(rows: list[WorkloadRow], told: tilt.Heard) -> list[WorkloadRow]:
    """Say of apps that are not ready that their build failed, of which the cluster knows nothing."""
    failed = {each.name: each.error for each in told.resources if each.failed}
    return [
        replace(row, reason=f"could not be built or applied: {shortened(failed[row.name])}")
        if not row.ready and row.name in failed
        else row
        for row in rows
    ]


def _outdated_by(rows: Sequence[WorkloadRow], told: tilt.Heard) -> Iterator[str]:
    """Say where what runs, and looks well, is not of the files that were saved last; apps of one image say the same."""
    ready, said = [row.name for row in rows if row.ready], dict[str, list[str]]()
    for each in sorted(told.resources, key=lambda each: ready.index(each.name) if each.name in ready else -1):
        if each.name == TILTFILE and each.failed:
            yield f"the dev loop could not read its files, and what runs is of before: {shortened(each.error)}"
        elif each.name in ready and each.failed:
            why = (
                f"the newest change could not be built or applied, and what runs is of before: {shortened(each.error)}"
            )
            said.setdefault(why, []).append(each.name)
        elif each.name in ready and each.update in ("pending", "in_progress"):
            said.setdefault(f"{UNDER_WAY[each.update]}, and what runs is of before", []).append(each.name)
    for why, names in said.items():
        yield f"{', '.join(names)}: {why}"
    for name, why in told.unwatched.items():
        yield f"the dev loop does not watch the files of {name}: `kilter up` starts it again ({why})"


def _belongs(item: Mapping[str, Any], name: str) -> bool:
    return bool(item["kind"] == "Pod" and item["metadata"].get("labels", {}).get(SERVICE) == name)


def _pod(pod: Mapping[str, Any]) -> PodRow:
    containers = pod["status"].get("containerStatuses", [])
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    ending = "deletionTimestamp" in pod["metadata"]
    return PodRow(
        name=pod["metadata"]["name"],
        ready=is_ready(pod),
        restarts=sum(container.get("restartCount", 0) for container in containers),
        age=max(0.0, (datetime.now(UTC) - created).total_seconds()),
        phase="Terminating" if ending else pod["status"].get("phase", "Unknown"),
    )
