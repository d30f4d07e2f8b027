"""Who leads: hand-over between processes that are paused, killed and cut off, and what a deposed one may still do."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

import pytest

from kilter.gitops.model import Fence
from kilter.operator import kinds
from kilter.operator.kube import Kube, configuration, session
from kilter.operator.lease import Deposed, Elector, Lapsed, Leadership, Times
from kilter.operator.publications import ClosedWriter, Publications
from kilter.operator.reconcile import reconcile
from kilter.operator.settings import Settings
from kilter.operator.stores import Stores
from kilter.operator.world import World

from .apiserver import ApiServer
from .kilter_apps import deploy, kilter_app, phase, status, until
from .lists import fill
from .operator_main import LEASE, SILENCE, STANDS_BY, TIMES
from .pretend import FolderGit, Pretend, render
from .proxy import SilentProxy

CHANCE = random.SystemRandom()
TESTS = Path(__file__).parent.parent
OF_OPERATORS = "/apis/coordination.k8s.io/v1/namespaces/kilter-system/leases/kilter-operator"


@dataclass
class Process:
    """An operator that runs as a process."""

    child: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def ended(self, seconds: float = 20.0) -> int:
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGUSR1)
            time.sleep(0.5)
            raise AssertionError(self.log.read_text()) from None

    def leads(self) -> bool:
        return "leading as number" in self.log.read_text()


@contextmanager
def operator(platform: Pretend, folder: Path, name: str, url: str = "", *, lease: int = LEASE) -> Iterator[Process]:
    """Start an operator; whatever becomes of it, it is ended."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KILTER_")}
    environment = kept | {
        "PYTHONPATH": str(TESTS),
        "KUBECONFIG": str(platform.api.kubeconfig(name, url=url)),
        "KILTER_POD_NAME": name,
        "KILTER_CLUSTER_DOMAIN": "apps.example.com",
        "KILTER_TLS": "false",
        "KILTER_GATEWAY_URL": platform.url,
        "KILTER_ADDRESS": "127.0.0.1",
        "KILTER_PORT": "0",
    }
    log = folder / f"{name}.log"
    assert isinstance(platform.git, FolderGit)
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "conformance.operator_main", str(platform.git.folder), str(lease)]
        child = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    process = Process(child, log)
    try:
        yield process
    except BaseException as error:
        error.add_note(f"the operator {name} said:\n{log.read_text()}")
        raise
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGCONT)
            child.kill()
        child.wait(20)


def wait_for(condition: Callable[[], object], seconds: float = 40.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def holder(api: ApiServer) -> str:
    lease = api.request("GET", OF_OPERATORS)
    return str(lease["spec"].get("holderIdentity") or "")


def writes(platform: Pretend, app: str) -> list[list[object]]:
    return [write for write in platform.git.state()["writes"] if write[0] == f"apps/acme/{app}/dev"]


@pytest.mark.requirement("F26")
def test_a_rolling_update_hands_over_at_once_and_without_a_double_act(
    api: ApiServer, platform: Pretend, tmp_path: Path
) -> None:
    with suppress(HTTPError):  # that of an operator which an earlier test has killed would be waited for
        api.request("DELETE", OF_OPERATORS)
    with operator(platform, tmp_path, "old", lease=300) as old:
        until(api, "roll", phase("Ready", deploy(api, "roll")))
        with operator(platform, tmp_path, "new", lease=300) as new:
            wait_for(lambda: STANDS_BY in new.log.read_text())
            assert not new.leads()
            old.signal(signal.SIGTERM)
            assert old.ended() == 0
            wait_for(new.leads)  # long before the lease would have run out
            until(api, "roll", phase("Ready", deploy(api, "roll", 2)))
    assert [write[1] for write in writes(platform, "roll")] == ["roll-1", "roll-2"]


@pytest.mark.requirement("F26")
@pytest.mark.parametrize("round_", range(2))
def test_a_leader_that_is_paused_and_comes_back_writes_nothing_any_more(
    api: ApiServer, platform: Pretend, tmp_path: Path, round_: int
) -> None:
    app = f"pause{round_}"
    with operator(platform, tmp_path, "first") as first:
        wait_for(first.leads)
        with operator(platform, tmp_path, "second") as second:
            deploy_id = deploy(api, app)
            time.sleep(CHANCE.uniform(0.0, 0.6))
            first.signal(signal.SIGSTOP)
            wait_for(second.leads)
            found = until(api, app, phase("Ready", deploy_id))
            later = deploy(api, app, 2)
            first.signal(signal.SIGCONT)
            assert first.ended() == 3
            assert "Deposed" in first.log.read_text()
            found = until(api, app, phase("Ready", later))
            assert holder(api).startswith("second-")
            second.signal(signal.SIGTERM)
            assert second.ended() == 0
    made = writes(platform, app)
    assert [write[1] for write in made] == [deploy_id, later], "each deploy was committed once"
    assert made[-1][2] == found["fence"]
    assert found["fence"] == platform.git.state()["fence"]


@pytest.mark.requirement("F23", "F26")
@pytest.mark.parametrize("round_", range(2))
def test_a_leader_that_is_killed_at_any_moment_is_succeeded(
    api: ApiServer, platform: Pretend, tmp_path: Path, round_: int
) -> None:
    app = f"killed{round_}"
    with operator(platform, tmp_path, "first") as first, operator(platform, tmp_path, "second") as second:
        wait_for(lambda: first.leads() or second.leads())
        leader, other = (first, second) if first.leads() else (second, first)
        deploy_id = deploy(api, app)
        time.sleep(CHANCE.uniform(0.0, 0.5))
        leader.signal(signal.SIGKILL)
        until(api, app, phase("Ready", deploy_id))
        wait_for(other.leads)
        other.signal(signal.SIGTERM)
        assert other.ended() == 0
    assert [write[1] for write in writes(platform, app)] == [deploy_id]


@pytest.mark.requirement("F30")
def test_an_operator_outlives_an_api_server_that_is_away_and_one_that_falls_silent(
    api: ApiServer, platform: Pretend, tmp_path: Path
) -> None:
    with (
        SilentProxy(api.port) as proxy,
        operator(platform, tmp_path, "only", f"https://127.0.0.1:{proxy.port}") as only,
    ):
        until(api, "outlive", phase("Ready", deploy(api, "outlive")))
        api.stop(sent=signal.SIGKILL)
        time.sleep(LEASE + 0.5)
        api.start_api()
        until(api, "outlive", phase("Ready", deploy(api, "outlive", 2)))
        proxy.silent.set()
        deploy_id = deploy(api, "outlive", 3)
        time.sleep(SILENCE + 2.0)
        assert status(api, "outlive")["deployId"] == "outlive-2"
        proxy.silent.clear()
        until(api, "outlive", phase("Ready", deploy_id))
        assert only.child.poll() is None, "one process lived through all of it"
        assert len(only.log.read_text().split("leading as number")) == 2
        only.signal(signal.SIGTERM)
        assert only.ended() == 0
    assert [write[1] for write in writes(platform, "outlive")] == ["outlive-1", "outlive-2", "outlive-3"]


@pytest.mark.requirement("F26")
def test_the_api_server_itself_refuses_the_status_of_a_deposed_leader(api: ApiServer, platform: Pretend) -> None:
    """Even with a fresh copy of the object and with every local check switched off."""
    deploy(api, "fenced")
    with session(configuration(api.kubeconfig())) as client:
        kube = Kube(client)
        newer = world(platform, kube, Fence(2**52 + 2, "new"))
        reconcile(newer, "acme-fenced-dev")
        before = kilter_app(api, "fenced")
        older = world(platform, kube, Fence(2**52 + 1, "old"))
        with pytest.raises(Deposed):
            reconcile(older, "acme-fenced-dev")
        assert kilter_app(api, "fenced")["status"] == before["status"]


@pytest.mark.requirement("F26", "F41")
@pytest.mark.usefixtures("platform")  # which makes the namespace
def test_of_many_that_stand_by_one_leads_and_every_number_is_higher_than_the_one_before(api: ApiServer) -> None:
    """Electors on one thread each, with a lease of their own; each leads once and steps down."""
    place = ("kilter-system", "contested")
    times, numbers = Times(lease=2, deadline=1.0, retry=0.05), []
    with session(configuration(api.kubeconfig())) as client:
        for name in ("a", "b", "c"):
            elector = Elector(Kube(client), *place, identity=name, times=times)
            rival = Elector(Kube(client), *place, identity=f"{name}-rival", times=times)

            def lead(fence: Fence, elector: Elector = elector, rival: Elector = rival) -> None:
                numbers.append(fence.number)
                assert rival._attempt()
                assert not rival.leadership.leads
                elector.stopping.set()

            elector.run(lead)
            assert not elector.leadership.leads
            elector.release()
        api.request("DELETE", kinds.LEASE.path(*place))
        time.sleep(1.1)
        elector = Elector(Kube(client), *place, identity="d", times=times)

        def lead_once(fence: Fence) -> None:
            numbers.append(fence.number)
            elector.stopping.set()

        elector.run(lead_once)
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 4


@pytest.mark.requirement("F15", "F26")
def test_a_leader_that_cannot_renew_stops_writing_within_its_deadline_and_goes_on_when_it_can(api: ApiServer) -> None:
    place = ("kilter-system", "lapsing")
    with SilentProxy(api.port) as proxy:
        config = configuration(api.kubeconfig("lapsing", url=proxy.url))
        with session(config) as client:
            elector = Elector(Kube(client), *place, identity="me", times=TIMES)
            assert elector._attempt()
            first = elector.leadership.fence()
            proxy.silent.set()
            time.sleep(TIMES.deadline)
            with pytest.raises(Lapsed):
                elector.leadership.fence()
            proxy.silent.clear()
            assert elector._attempt()
            assert elector.leadership.fence() == first


def world(platform: Pretend, kube: Kube, fence: Fence) -> World:
    """A leader without a loop, that believes in itself whatever happens."""
    leadership = Leadership()
    leadership.hold(fence, float("inf"))
    settings = Settings(domain="apps.example.com", tls=False)
    stores = Stores()
    fill(kube, stores, settings, "acme-fenced-dev")
    publications = Publications(ClosedWriter(), lambda _: None)
    gateway = platform.gateway()
    return World(settings, kube, stores, leadership, publications, render, gateway)
