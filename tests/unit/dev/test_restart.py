"""What `kilter restart` replaces, and what it cannot."""

from pathlib import Path

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.dev import rendered
from kilter.dev import restart as feature
from kilter.dev.restart import restart
from kilter.dev.workspace import Workspace
from kilter.errors import BadInput, NotReady
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
