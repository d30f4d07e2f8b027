"""What `kilter platform status` finds of a platform."""

import json
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.cli.platform_status import STORES, WALLS
from kilter.dev.machine import Machine
from kilter.errors import NotFound
from kilter.platform import parts
from kilter.platform.repository import looked
from kilter.platform.status import CONDITION, status
from kilter.platform.target import NAMESPACE, Target
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k"), "c", NAMESPACE)
HERE = Target("context c", Helm("helm", Path("/k"), NAMESPACE, Path("/h")), KUBECTL)
RELEASE = {"name": "kilter", "chart": "kilter-platform-0.1.0", "status": "deployed", "revision": "3"}
SERVER = {
    "metadata": {"name": "kilter-server", "generation": 1},
    "spec": {
        "replicas": 1,
        "template": {
            "spec": {
                "containers": [
                    {"image": "x/y:1", "env": [{"name": "KILTER_SERVER_PUBLIC_URL", "value": "https://k.example.com"}]}
                ]
            }
        },
    },
    "status": {"readyReplicas": 1, "updatedReplicas": 1, "observedGeneration": 1},
}


ROUTE = {
    "kind": "HTTPRoute",
    "spec": {"parentRefs": [{"name": "kilter", "sectionName": "http"}]},
    "status": {"parents": [{"parentRef": {"name": "kilter"}, "conditions": [{"type": "Accepted", "status": "True"}]}]},
}
GATEWAY = {"kind": "Gateway", "status": {"listeners": [{"name": "http", "conditions": []}]}}
FLUX_ASKED = KUBECTL.get("gitrepositories.source.toolkit.fluxcd.io", "kilter").argv
REPOSITORY = {
    "kind": "GitRepository",
    "metadata": {"generation": 1},
    "spec": {"url": "https://git.example.com/flux.git", "ref": {"branch": "main"}},
    "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]},
}
LEASE_ASKED = KUBECTL.get("leases.coordination.k8s.io", "kilter-operator").argv
GATEWAY_ASKED = KUBECTL.get("gateways.gateway.networking.k8s.io", "kilter", "--namespace", NAMESPACE).argv


def machine(tmp_path: Path, tried: str | Outcome) -> Machine:
    """Stand before a cluster whose server finds this when it tries the network policies."""
    served = json.dumps({"kind": "List", "items": [SERVER]})
    runner = FakeRunner(
        {
            HERE.helm.releases().argv: json.dumps([RELEASE]),
            KUBECTL.get(parts.WORKLOADS, selector=parts.OWN).argv: served,
            KUBECTL.get("deployment/kilter-server").argv: json.dumps(SERVER | {"kind": "Deployment"}),
            KUBECTL.execute("deployment/kilter-server", *CONDITION, container="server").argv: tried,
            KUBECTL.get("httproutes.gateway.networking.k8s.io", "kilter-server").argv: json.dumps(ROUTE),
            GATEWAY_ASKED: json.dumps(GATEWAY),
            FLUX_ASKED: json.dumps(REPOSITORY),
            LEASE_ASKED: json.dumps({"kind": "Lease", "metadata": {"annotations": {"kilter.dev/repository": "open"}}}),
        }
    )
    return Machine(runner, Paths(tmp_path / "data", tmp_path / "cache"), {}, Recorder())


@pytest.mark.requirement("DP-Q57")
@pytest.mark.parametrize(
    ("tried", "enforced"),
    [
        ('{"network_policy_enforced": true, "store_answers": true}\n', True),
        ('{"network_policy_enforced": false, "store_answers": true}\n', False),
        ('{"network_policy_enforced": null, "store_answers": null}\n', None),
        ("true\n", None),
        ("", None),
        (Outcome(1, "", "no pod runs"), None),
    ],
)
def test_the_server_in_its_pod_tries_whether_network_policies_are_enforced(
    tmp_path: Path, tried: str | Outcome, enforced: bool | None
) -> None:
    found = status(machine(tmp_path, tried), HERE)
    assert (found.ready, found.server, found.revision) == (True, "https://k.example.com", 3)
    assert found.network_policy_enforced is enforced
    assert found.network_policy_enforced in WALLS


def test_a_platform_whose_server_cannot_reach_its_store_is_not_ready_though_all_of_it_runs(tmp_path: Path) -> None:
    found = status(machine(tmp_path, '{"network_policy_enforced": true, "store_answers": false}'), HERE)
    assert (found.ready, found.store_answers, [part.up for part in found.parts]) == (False, False, [True])
    assert "does not answer" in STORES[found.store_answers]


def test_a_platform_whose_repository_flux_cannot_fetch_is_not_ready_though_all_of_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looked, "__defaults__", (0.0, None))  # seconds
    here = machine(tmp_path, "{}")
    assert isinstance(here.runner, FakeRunner)
    away = {"type": "Ready", "status": "False", "message": "authentication required", "observedGeneration": 1}
    flux = json.dumps(REPOSITORY | {"status": {"conditions": [away]}})
    here.runner.answers = {**here.runner.answers, FLUX_ASKED: flux}
    found = status(here, HERE)
    assert (found.ready, found.repository.reachable, [part.up for part in found.parts]) == (False, False, [True])
    assert found.repository.fault == "authentication required"


def test_a_platform_whose_repository_takes_no_commits_is_not_ready_though_all_of_it_runs(tmp_path: Path) -> None:
    here = machine(tmp_path, "{}")
    assert isinstance(here.runner, FakeRunner)
    refused = {"metadata": {"annotations": {"kilter.dev/repository": "the login is refused"}}}
    here.runner.answers = {**here.runner.answers, LEASE_ASKED: json.dumps(refused | {"kind": "Lease"})}
    found = status(here, HERE)
    assert (found.ready, found.repository.writable, [part.up for part in found.parts]) == (False, False, [True])
    assert found.repository.hindrance == "the login is refused"


def test_a_platform_whose_gateway_does_not_serve_it_is_not_ready(tmp_path: Path) -> None:
    here = machine(tmp_path, "{}")
    assert isinstance(here.runner, FakeRunner)
    here.runner.answers = {**here.runner.answers, GATEWAY_ASKED: ""}
    found = status(here, HERE)
    assert (found.ready, found.gateway.name) == (False, f"{NAMESPACE}/kilter")
    assert found.gateway.faults == ("there is no such Gateway",)


def test_a_platform_that_an_upgrade_left_half_changed_is_not_ready_though_all_of_it_runs(tmp_path: Path) -> None:
    here = machine(tmp_path, "{}")
    assert isinstance(here.runner, FakeRunner)
    half = json.dumps([RELEASE | {"status": "pending-upgrade"}])
    here.runner.answers = {**here.runner.answers, HERE.helm.releases().argv: half}
    found = status(here, HERE)
    assert (found.ready, found.state, [part.up for part in found.parts]) == (False, "pending-upgrade", [True])


def test_a_cluster_without_a_platform_has_no_status(tmp_path: Path) -> None:
    here = machine(tmp_path, "")
    assert isinstance(here.runner, FakeRunner)
    here.runner.answers = {HERE.helm.releases().argv: "[]"}
    with pytest.raises(NotFound, match="no platform on context c"):
        status(here, HERE)
