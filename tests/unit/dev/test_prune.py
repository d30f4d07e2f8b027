"""What left kilter.yaml leaves the cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.dev.prune import leftovers, prune
from kilter.dev.reclaim import VOLUMES
from kilter.errors import Failed
from kilter.proc import Outcome
from kilter.render.ownership import OBJECT, PROJECT, PRUNED
from kilter.tools.kubectl import Kubectl

COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")
LOOK = COMMANDS.get(",".join([*PRUNED.values(), VOLUMES]), selector=f"{PROJECT}=shop").argv
TREE = {"manifests/web.yaml": "kind: Deployment\nmetadata: {name: web}\n"}


def item(kind: str, name: str, made_as: str | None = None, **metadata: Any) -> dict[str, Any]:
    """An object of the cluster that kilter made, unless it was `made_as` something else."""
    annotations = {OBJECT: f"{kind}/{name}" if made_as is None else made_as}
    return {"kind": kind, "metadata": {"name": name, "annotations": annotations, **metadata}}


@pytest.mark.requirement("CT-Q6", "NS-38")
def test_what_is_rendered_no_longer_is_left_over_and_what_is_rendered_is_not() -> None:
    found = [item("Service", "redis"), item("StatefulSet", "redis"), item("Deployment", "web")]
    assert leftovers(found, {"Deployment/web"}) == ["Service/redis", "StatefulSet/redis"]


def test_a_process_that_became_a_job_by_the_clock_leaves_its_old_workload_behind() -> None:
    found = [item("Deployment", "worker"), item("CronJob", "worker")]
    assert leftovers(found, {"CronJob/worker"}) == ["Deployment/worker"]


@pytest.mark.requirement("CT-Q6")
@pytest.mark.parametrize(
    "kind",
    ["PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition", "StorageClass", "Pod"],
)
def test_what_holds_data_is_never_left_over(kind: str) -> None:
    assert leftovers([item(kind, "redis")], set()) == []
    assert kind not in PRUNED


@pytest.mark.parametrize(
    "foreign",
    [
        item("Service", "mine", "Service/web"),  # `kubectl get -o yaml`, renamed and applied
        item("Service", "mine", ""),
        {"kind": "Service", "metadata": {"name": "mine", "labels": {PROJECT: "shop"}}},  # `kubectl expose`
        {"kind": "Service", "metadata": {"name": "mine", "annotations": None}},
        item("Job", "clean-1", ownerReferences=[{"kind": "CronJob"}]),
        item("Service", "web", deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
)
def test_what_kilter_did_not_make_or_what_goes_anyway_is_left_alone(foreign: dict[str, Any]) -> None:
    assert leftovers([foreign], set()) == []


def test_left_over_objects_are_deleted_at_once_and_named(tmp_path: Path) -> None:
    delete = COMMANDS.delete("Secret/redis-credentials", "StatefulSet/redis").argv
    found = [item("Deployment", "web"), item("StatefulSet", "redis"), item("Secret", "redis-credentials")]
    runner = FakeRunner({LOOK: json.dumps({"kind": "List", "items": found}), delete: "deleted"})
    opened = workspace(tmp_path, runner)
    assert prune(opened, COMMANDS, TREE) == ["Secret/redis-credentials", "StatefulSet/redis"]
    assert [command.argv for command in runner.commands] == [LOOK, delete]
    assert told(opened.machine) == [
        "step: remove what kilter.yaml no longer asks for",
        "remove what kilter.yaml no longer asks for: done: Secret/redis-credentials, StatefulSet/redis; volumes stay",
    ]


@pytest.mark.requirement("LC-13", "LC-Q18")
def test_a_volume_whose_claim_was_deleted_is_given_back_by_the_same_look(tmp_path: Path) -> None:
    released = item("PersistentVolume", "data-redis-0") | {"status": {"phase": "Released"}}
    unclaim = COMMANDS.unclaim("data-redis-0").argv
    runner = FakeRunner({LOOK: json.dumps({"kind": "List", "items": [released]}), unclaim: ""})
    assert prune(workspace(tmp_path, runner), COMMANDS, TREE) == []
    assert [command.argv for command in runner.commands] == [LOOK, unclaim]


@pytest.mark.parametrize("answer", ["", json.dumps({"kind": "List", "items": [item("Deployment", "web")]})])
def test_with_nothing_left_over_nothing_is_done_or_said(tmp_path: Path, answer: str) -> None:
    runner = FakeRunner({LOOK: answer})
    opened = workspace(tmp_path, runner)
    assert prune(opened, COMMANDS, TREE) == []
    assert [command.argv for command in runner.commands] == [LOOK]
    assert told(opened.machine) == []


def test_a_cluster_that_does_not_answer_deletes_nothing(tmp_path: Path) -> None:
    opened = workspace(tmp_path, FakeRunner({LOOK: Outcome(1, "", "connection refused")}))
    with pytest.raises(Failed):
        prune(opened, COMMANDS, TREE)
