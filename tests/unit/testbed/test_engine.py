"""Starting and ending the engine, with stand-ins for all that would reach this machine's kernel."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from testbed import engine, network
from testbed.work import StageFailed, Work

NETWORKS = {
    "cluster": {"Id": "0123456789abcdef", "Options": None},
    "named": {"Id": "fedcba9876543210", "Options": {"com.docker.network.bridge.name": "mine0"}},
}


pytestmark = pytest.mark.usefixtures("kernel")


def answering(monkeypatch: pytest.MonkeyPatch, *answers: bool) -> None:
    """Let the engine answer so, one time after the other."""
    told = iter(answers)
    monkeypatch.setattr(engine, "answers", lambda _: next(told))


def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that would have been started."""
    programs: list[str] = []

    def note(_: Path, command: list[str], *__: Any) -> int:
        programs.append(Path(command[0]).name)
        return 0

    monkeypatch.setattr(engine, "spawn", note)
    monkeypatch.setattr(engine, "wait_until", lambda *_: None)
    return programs


def test_containerd_makes_nothing_outside_of_the_testbeds_folders(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    """Left to itself it makes /opt/containerd, and `down` cannot tell whose that is."""
    spawned(monkeypatch)
    engine.start_containerd(work.home, {})
    told = tomllib.loads((work.home.engine / "containerd.toml").read_text())
    paths = [told["root"], told["state"], told["plugins"]["io.containerd.internal.v1.opt"]["path"]]
    assert all(path.startswith((f"{work.home.root}/", f"{work.home.run}/")) for path in paths)


def test_an_engine_that_is_not_there_is_started_at_once(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    programs = spawned(monkeypatch)
    engine.start_dockerd(work.home, {})
    assert programs == ["dockerd"]


def test_a_start_that_breaks_off_leaves_word_of_whose_it_was(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(network, "raise_limits", refuse)
    with pytest.raises(PermissionError):
        engine.start(work)
    assert (work.home.run / "home").read_text() == str(work.home.root)
    assert (work.home.run / "engine").read_text() == str(work.home.artefact("engine"))


def docker(monkeypatch: pytest.MonkeyPatch, gone: str) -> list[str]:
    """A docker to which one container or network is gone by the time it is asked for; returns what it was asked."""
    asked: list[str] = []

    def answer(_: Work, *words: str) -> str:
        asked.append(" ".join(words))
        if gone in words:
            raise StageFailed(f"no such thing: {gone}")
        if words[:2] == ("network", "ls"):
            return "\n".join(NETWORKS)
        return json.dumps([NETWORKS[words[2]]]) if words[0] == "network" else "one\ntwo\n"

    monkeypatch.setattr(Work, "docker_read", answer)
    return asked


def test_containers_are_stopped_and_the_bridges_of_their_networks_told(
    monkeypatch: pytest.MonkeyPatch, work: Work
) -> None:
    asked = docker(monkeypatch, "")
    assert engine.stop_containers(work) == ["br-0123456789ab", "mine0"]
    assert "stop --time 3 one two" in asked


@pytest.mark.parametrize(("gone", "left"), [("one", ["br-0123456789ab", "mine0"]), ("cluster", ["mine0"])])
def test_what_goes_while_it_is_being_stopped_stops_nothing_else(
    monkeypatch: pytest.MonkeyPatch, work: Work, gone: str, left: list[str]
) -> None:
    docker(monkeypatch, gone)
    assert engine.stop_containers(work) == left


def test_everything_is_taken_back_when_the_engine_is_dead(work: Work, kernel: dict[str, Any]) -> None:
    work.home.run.mkdir()
    (work.home.run / "sysctl.json").write_text('{"net/ipv4/ip_forward": "0"}')
    engine.stop_all(work)
    assert not work.home.run.exists()
    assert kernel["remove_bridges"][0] == ["docker0"]
    assert kernel["remove_rules"][1] == {"iptables": "ACCEPT", "ip6tables": "ACCEPT"}
    assert kernel["restore_limits"] == (work.home.run / "sysctl.json",)


def test_the_network_of_another_engine_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch, work: Work, kernel: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "stranger", lambda _: True)
    engine.stop_all(work)
    assert kernel["remove_bridges"][0] == []
    assert "remove_rules" not in kernel
    assert "another container engine runs here" in capsys.readouterr().err


def test_only_what_the_testbed_mounts_is_unmounted(work: Work, kernel: dict[str, Any]) -> None:
    """A cache that lies in a person's own folder has their disks beside it."""
    home = work.home
    home.run.mkdir()
    engine.stop_all(work)
    assert kernel["unmount_below"] == ([home.engine, home.stages, home.run],)


def test_what_runs_in_a_container_is_ended_before_its_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    family = {1: [11, 12], 2: [21]}
    ended: list[int] = []
    monkeypatch.setattr(engine, "having_argument", lambda argument: [1, 2] if argument == "/run/x.sock" else [])
    monkeypatch.setattr(engine, "children", family.__getitem__)
    monkeypatch.setattr(engine, "end_process", lambda pid, _: ended.append(pid))
    engine.end_shims(Path("/run/x.sock"))
    assert ended == [11, 12, 1, 21, 2]
