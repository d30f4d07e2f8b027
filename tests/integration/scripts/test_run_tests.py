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
