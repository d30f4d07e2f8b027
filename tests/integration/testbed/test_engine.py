"""An engine that runs already, or something else in its place."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.testbed.test_engine import answering, docker, spawned

from testbed import engine, pins, processes
from testbed.processes import StartFailed
from testbed.work import StageFailed, Work

pytestmark = pytest.mark.usefixtures("kernel")


@pytest.fixture
def service(work: Work) -> Iterator[Path]:
    """The record of a dockerd that runs, and answers nothing."""
    note = engine.record(work.home, "dockerd")
    with subprocess.Popen(["sleep", "60"]) as child:
        processes.write(note, json.dumps({"pid": child.pid, "started": processes.start_time(child.pid)}))
        yield note
        processes.end_process(child.pid, 0.1)


def test_an_engine_that_answers_late_is_waited_for(monkeypatch: pytest.MonkeyPatch, work: Work, service: Path) -> None:
    answering(monkeypatch, False, False, True)
    monkeypatch.setattr(engine, "spawn", lambda *_: pytest.fail("a second one was started"))
    engine.start_dockerd(work.home, {})
    assert processes.recorded(service)


def test_an_engine_that_never_answers_is_replaced(monkeypatch: pytest.MonkeyPatch, work: Work, service: Path) -> None:
    limits = []

    def give_up(_: Any, __: Path, what: str, *limit: float) -> None:
        limits.append(limit)
        if len(limits) == 1:
            raise StartFailed(f"{what} did not answer")

    answering(monkeypatch, False)
    programs = spawned(monkeypatch)
    monkeypatch.setattr(engine, "wait_until", give_up)
    engine.start_dockerd(work.home, {})
    assert programs == ["dockerd"]
    assert processes.recorded(service) is None
    assert limits == [(), ()]


def test_what_else_listens_is_not_taken_for_the_registry(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    programs = spawned(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(pins, "MIRROR_PORT", port)
        with pytest.raises(StartFailed, match=f"something else listens on 127.0.0.1:{port}"):
            engine.start_registry(work.home, "127.0.0.1", {})
    assert programs == []


def test_a_docker_that_is_not_there_is_no_reason_to_leave_the_rest(work: Work) -> None:
    assert engine.stop_containers(work) == []


def test_a_testbed_of_another_home_that_was_started_meanwhile_is_not_ended(
    monkeypatch: pytest.MonkeyPatch, work: Work, service: Path, kernel: dict[str, Any]
) -> None:
    processes.write(work.home.run / "home", "/theirs")
    processes.write(work.home.run / "engine", "/theirs/tree")
    with pytest.raises(StageFailed, match="a testbed runs from /theirs; end it first"):
        engine.start(work)
    assert processes.recorded(service)
    assert kernel == {}


def test_an_engine_that_answers_late_is_asked_to_stop_its_containers(
    monkeypatch: pytest.MonkeyPatch, work: Work, service: Path, kernel: dict[str, Any]
) -> None:
    answering(monkeypatch, False, True)
    docker(monkeypatch, "")
    engine.stop_all(work)
    assert kernel["remove_bridges"][0] == ["br-0123456789ab", "mine0", "docker0"]
    assert processes.recorded(service) is None


def test_nothing_answers_on_a_socket_that_is_not_there(tmp_path: Path) -> None:
    assert not engine.answers(tmp_path / "docker.sock")
