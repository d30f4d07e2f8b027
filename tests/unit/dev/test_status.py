"""How a project stands."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from fakes import ENGINE, FakeRunner
from msgspec.structs import replace
from unit.dev.support import machine, workspace

from kilter.clusters.node import stopping_mark
from kilter.clusters.provider import Cluster, State
from kilter.dev import ready, rendered, settled, tilt
from kilter.dev import status as feature
from kilter.dev.conditions import Condition
from kilter.dev.documents import WorkloadRow
from kilter.dev.probes import Answer
from kilter.dev.status import state_of, status
from kilter.dev.workspace import Workspace
from kilter.proc import Outcome
from kilter.project.load import load
from kilter.render.manifests import RENDERED, SERVICE
from kilter.render.ownership import OBJECT
from kilter.state.files import write_whole
from kilter.state.lock import project_lock
from kilter.tools import docker
from kilter.tools.docker import Container


def cluster(state: State) -> Cluster:
    container = Container("id", "kilter-shop-control-plane", "kindest/node:v1.36.0", "sha", "running", "")
    return Cluster("shop", state, None if state is State.ABSENT else container)


@pytest.mark.requirement("NS-Q28")
@pytest.mark.parametrize(
    ("state", "tilt_runs", "expected"),
    [
        (State.RUNNING, True, "up"),
        (State.RUNNING, False, "down"),
        (State.STOPPED, False, "stopped"),
        (State.DEAD, False, "stopped"),
        (State.ABSENT, False, "absent"),
        (State.UNFINISHED, False, "absent"),
        (State.FOREIGN, True, "absent"),
    ],
)
def test_a_cluster_and_its_loop_make_one_state(state: State, tilt_runs: bool, expected: str) -> None:
    assert state_of(cluster(state), tilt_runs=tilt_runs) == expected


def test_every_state_of_a_cluster_has_one() -> None:
    for state in State:
        state_of(cluster(state), tilt_runs=False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"ready": True, "restarts": 2, "phase": "Running"}),
        ({"containerStatuses": [{"ready": True}, {"ready": False}]}, {"ready": False, "restarts": 0}),
        ({"containerStatuses": []}, {"ready": False}),
        ({"phase": "Pending", "containerStatuses": []}, {"phase": "Pending"}),
    ],
)
def test_a_pod_is_ready_when_all_of_its_containers_are(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    born = (datetime.now(UTC) - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2}]} | changes
    row = feature._pod({"metadata": {"name": "redis-0", "creationTimestamp": born}, "status": body})
    assert 299 < row.age < 400
    assert {name: getattr(row, name) for name in expected} == expected


def test_a_pod_that_goes_says_so() -> None:
    meta = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-01T00:01:00Z"}
    assert feature._pod({"metadata": meta, "status": {"phase": "Running"}}).phase == "Terminating"


def test_what_runs_by_the_clock_is_in_order_once_it_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to wait for, and `kilter up` could not do more."""
    monkeypatch.setattr(feature, "troubled", lambda *_: [])
    image = "components: {shop: {image: 'web:1', port: 80, primary: true}}\n"
    text = f"name: shop\n{image}processes: {{nightly: {{command: [x], schedule: '0 3 * * *'}}}}\n"
    opened = workspace(tmp_path, text=text)
    job = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: nightly}\n"
    for files, is_ready in (({"Tiltfile": ""}, False), ({"Tiltfile": "", "manifests/nightly.yaml": job}, True)):
        rendered.write(opened.cache, files)
        rows = {row.name: row for row in feature._rows(opened, cluster(State.RUNNING), [])}
        assert rows["nightly"].ready is is_ready


def running(folder: Path, found: Cluster, started: datetime, **container: Any) -> WorkloadRow:
    """Return what is shown of a component without a port that counts as ready, by when its container started."""
    opened = workspace(folder, text="name: shop\ncomponents: {shop: {image: 'x:1', port: 0, primary: true}}\n")
    named = {"name": "shop", "labels": {SERVICE: "shop"}, "annotations": {RENDERED: "1"}}
    written = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": named, "spec": {"replicas": 1}}
    rendered.write(opened.cache, {"Tiltfile": "", "manifests/shop.yaml": json.dumps(written)})
    full = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    state = {"running": {"startedAt": started.isoformat()}}
    pod = {
        "kind": "Pod",
        "metadata": {"name": "shop-1", "labels": {SERVICE: "shop"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"containers": [{"name": "shop", **container}]},
        "status": {"containerStatuses": [{"name": "shop", "ready": True, "state": state}]},
    }
    [row] = feature._rows(opened, found, [{**written, "status": full}, pod])
    return row


@pytest.mark.requirement("LC-Q16")
def test_what_ran_before_its_node_started_is_not_ready(tmp_path: Path) -> None:
    """A machine that was started again starts its nodes, and their API servers tell at first what they knew before."""
    before = cluster(State.RUNNING)
    assert before.container is not None
    after = replace(before, container=replace(before.container, started_at=datetime.now(UTC).isoformat()))
    for found, said in ((before, ""), (after, "is starting again with the cluster")):
        row = running(tmp_path, found, datetime.now(UTC) - timedelta(hours=1))
        assert (row.ready, row.reason) == (not said, said)


@pytest.mark.requirement("LC-Q16")
def test_what_has_no_probe_and_has_just_started_is_not_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes calls it ready in the moment before it fails, and `kilter up` believes it no sooner."""
    monkeypatch.setattr(settled, "STEADY", 600.0)
    now, found = datetime.now(UTC), cluster(State.RUNNING)
    row = running(tmp_path, found, now)
    assert (row.ready, row.reason) == (False, "has just started")
    assert running(tmp_path, found, now, readinessProbe={}).ready
    assert running(tmp_path, found, now - timedelta(hours=1)).ready
    assert running(tmp_path, found, now + timedelta(hours=1)).ready, "its clock is wrong"


def test_a_stop_that_was_cut_off_is_told(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    write_whole(stopping_mark(here.machine.paths, "shop"), "")
    [note] = feature._notes(here, Cluster("shop", State.RUNNING), [])
    assert "`kilter stop` was cut off" in note
    assert not list(feature._notes(here, Cluster("shop", State.STOPPED), []))


def row_of(name: str, *, ready: bool, kind: Literal["component", "service"] = "component") -> WorkloadRow:
    reason = "" if ready else "is not applied yet"
    return WorkloadRow(name=name, kind=kind, ready=ready, reason=reason, in_cluster=None, localhost=None)


def resource(name: str, update: str, error: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"updateStatus": update, "buildHistory": [{"error": error}]}}


def heard(opened: Workspace, answer: str | Outcome) -> tilt.Heard:
    """What a Tilt tells that answers this."""
    assert isinstance(opened.machine.runner, FakeRunner)
    opened.machine.runner.answers = {tilt.commands(Path("tilt"), opened).resources().argv: answer}
    return tilt.heard(opened)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    image = "components: {shop: {image: 'x:1', port: 80, primary: true}}\n"
    opened = workspace(tmp_path, text=f"name: shop\n{image}services: {{redis: }}\n")
    monkeypatch.setattr(type(opened.machine), "tool", lambda _machine, name: Path(name))
    return opened


@pytest.mark.parametrize(
    ("update", "error", "said"),
    [
        ("error", "`npm ci` did\nnot complete", "could not be built or applied: `npm ci` did not complete"),
        ("in_progress", "of the build before", "is not applied yet"),
        ("ok", "", "is not applied yet"),
    ],
)
def test_of_an_app_that_is_not_there_the_failed_build_is_told(
    opened: Workspace, update: str, error: str, said: str
) -> None:
    rows = [row_of("shop", ready=False), row_of("redis", ready=False, kind="service")]
    told = heard(opened, json.dumps({"items": [resource("shop", update, error)]}))
    assert [row.reason for row in feature._with_builds(rows, told)] == [said, "is not applied yet"]
    assert not list(feature._outdated_by(rows, told)), "its row says so already"
    silent = heard(opened, Outcome(1, "", "no tilt apiserver found"))
    assert feature._with_builds(rows, silent) == rows
    assert not list(feature._outdated_by(rows, silent))


BEFORE = "and what runs is of before"


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (
            resource("shop", "error", "`npm ci` did\nnot complete"),
            [f"shop: the newest change could not be built or applied, {BEFORE}: `npm ci` did not complete"],
        ),
        (resource("shop", "in_progress", "of the build before"), [f"shop: is being built, {BEFORE}"]),
        (resource("shop", "pending"), [f"shop: is still to be built, {BEFORE}"]),
        (resource("shop", "ok"), []),
        (resource("shop", "none"), []),
        (resource("(Tiltfile)", "error", "no file"), [f"the dev loop could not read its files, {BEFORE}: no file"]),
        (resource("(Tiltfile)", "in_progress"), []),
        (
            {
                "kind": "FileWatch",
                "metadata": {"name": "image:shop", "annotations": {"tilt.dev/resource": "shop"}},
                "status": {"error": 'watch ("/x"): no space left on device'},
            },
            [
                "the dev loop does not watch the files of shop: `kilter up` starts it again (no space left on device)",
            ],
        ),
    ],
)
def test_that_what_serves_is_not_of_the_saved_files_is_told(
    opened: Workspace, item: dict[str, Any], said: list[str]
) -> None:
    """The pods of before stay ready, and the cluster knows of nothing else."""
    rows = [row_of("shop", ready=True), row_of("redis", ready=True, kind="service")]
    told = heard(opened, json.dumps({"items": [item]}))
    assert list(feature._outdated_by(rows, told)) == said
    assert feature._with_builds(rows, told) == rows


def test_of_apps_that_share_an_image_its_failed_build_is_told_once(opened: Workspace) -> None:
    rows = [row_of("shop", ready=True), row_of("worker", ready=True), row_of("side", ready=True)]
    items = [resource("shop", "error", "no"), resource("side", "error", "never"), resource("worker", "error", "no")]
    told = heard(opened, json.dumps({"items": items}))
    said = f"the newest change could not be built or applied, {BEFORE}"
    assert list(feature._outdated_by(rows, told)) == [f"shop, worker: {said}: no", f"side: {said}: never"]
    rows.reverse()
    in_order_of_the_file = [f"side: {said}: never", f"worker, shop: {said}: no"]
    assert list(feature._outdated_by(rows, told)) == in_order_of_the_file


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: }\n")
    return tmp_path / "kilter.yaml"


def asked() -> FakeRunner:
    """An engine without a cluster."""
    return FakeRunner(
        {
            **ENGINE,
            docker.inspect("kilter-shop-control-plane").argv: "[]",
        }
    )


@pytest.mark.requirement("LC-31")
def test_without_a_cluster_the_addresses_are_there_and_nothing_is_ready(tmp_path: Path, shop: Path) -> None:
    document = status(machine(tmp_path, asked()), load(shop))
    assert (document.state, document.ready, document.environment) == ("absent", False, "local")
    [row] = document.workloads
    assert (row.name, row.kind, row.ready, row.reason) == ("redis", "service", False, "")
    assert row.localhost is not None
    assert msgspec.json.decode(msgspec.json.encode(document))["schema"] == "kilter.status/v1"


@pytest.mark.requirement("LC-13")
def test_a_volume_without_its_claim_is_said_to_be_kept(tmp_path: Path) -> None:
    volume = {
        "kind": "PersistentVolume",
        "metadata": {"name": "data-redis-0", "annotations": {OBJECT: "PersistentVolume/data-redis-0"}},
        "status": {"phase": "Released"},
    }
    [note] = feature._notes(workspace(tmp_path), Cluster("shop", State.RUNNING), [volume])
    assert note.startswith("the claim of the volume data-redis-0 was deleted; its data is kept")


@pytest.mark.requirement("LC-Q21")
def test_data_without_a_cluster_is_said_to_be_there(tmp_path: Path, shop: Path) -> None:
    here = machine(tmp_path, asked())
    (here.paths.volumes("shop") / "pvc-1").mkdir(parents=True)
    [note] = status(here, load(shop)).notes
    assert "removed outside kilter" in note


def test_what_works_on_the_project_is_told(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    with project_lock(here.machine.paths, "shop", "up"):
        [note] = feature._notes(here, Cluster("shop", State.RUNNING), [])
    assert note.startswith(f"`kilter up` works on it right now (process {os.getpid()}, since 20")
    assert not list(feature._notes(here, Cluster("shop", State.RUNNING), []))


def test_the_cluster_of_a_name_that_the_file_has_no_longer_is_told(tmp_path: Path) -> None:
    before = workspace(tmp_path, text="name: shop\n")
    write_whole(before.machine.paths.cluster_mark("shop"), "shop\n")
    after = workspace(tmp_path, text="name: store\n")
    [note] = feature._notes(after, Cluster("store", State.ABSENT), [])
    assert note.startswith("this directory was shop: its cluster and data are still there")


@pytest.mark.requirement("CT-Q27")
def test_a_manifest_that_was_edited_into_no_yaml_is_told_and_hides_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature, "troubled", lambda *_: [])
    opened = workspace(tmp_path)
    rendered.write(opened.cache, {"Tiltfile": "", "manifests/redis.yaml": "kind: Service\n"})
    (opened.cache / "manifests/redis.yaml").write_text("a: [")
    assert [row.name for row in feature._rows(opened, cluster(State.RUNNING), [])] == ["redis"]
    [note] = feature._notes(opened, Cluster("shop", State.STOPPED), [])
    assert note.startswith(f"{opened.cache}/manifests/redis.yaml was edited")
    assert "`kilter render`" in note


def test_an_app_that_answers_with_a_servers_error_is_ready_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        ready, "answers", lambda _, asked: [(each, Answer(True, "answers 500", is_error=True)) for each in asked]
    )
    monkeypatch.setattr(feature, "conditions", lambda *_: [Condition("redis", True, "is ready")])
    [row] = feature._rows(workspace(tmp_path), cluster(State.RUNNING), [])
    assert row.ready
    assert row.reason.startswith("answers 500 at localhost:")


@pytest.mark.requirement("LC-Q30")
def test_why_a_pod_is_not_ready_is_not_hidden_by_its_silent_address(tmp_path: Path) -> None:
    opened = workspace(tmp_path)
    named = {"name": "redis", "labels": {SERVICE: "redis"}, "annotations": {RENDERED: "1"}}
    written = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": named, "spec": {"replicas": 1}}
    rendered.write(opened.cache, {"Tiltfile": "", "manifests/redis.yaml": json.dumps(written)})
    [row] = feature._rows(opened, cluster(State.RUNNING), [written])
    assert (row.ready, row.reason) == (False, "has no pod yet")
