"""Ending `make test` before its lanes have ended."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.script import loaded

run_tests = loaded(Path(__file__).resolve().parents[3] / "scripts/run_tests.py")
TIDY = """
import sys, time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("undone", flush=True)
    sys.exit(2)
"""


def test_asked_to_end_it_lets_the_lanes_undo_what_they_made() -> None:
    lanes = [subprocess.Popen([sys.executable, "-c", TIDY], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for lane in lanes:
        assert lane.stdout is not None
        assert lane.stdout.readline() == "begun\n"
    with run_tests.ended_in_peace(*lanes):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)  # the terminal tells the lanes by itself
        time.sleep(0)
        told = [lane.communicate(timeout=20)[0] for lane in lanes]
    assert told == ["undone\n"] * 2
    assert {lane.returncode for lane in lanes} == {2}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


TESTS = """
import pytest

@pytest.fixture
def missing():
    raise LookupError("there is no cluster")

def test_good():
    pass

def test_bad():
    print("of no use")
    assert "is up" == "is down", "x" * 2000

def test_unprepared(missing):
    pass
"""


def test_what_failed_in_a_lane_is_told_with_the_end_of_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "test_lane.py").write_text(TESTS)
    results = tmp_path / "lane.xml"
    words = (
        sys.executable,
        "-m",
        "pytest",
        "-q",
        f"--junit-xml={results}",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
    )
    assert subprocess.run([*words, str(tmp_path)], capture_output=True, check=False).returncode == 1
    told = run_tests.failures(results)
    assert "test_good" not in told
    bad, unprepared = told.split("\n\ntest_lane::")
    assert bad.startswith("test_lane::test_bad\n")
    assert bad.endswith("test_lane.py:13: AssertionError")
    assert len(bad) < 1_300
    assert unprepared.startswith("test_unprepared\n")
    assert "LookupError: there is no cluster" in unprepared


def test_a_lane_that_was_killed_has_no_results_and_that_is_told(tmp_path: Path) -> None:
    assert run_tests.failures(tmp_path / "lane.xml").startswith("The lane ended without its results: ")
    (tmp_path / "lane.xml").write_text(
        '<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>'
    )
    assert run_tests.failures(tmp_path / "lane.xml").startswith("No test of its own failed")
