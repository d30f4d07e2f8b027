"""Which machines can run the testbed, and what the others are told."""

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed import engine, machine, network, processes
from testbed.home import Home
from testbed.machine import Unfit

ALL = "CapEff:\t000001ffffffffff\n"
UNPRIVILEGED = "Name:\tpython3\nCapEff:\t00000000a80425fb\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel of a machine tells on which an engine can run."""
    folder = tmp_path / "proc"
    for name in ("self/status", *(f"sys/{setting}" for setting in machine.SETTINGS)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(ALL)
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(machine, "check_archive", lambda: None)
    (folder / "cgroup.controllers").touch()
    return folder


@pytest.mark.parametrize("here", [("Linux", "aarch64"), ("Darwin", "arm64"), ("Darwin", "x86_64")])
def test_another_system_is_told_what_it_takes(monkeypatch: pytest.MonkeyPatch, here: tuple[str, str]) -> None:
    monkeypatch.setattr(platform, "system", lambda: here[0])
    monkeypatch.setattr(platform, "machine", lambda: here[1])
    with pytest.raises(Unfit, match=f"^the testbed needs Linux on x86_64, and this is {here[0]} on {here[1]}$"):
        machine.check_system()


def test_who_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unfit, match="must run as root"):
        machine.check_user()


def test_a_machine_with_everything_passes(proc: Path) -> None:
    machine.check_engine(proc, proc)


def test_a_container_without_rights_is_told_which(proc: Path) -> None:
    (proc / "self/status").write_text(UNPRIVILEGED)
    with pytest.raises(Unfit, match="needs CAP_NET_ADMIN and CAP_SYS_ADMIN, which root of this container does not"):
        machine.check_engine(proc, proc)


def test_a_kernel_whose_settings_are_closed_is_told(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path.name != "ip_forward")
    with pytest.raises(Unfit, match="/proc/sys/net/ipv4/ip_forward cannot be written"):
        machine.check_engine(proc, proc)


@pytest.mark.parametrize(("there", "fits"), [("devices", True), ("cpu", False)])
def test_control_groups_are_needed_of_either_version(proc: Path, tmp_path: Path, there: str, fits: bool) -> None:
    groups = tmp_path / "groups"
    (groups / there).mkdir(parents=True)
    if fits:
        machine.check_engine(proc, groups)
    else:
        with pytest.raises(Unfit, match="needs control groups"):
            machine.check_engine(proc, groups)


def test_a_machine_without_debians_programs_is_told(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(Unfit, match="no `apt-get` on PATH"):
        machine.check_engine(proc, proc)


@pytest.mark.parametrize(
    ("told", "keyring", "why"),
    [
        ("http://archive.example/ubuntu noble\n", "/", "apt knows no Debian bookworm archive"),
        ("http://archive.example/debian bookworm\n", "/nonexistent", "their keys are not here: /nonexistent"),
        ("http://archive.example/debian bookworm\n", "/", ""),
    ],
)
def test_everything_comes_from_debian(monkeypatch: pytest.MonkeyPatch, told: str, keyring: str, why: str) -> None:
    answer: Any = subprocess.CompletedProcess([], 0, told, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    if not why:
        return machine.check_archive(Path(keyring))
    with pytest.raises(Unfit, match=why):
        machine.check_archive(Path(keyring))
    return None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A machine without an engine of any kind."""
    monkeypatch.setattr(engine, "DEFAULT_SOCKET", tmp_path / "docker.sock")
    monkeypatch.setattr(engine, "answers", lambda _: False)
    monkeypatch.setattr(network, "exists", lambda _: False)
    return Home(tmp_path / "cache", tmp_path / "run")


def test_an_engine_on_the_default_socket_is_not_joined(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.check_alone(home)
    monkeypatch.setattr(engine, "answers", lambda path: path == engine.DEFAULT_SOCKET)
    with pytest.raises(Unfit, match=r"another container engine answers on .*; stop that one"):
        machine.check_alone(home)


def test_a_link_to_the_testbeds_own_socket_is_no_other_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.DEFAULT_SOCKET.symlink_to(home.socket)
    monkeypatch.setattr(engine, "answers", lambda _: True)
    machine.check_alone(home)


def test_the_bridge_of_an_engine_that_runs_is_not_shared(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may listen anywhere."""
    monkeypatch.setattr(network, "exists", lambda name: name == "docker0")
    monkeypatch.setattr(processes, "named", lambda name: [4711] if name == "dockerd" else [])
    with pytest.raises(Unfit, match=r"another container engine \(process 4711\) runs here and has the bridge"):
        machine.check_alone(home)
    home.run.mkdir()  # it is the testbed's own
    machine.check_alone(home)


def test_a_bridge_that_no_engine_uses_any_more_is_taken_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "exists", lambda _: True)
    monkeypatch.setattr(processes, "named", lambda _: [])
    machine.check_alone(home)
