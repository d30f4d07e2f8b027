"""What `kilter restart` replaces, and what it cannot."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from msgspec.structs import replace
from unit.dev.support import told, workspace

from kilter.dev import ready, rendered
from kilter.dev import restart as feature
from kilter.dev.probes import Answer
from kilter.dev.restart import restart
from kilter.dev.workspace import Workspace
from kilter.errors import BadInput, NotReady
from kilter.render.manifests import RENDERED, SERVICE
from kilter.tools.kubectl import Kubectl

COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")
TEXT = """
image: nginx:1
port: 80
services: {redis: , postgres: }
processes: {cleanup: {command: [clean], schedule: "0 * * * *"}}
"""
TREE = {
    "manifests/redis.yaml": "{kind: StatefulSet, metadata: {name: redis}}\n",
    "manifests/shop.yaml": "{kind: Deployment, metadata: {name: shop}}\n",
    "manifests/cleanup.yaml": "{kind: CronJob, metadata: {name: cleanup}}\n",
}
RESTARTS = {
    name: COMMANDS.restart(what).argv for name, what in (("redis", "statefulset/redis"), ("shop", "deployment/shop"))
}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A project that runs, but for one service that was added since."""
    monkeypatch.setattr(feature, "kubectl", lambda _workspace: COMMANDS)
    opened = workspace(tmp_path, FakeRunner(dict.fromkeys(RESTARTS.values(), "")), TEXT)
    rendered.write(opened.cache, TREE)
    return opened


def restarted(shop: Workspace) -> list[str]:
    """Return whose pods were replaced."""
    assert isinstance(shop.machine.runner, FakeRunner)
    asked = [command.argv for command in shop.machine.runner.commands]
    return [name for name, argv in RESTARTS.items() if argv in asked]


@pytest.mark.requirement("LC-33", "LC-Q30")
def test_the_named_services_get_new_pods(shop: Workspace) -> None:
    said = restart(shop.machine, shop.project, ("redis",), None)
    assert said == "restarted redis; volumes are as they were"
    assert restarted(shop) == ["redis"]


def seen(generation: int, *pods: dict[str, Any], ready: int = 1) -> str:
    """What the cluster says of `shop`, whose pods were asked to be replaced: generation 2."""
    told = {"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
    workload = {
        "kind": "Deployment",
        "metadata": {"name": "shop", "generation": 2, "annotations": {RENDERED: ""}},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": {"restartedAt": "now"}}}},
        "status": told,
    }
    return json.dumps({"kind": "List", "items": [workload, *pods]})


def pod(name: str, *, new: bool, crashes: bool = False) -> dict[str, Any]:
    state = {"waiting": {"reason": "CrashLoopBackOff"}} if crashes else {"running": {}}
    container = {"state": state, "ready": not crashes, "restartCount": 4, "lastState": {"terminated": {"exitCode": 1}}}
    marks = {"restartedAt": "now"} if new else {}
    metadata = {"name": name, "labels": {SERVICE: "shop"}, "annotations": marks, "creationTimestamp": ""}
    return {"kind": "Pod", "metadata": metadata, "status": {"containerStatuses": [container]}}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every address answers, and no time is lost."""
    monkeypatch.setattr(ready, "probe", lambda *_: Answer(True, "fine"))
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


def restart_of_shop(shop: Workspace, *looks: str) -> str:
    logs = COMMANDS.logs("shop-new", flags=(f"--tail={ready.LOG_LINES_SHOWN}", "--previous")).argv
    runner = FakeRunner({RESTARTS["shop"]: "", COMMANDS.get(ready.WATCHED).argv: list(looks), logs: "no such table\n"})
    machine = replace(shop.machine, runner=runner)
    return restart(machine, shop.project, ("shop",), 60.0)


@pytest.mark.requirement("LC-33", "LC-Q16")
@pytest.mark.usefixtures("answering")
def test_what_still_crashes_in_its_new_pod_is_said_with_its_log(shop: Workspace) -> None:
    old, new = pod("shop-old", new=False, crashes=True), pod("shop-new", new=True, crashes=True)
    with pytest.raises(NotReady) as caught:
        restart_of_shop(shop, seen(1, old, ready=0), seen(2, old, ready=0), seen(2, old, new, ready=0))
    assert caught.value.what == "shop ended with exit code 1, 4 times in a row"
    assert caught.value.details == ("no such table",)


@pytest.mark.requirement("LC-33", "LC-Q30")
@pytest.mark.usefixtures("answering")
def test_the_old_pods_never_count_as_the_new_ones(shop: Workspace) -> None:
    """Right after the request, all that the cluster says is of them."""
    old, new = pod("shop-old", new=False), pod("shop-new", new=True)
    ending = {**old, "metadata": {**old["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    looks = [seen(1, old), seen(2, old, ready=0), seen(2, ending, new), seen(2, new)]
    assert restart_of_shop(shop, *looks) == "restarted shop; volumes are as they were"


@pytest.mark.requirement("LC-33", "LC-Q30")
def test_what_is_restarted_waits_for_no_other_address(shop: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Postgres was added to kilter.yaml, and is not up yet."""
    ports = {each.name: each.port for each in ready.endpoints(shop.plan)}
    monkeypatch.setattr(ready, "probe", lambda _, port, __: Answer(port != ports["postgres"], "refused"))
    new = pod("shop-new", new=True)
    assert restart_of_shop(shop, seen(2, new)) == "restarted shop; volumes are as they were"


@pytest.mark.requirement("LC-33")
def test_a_process_with_a_schedule_has_no_pod_to_replace(shop: Workspace) -> None:
    with pytest.raises(BadInput, match="cleanup") as caught:
        restart(shop.machine, shop.project, ("redis", "cleanup"), None)
    assert "create job --from=cronjob/cleanup" in caught.value.hint
    assert restarted(shop) == []


@pytest.mark.requirement("LC-33")
def test_what_was_never_brought_up_has_no_pod_to_replace(shop: Workspace) -> None:
    with pytest.raises(NotReady, match="postgres") as caught:
        restart(shop.machine, shop.project, ("redis", "postgres"), None)
    assert caught.value.hint == "run `kilter up`"
    assert restarted(shop) == []


@pytest.mark.requirement("LC-Q30")
def test_without_a_name_all_that_runs_gets_new_pods_and_the_rest_is_told(shop: Workspace) -> None:
    said = restart(shop.machine, shop.project, (), None)
    assert said == "restarted redis, shop; volumes are as they were"
    assert restarted(shop) == ["redis", "shop"]
    [warning] = [line for line in told(shop.machine) if line.startswith("warn")]
    assert "postgres" in warning
    assert "cleanup" not in warning


def test_where_nothing_runs_nothing_is_said_to_be_restarted(shop: Workspace) -> None:
    rendered.write(shop.cache, {"manifests/cleanup.yaml": TREE["manifests/cleanup.yaml"]})
    with pytest.raises(NotReady, match="redis"):
        restart(shop.machine, shop.project, (), None)
