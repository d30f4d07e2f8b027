"""The whole loop against a real API server with real controllers; Flux, kubelet, Gateway and Git are played."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from kilter.operator import kinds
from kilter.operator.lease import Times
from kilter.operator.program import Operator, Seams
from kilter.operator.settings import Gateway, Settings
from kilter.operator.watch import Limits

from .apiserver import ApiServer
from .pretend import FolderGit, Pretend, install, render

SOON = 60.0
IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
Thing = dict[str, Any]


@pytest.fixture(scope="module")
def platform(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pretend]:
    install(api)
    with Pretend(api, FolderGit(tmp_path_factory.mktemp("git"))) as pretend:
        yield pretend


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


def deploy(api: ApiServer, app: str, number: int = 1, **spec: Any) -> str:
    """Apply a KilterApp as kilter-server does; returns the deploy's id."""
    name, deploy_id = f"acme-{app}-dev", f"{app}-{number}"
    wanted = {
        "org": "acme",
        "app": app,
        "env": "dev",
        "class": "ephemeral",
        "deployId": deploy_id,
        "sequence": number,
        "actor": "mia",
        "image": IMAGE,
        "port": 8080,
    }
    metadata = {"name": name, "namespace": "kilter-apps"}
    thing = {"apiVersion": kinds.APP.api_version, "kind": "KilterApp", "metadata": metadata, "spec": wanted | spec}
    api.apply(kinds.APP.path("kilter-apps", name), thing, "kilter-server")
    return deploy_id


def kilter_app(api: ApiServer, app: str) -> Thing:
    found: Thing = api.request("GET", kinds.APP.path("kilter-apps", f"acme-{app}-dev"))
    return found


def status(api: ApiServer, app: str) -> Thing:
    return kilter_app(api, app).get("status") or {}


def until(api: ApiServer, app: str, condition: Callable[[Thing], object], seconds: float = SOON) -> Thing:
    limit = time.monotonic() + seconds
    while not condition(found := status(api, app)):
        assert time.monotonic() < limit, f"still {found}"
        time.sleep(0.1)
    return found


def phase(wanted: str, deploy_id: str) -> Callable[[Thing], bool]:
    return lambda found: found.get("phase") == wanted and found.get("deployId") == deploy_id


def conditions(found: Thing) -> dict[str, str]:
    return {each["type"]: each["status"] for each in found["conditions"]}


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
    time.sleep(2.0)
    before = kilter_app(api, "calm")["metadata"]["resourceVersion"]
    time.sleep(3.0)
    assert kilter_app(api, "calm")["metadata"]["resourceVersion"] == before
