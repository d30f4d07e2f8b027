"""What `make test` makes of its two lanes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness.script import loaded

ROOT = Path(__file__).resolve().parents[3]
TIDY = """
import sys, time
try:
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("undone", flush=True)
    sys.exit(2)
"""
run_tests = loaded(ROOT / "scripts/run_tests.py")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({0}, 0), ({0, 1}, 1), ({0, 5}, 0), ({5}, 5), ({1, 3}, 3),
        ({0, -9}, 9), ({-9}, 9), ({5, -11}, 11),
    ],
)  # fmt: skip
def test_a_lane_that_failed_or_was_killed_is_never_a_success(codes: set[int], expected: int) -> None:
    assert run_tests.worst(codes) == expected


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
