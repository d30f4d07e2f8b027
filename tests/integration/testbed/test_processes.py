"""Processes that outlive who started them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import engine, processes

PARENT = """\
import pathlib, subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
half = pathlib.Path(sys.argv[1], "half")
half.write_text(str(child.pid))
half.rename(pathlib.Path(sys.argv[1], "child"))
time.sleep(60)
"""


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    """A process with one child, called as a shim is: with a path that nothing else has among its arguments."""
    note = tmp_path / "parent.json"
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)]) as parent:
        processes.write(note, json.dumps({"pid": parent.pid, "started": processes.start_time(parent.pid)}))
        processes.wait_until((tmp_path / "child").exists, note, "the parent")
        yield parent.pid
        for left in (*processes.children(parent.pid), parent.pid):
            processes.end_process(left, 0.1)


def test_the_children_of_a_process_are_found(parent: int, tmp_path: Path) -> None:
    assert processes.children(parent) == [int((tmp_path / "child").read_text())]


def test_a_shim_is_ended_with_what_runs_in_its_container(parent: int, tmp_path: Path) -> None:
    (child,) = processes.children(parent)
    engine.end_shims(tmp_path)
    assert processes.start_time(child) is None
    assert processes.start_time(parent) is None


def test_a_child_that_has_ended_and_was_not_collected_is_none() -> None:
    with subprocess.Popen(["true"]) as child:
        while processes.start_time(child.pid):
            pass
        assert child.pid not in processes.children(os.getpid())


def test_what_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waited"))
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as child:
        while processes.start_time(child.pid):
            pass
        processes.end_process(child.pid, 20.0)


def test_a_recorded_process_is_told_from_a_later_one_of_its_pid(tmp_path: Path, parent: int) -> None:
    note = tmp_path / "parent.json"
    assert processes.recorded(note) == parent
    note.write_text(json.dumps({"pid": parent, "started": "1"}))
    assert processes.recorded(note) is None


def test_a_service_does_not_hang_on_the_directory_that_it_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dockerd publishes no port any more once that is gone: the shell it runs for it complains, and it gives up."""
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    pid = processes.spawn(tmp_path / "note", ["sleep", "60"], tmp_path / "log", os.environ)
    try:
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    finally:
        processes.end_process(pid, 5.0)
