"""The whole loop against a real API server with real controllers; Flux, kubelet, Gateway and Git are played."""

import asyncio
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from kilter.operator import kinds, reconcile
from kilter.operator.lease import Times
from kilter.operator.program import Operator, Seams
from kilter.operator.settings import Gateway, Settings
from kilter.operator.steps import publish
from kilter.operator.watch import Limits

from .apiserver import ApiServer
from .kilter_apps import (
    IMAGE,
    SOON,
    Thing,
    conditions,
    delete_namespace,
    deploy,
    gone,
    kilter_app,
    phase,
    status,
    there,
    until,
)
from .pretend import FLUX, FolderGit, Pretend, render


class Running:
    """An operator on a thread of its own."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            await self.operator.run(self._stop)

        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - looked at when it has ended
            self.error = error


@contextmanager
def operating(platform: Pretend, **changes: Any) -> Iterator[Running]:
    settings = Settings(
        domain="apps.example.com",
        tls=False,
        identity="test",
        kubeconfig=platform.api.kubeconfig(),
        gateway=Gateway(platform.url),
        address="127.0.0.1",
        port=0,
    )
    assert isinstance(platform.git, FolderGit)
    seams = Seams(
        render, platform.git.open, times=Times(lease=6, deadline=4.0, retry=0.5), limits=Limits(first_wait=0.1)
    )
    running = Running(Operator(replace(settings, **changes), seams))
    try:
        yield running
    finally:
        running.stop()
        assert running.error is None


@pytest.fixture(scope="module")
def operator(platform: Pretend) -> Iterator[Running]:
    with operating(platform) as running:
        yield running


@pytest.mark.requirement("DP-14", "DP-18", "DP-21", "DP-24")
def test_a_deploy_becomes_ready_step_by_step_and_every_phase_is_on_record(
    api: ApiServer, platform: Pretend, operator: Running
) -> None:
    deploy_id = deploy(api, "shop")
    found = until(api, "shop", phase("Ready", deploy_id))
    assert set(conditions(found).values()) == {"True"}
    assert found["url"] == "http://shop-dev.apps.example.com"
    assert found["internalUrl"] == "http://shop.acme-shop-dev.svc:8080"
    assert found["release"] == found["lastGoodRelease"]
    assert found["release"]["number"] == 1
    assert found["git"]["commit"] in platform.git.state()["history"]
    assert found["observedGeneration"] == kilter_app(api, "shop")["metadata"]["generation"]
    walked = [each["phase"] for each in found["phases"]]
    assert walked == ["Provisioning", "Preflight", "Publishing", "Reconciling", "RollingOut", "Ready"]
    assert all("finishedAt" in each for each in found["phases"][:-1])


def test_an_app_that_is_ready_costs_the_api_server_nothing(api: ApiServer, operator: Running) -> None:
    deploy_id = deploy(api, "calm")
    until(api, "calm", phase("Ready", deploy_id))
    time.sleep(1.0)
    before = kilter_app(api, "calm")["metadata"]["resourceVersion"]
    time.sleep(2.0)
    assert kilter_app(api, "calm")["metadata"]["resourceVersion"] == before


@pytest.mark.requirement("DP-48", "DP-Q45", "DP-Q50")
@pytest.mark.parametrize(("fate", "reason"), [("crash", "CrashLoop"), ("no-image", "ImagePullFailed")])
def test_a_release_that_cannot_start_fails_at_once_and_the_one_before_serves_on(
    api: ApiServer, platform: Pretend, operator: Running, fate: str, reason: str
) -> None:
    app = f"brave-{fate}"
    until(api, app, phase("Ready", deploy(api, app)))
    platform.pod_state[f"{app}-2"] = fate
    deploy_id = deploy(api, app, 2)
    found = until(api, app, phase("Failed", deploy_id))
    assert found["failure"]["reason"] == reason
    assert found["failure"]["phase"] == "RollingOut"
    assert found["failure"]["object"].startswith(f"Pod {app}-")
    assert found["lastGoodRelease"]["number"] == 1
    assert found["release"]["number"] == 2
    deployment = api.request("GET", kinds.DEPLOYMENT.path(f"acme-{app}-dev", app))
    assert deployment["status"]["readyReplicas"] == 1
    del platform.pod_state[f"{app}-2"]
    assert until(api, app, phase("Ready", deploy_id))["lastGoodRelease"]["number"] == 2


def waits_for_flux(found: Thing) -> bool:
    said = [each["message"] for each in found.get("conditions", ()) if each["type"] == "Reconciled"]
    return found.get("phase") == "Reconciling" and said[0].startswith("waiting for Flux to apply ")


@pytest.mark.requirement("F33")
def test_without_flux_nothing_is_applied_past_it_and_the_wait_says_since_when(
    api: ApiServer, platform: Pretend, operator: Running
) -> None:
    platform.flux_works = False
    try:
        deploy_id = deploy(api, "patient")
        until(api, "patient", waits_for_flux)
        time.sleep(1.5)
        assert waits_for_flux(status(api, "patient"))
        assert api.request("GET", kinds.DEPLOYMENT.path("acme-patient-dev"))["items"] == []
    finally:
        platform.flux_works = True
    until(api, "patient", phase("Ready", deploy_id))


class Later(datetime):
    """The operator's clock two hours on."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(hours=2)


@pytest.mark.requirement("DP-Q40")
def test_a_deadline_that_passes_is_a_failure_until_the_release_becomes_ready_after_all(
    api: ApiServer, platform: Pretend, operator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.pod_state["slow-1"] = "pending"
    deploy_id = deploy(api, "slow", timeouts={"ready": "1h"})
    until(api, "slow", lambda found: "0 of 1 pods are ready" in str(found.get("conditions")))
    monkeypatch.setattr(reconcile, "datetime", Later)
    later = {"metadata": {"annotations": {"test": "look again"}}}
    api.request("PATCH", kinds.APP.path("kilter-apps", "acme-slow-dev"), later, "merge-patch+json")
    found = until(api, "slow", phase("Failed", deploy_id))
    assert found["failure"]["reason"] == "DeadlineExceeded"
    assert found["failure"]["message"].startswith("not Ready within 1h 00m: slow: 0 of 1 pods are ready")
    del platform.pod_state["slow-1"]
    assert "failure" not in until(api, "slow", phase("Ready", deploy_id))


@pytest.mark.requirement("F32")
def test_a_deploy_that_git_does_not_take_is_not_published_and_goes_on_when_git_is_back(
    api: ApiServer, platform: Pretend, operator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RETRY", timedelta(seconds=1))
    until(api, "gitless", phase("Ready", deploy(api, "gitless")))
    assert isinstance(platform.git, FolderGit)
    broken = platform.git.folder / "broken"
    broken.touch()
    try:
        deploy_id = deploy(api, "gitless", 2)
        found = until(api, "gitless", lambda each: conditions(each)["Published"] == "False")
        assert found["phase"] == "Publishing"
        assert found["release"]["number"] == 1
    finally:
        broken.unlink()
    until(api, "gitless", phase("Ready", deploy_id))
    writes = [write for write in platform.git.state()["writes"] if write[0] == "apps/acme/gitless/dev"]
    assert [write[1] for write in writes] == ["gitless-1", "gitless-2"]


@pytest.mark.requirement("O2", "O4")
def test_a_namespace_of_somebody_else_is_refused_and_left_alone(api: ApiServer, operator: Running) -> None:
    metadata = {"name": "acme-taken-dev", "labels": {"team": "others"}}
    api.request("POST", "/api/v1/namespaces", {"metadata": metadata})
    found = until(api, "taken", phase("Failed", deploy(api, "taken")))
    assert found["failure"]["reason"] == "NamespaceTaken"
    assert found["failure"]["message"] == (
        "acme/taken/dev needs the namespace acme-taken-dev, which was not made by kilter"
    )
    left = api.request("GET", "/api/v1/namespaces/acme-taken-dev")
    assert left["metadata"]["labels"] == {"team": "others", "kubernetes.io/metadata.name": "acme-taken-dev"}
    api.request("DELETE", kinds.APP.path("kilter-apps", "acme-taken-dev"))
    gone(api, "taken")
    assert "deletionTimestamp" not in api.request("GET", "/api/v1/namespaces/acme-taken-dev")["metadata"]


@pytest.mark.requirement("O2", "C2")
def test_a_kustomization_of_somebody_else_is_refused_and_left_alone_and_nothing_is_committed_over_it(
    api: ApiServer, platform: Pretend, operator: Running
) -> None:
    spec = {"interval": "1h", "path": "./legacy", "prune": True, "targetNamespace": "default"}
    spec["sourceRef"] = {"kind": "GitRepository", "name": "kilter"}
    theirs = {"apiVersion": kinds.KUSTOMIZATION.api_version, "kind": "Kustomization", "spec": spec}
    theirs["metadata"] = {"name": "acme-legacy-dev", "labels": {"team": "others"}}
    path = kinds.KUSTOMIZATION.path(FLUX, "acme-legacy-dev")
    api.request("POST", kinds.KUSTOMIZATION.path(FLUX), theirs)
    found = until(api, "legacy", phase("Failed", deploy(api, "legacy")))
    assert found["failure"]["reason"] == "KustomizationTaken"
    assert found["failure"]["message"] == (
        f"acme/legacy/dev needs the Kustomization acme-legacy-dev in {FLUX}, which was not made by kilter for it"
    )
    assert "apps/acme/legacy/dev" not in platform.git.state()["tree"]
    api.request("DELETE", kinds.APP.path("kilter-apps", "acme-legacy-dev"))
    gone(api, "legacy")
    left = api.request("GET", path)
    assert (left["spec"], left["metadata"]["labels"]) == (spec, {"team": "others"})
    assert "deletionTimestamp" not in left["metadata"]


@pytest.mark.requirement("O4", "O8")
def test_what_others_change_of_the_namespace_comes_back_and_is_said(api: ApiServer, operator: Running) -> None:
    until(api, "walled", phase("Ready", deploy(api, "walled")))
    space = "/api/v1/namespaces/acme-walled-dev"
    enforce = "pod-security.kubernetes.io/enforce"
    changed = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "acme-walled-dev"}}
    changed["metadata"]["labels"] = {enforce: "privileged"}  # type: ignore[index]
    api.apply(space, changed, "kubectl-label")
    policy = kinds.NETWORK_POLICY.path("acme-walled-dev", "deny.kilter.dev")
    api.request("DELETE", policy)
    limit = time.monotonic() + SOON
    while api.request("GET", space)["metadata"]["labels"][enforce] != "restricted" or not there(api, policy):
        assert time.monotonic() < limit
        time.sleep(0.1)
    found = until(api, "walled", lambda each: each.get("warnings"))
    assert "kubectl-label" in found["warnings"][0]
    assert found["phase"] == "Ready"


def test_what_this_release_cannot_do_is_refused_before_anything_is_made(api: ApiServer, operator: Running) -> None:
    found = until(api, "eager", phase("Failed", deploy(api, "eager", migration={"run": True}, seeds={"run": True})))
    assert found["failure"]["phase"] == "Preflight"
    assert found["failure"]["reason"] == "NotYet"
    assert "`migration`, `seeds`" in found["failure"]["message"]
    assert not there(api, "/api/v1/namespaces/acme-eager-dev")


@pytest.mark.requirement("DP-50", "DP-51")
def test_an_internal_app_is_ready_without_a_route(api: ApiServer, operator: Running) -> None:
    found = until(api, "inner", phase("Ready", deploy(api, "inner", public=False)))
    assert "url" not in found
    assert found["internalUrl"] == "http://inner.acme-inner-dev.svc:8080"


@pytest.mark.requirement("DP-Q25", "F37")
def test_a_deleted_environment_leaves_nothing_and_touches_no_other(
    api: ApiServer, platform: Pretend, operator: Running
) -> None:
    until(api, "kept", phase("Ready", deploy(api, "kept")))
    until(api, "leaving", phase("Ready", deploy(api, "leaving")))
    api.request("DELETE", kinds.APP.path("kilter-apps", "acme-leaving-dev"))
    gone(api, "leaving")
    assert not there(api, "/api/v1/namespaces/acme-leaving-dev")
    assert not there(api, kinds.KUSTOMIZATION.path("flux-system", "acme-leaving-dev"))
    assert not there(api, kinds.SERVICE_ACCOUNT.path("flux-system", "acme-leaving-dev"))
    assert "apps/acme/leaving/dev" not in platform.git.state()["tree"]
    assert status(api, "kept")["phase"] == "Ready"
    assert there(api, "/api/v1/namespaces/acme-kept-dev")
    until(api, "leaving", phase("Ready", deploy(api, "leaving")))


@pytest.mark.requirement("DP-Q25")
def test_a_deletion_goes_on_when_the_last_pod_has_ended_however_much_time_it_had(
    api: ApiServer, platform: Pretend, operator: Running
) -> None:
    """By itself the controller of namespaces would look again after five minutes: half of what the pod was given."""
    deploy_id = deploy(api, "lingers")
    until(api, "lingers", phase("Ready", deploy_id))
    space = "acme-lingers-dev"
    grace = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 600}}}}
    api.request("PATCH", kinds.DEPLOYMENT.path(space, "lingers"), grace, "merge-patch+json")
    until(api, "lingers", lambda _: graces(api, space) == [600])
    platform.lingering.add(deploy_id)
    try:
        api.request("DELETE", kinds.APP.path("kilter-apps", space))
        until(api, "lingers", lambda found: "NamespaceEnding" in str(found["conditions"]))
        time.sleep(13.0)  # its first looks come after five seconds and after ten
        assert graces(api, space) == [600]
    finally:
        platform.lingering.discard(deploy_id)
    gone(api, "lingers")
    assert not there(api, kinds.NAMESPACE.path("", space))


def graces(api: ApiServer, space: str) -> list[int]:
    """Return how long each pod of a namespace is given to end."""
    pods = api.request("GET", kinds.POD.path(space))["items"]
    return [pod["spec"]["terminationGracePeriodSeconds"] for pod in pods]


@pytest.mark.requirement("F37")
@pytest.mark.parametrize("midway", ["Reconciling", "RollingOut", "Ready"])
def test_a_namespace_that_somebody_deletes_midway_comes_back_with_the_release(
    api: ApiServer, platform: Pretend, operator: Running, midway: str
) -> None:
    app = f"undone-{midway.lower()}"
    name, deploy_id = f"acme-{app}-dev", f"{app}-1"
    platform.flux_works = midway != "Reconciling"
    platform.pod_state |= {deploy_id: "pending"} if midway == "RollingOut" else {}
    try:
        until(api, app, phase(midway, deploy(api, app)))
        until(api, f"{app}", lambda found: midway != "RollingOut" or found.get("workloads"))
        delete_namespace(api, name)
        until(api, app, lambda _: there(api, kinds.NETWORK_POLICY.path(name, "deny.kilter.dev")))
    finally:
        platform.flux_works = True
        platform.pod_state.pop(deploy_id, None)
    until(api, app, lambda found: found["phase"] == "Ready" and there(api, kinds.DEPLOYMENT.path(name, app)))
    until(api, app, lambda each: [work["ready"] for work in each.get("workloads", ())] == [1])
    # What was Ready stays in that phase: only its conditions say when the last of it is back.
    until(api, app, lambda each: set(conditions(each).values()) == {"True"})
    assert len([write for write in platform.git.state()["writes"] if write[1] == deploy_id]) == 1, "committed once"


@pytest.mark.requirement("F37")
@pytest.mark.parametrize("midway", ["Reconciling", "RollingOut"])
def test_an_environment_that_is_deleted_midway_of_a_deploy_leaves_nothing_and_can_come_back(
    api: ApiServer, platform: Pretend, operator: Running, midway: str
) -> None:
    app = f"broken-off-{midway.lower()}"
    name = f"acme-{app}-dev"
    platform.flux_works = midway != "Reconciling"
    platform.pod_state[f"{app}-1"] = "pending"
    until(api, app, phase(midway, deploy(api, app)))
    platform.flux_works = True
    api.request("DELETE", kinds.APP.path("kilter-apps", name))
    gone(api, app)
    assert not there(api, kinds.NAMESPACE.path("", name))
    assert not there(api, kinds.KUSTOMIZATION.path("flux-system", name))
    assert f"apps/acme/{app}/dev" not in platform.git.state()["tree"]
    until(api, app, phase("Ready", deploy(api, app, 2)))


@pytest.mark.requirement("O4")
def test_what_others_change_of_a_kilterapp_comes_back_or_is_denied(api: ApiServer, operator: Running) -> None:
    deploy_id = deploy(api, "edited")
    until(api, "edited", phase("Ready", deploy_id))
    path, merge = kinds.APP.path("kilter-apps", "acme-edited-dev"), "merge-patch+json"
    for change in ({"org": "other"}, {"app": "other"}, {"env": "prod"}):
        with pytest.raises(urllib.error.HTTPError, match="never changes"):
            api.request("PATCH", path, {"spec": change}, merge)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "0"}
    for target in (path, kinds.NAMESPACE.path("", "acme-edited-dev")):
        api.request("PATCH", target, {"metadata": {"ownerReferences": [owner]}}, merge)
    api.request("PATCH", path, {"metadata": {"finalizers": None}}, merge)
    api.request("PATCH", f"{path}/status", {"status": {"phase": "Failed", "namespace": "acme-shop-prod"}}, merge)
    limit = time.monotonic() + SOON
    while True:
        found, space = kilter_app(api, "edited"), api.request("GET", kinds.NAMESPACE.path("", "acme-edited-dev"))
        state = (found["status"]["phase"], found["status"]["namespace"], found["metadata"].get("finalizers"))
        owners = (found["metadata"].get("ownerReferences"), space["metadata"].get("ownerReferences"))
        if (state, owners) == (("Ready", "acme-edited-dev", ["kilter.dev/cleanup"]), (None, None)):
            break
        assert time.monotonic() < limit, (state, owners)
        time.sleep(0.1)


BROKEN_STATUS = {"phase": "Dreaming", "phases": "none", "conditions": {"Ready": True}, "sequence": "many"}
GOOD = {"org": "acme", "env": "dev", "deployId": "d", "sequence": 1, "actor": "mia", "image": IMAGE, "port": 8080}
POISONS: dict[str, dict[str, Any]] = {
    "types": {"spec": {"sequence": "many"}},
    "missing": {"spec": {}},
    "none": {},
    "list": {"spec": ["a", {"b": None}]},
    "huge": {"spec": {**GOOD, "app": "huge", "vars": {"BIG": "x" * 1_400_000}}},
    "stateful": {"spec": {**GOOD, "app": "stateful"}},
}


@pytest.mark.requirement("O3")
def test_a_poison_object_fails_alone(api: ApiServer, operator: Running) -> None:
    """Objects from the time of an older CRD: the server keeps them, and this operator cannot read or handle them."""
    # What cannot be read may be published: an operator that meets it first takes no empty repository for its own.
    until(api, "older", phase("Ready", deploy(api, "older")))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kilterapps.kilter.dev"
    crd = api.request("GET", path)
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    loose = {"versions": [crd["spec"]["versions"][0] | {"schema": {"openAPIV3Schema": schema}}]}
    api.request("PATCH", path, {"spec": loose}, "merge-patch+json")
    try:
        for name, poison in POISONS.items():
            thing = {"apiVersion": kinds.APP.api_version, "kind": "KilterApp", **poison}
            thing["metadata"] = {"name": f"acme-{name}-dev", "namespace": "kilter-apps"}
            api.retried("POST", kinds.APP.path("kilter-apps"), thing, passing=[422])
        status_of = kinds.APP.path("kilter-apps", "acme-stateful-dev", "status")
        api.request("PATCH", status_of, {"status": BROKEN_STATUS}, "merge-patch+json")
        until(api, "healthy", phase("Ready", deploy(api, "healthy")))
        for name in POISONS:
            found = until(api, name, lambda each: each.get("phase") == "Failed")
            assert found["failure"]["reason"] == "Unreadable", name
        until(api, "healthy", phase("Ready", deploy(api, "healthy", 2)))
        for name in POISONS:
            api.request("DELETE", kinds.APP.path("kilter-apps", f"acme-{name}-dev"))
            gone(api, name)
    finally:
        api.request("PATCH", path, {"spec": {"versions": crd["spec"]["versions"]}}, "merge-patch+json")


@pytest.mark.requirement("O3")
def test_annotations_that_nobody_understands_do_no_harm(api: ApiServer, operator: Running) -> None:
    until(api, "noted", phase("Ready", deploy(api, "noted")))
    odd = {"kilter.dev/database": "}{", "kilter.dev/org": "\u202e" * 999, "reconcile.fluxcd.io/requestedAt": "soon"}
    path = kinds.APP.path("kilter-apps", "acme-noted-dev")
    for each in (path, kinds.NAMESPACE.path("", "acme-noted-dev")):
        api.request("PATCH", each, {"metadata": {"annotations": odd}}, "merge-patch+json")
    until(api, "noted", phase("Ready", deploy(api, "noted", 2)))
    api.request("DELETE", path)
    gone(api, "noted")
