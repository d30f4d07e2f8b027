"""What threads cannot prove: records and locks between processes. Needs no engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kilter.errors import Busy
from kilter.state import records
from kilter.state.lock import holder, project_lock
from kilter.state.paths import Paths

CLAIM = """
import sys
from pathlib import Path
from kilter.state import records
from kilter.state.paths import Paths
root, name = Path(sys.argv[1]), sys.argv[2]
(root / name).mkdir()
paths = Paths(root / "data", root / "cache")
print("claims", flush=True)
records.claim(paths, name, root / name)
print(records.assign(paths, name, ["a/x", "b/x"], {}).base)
"""
HOLD = """
import sys, time
from pathlib import Path
from kilter.state.lock import project_lock
from kilter.state.paths import Paths
root = Path(sys.argv[1])
with project_lock(Paths(root / "data", root / "cache"), "shop", "up"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.requirement("NS-Q14", "NS-16")
def test_fifty_first_claims_of_fifty_processes_get_fifty_distinct_blocks(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", CLAIM, str(tmp_path), f"p{number}"], stdout=subprocess.PIPE, text=True)
        for number in range(50)
    ]
    bases = [child.communicate(timeout=120)[0].removeprefix("claims\n").strip() for child in started]
    assert len(set(bases)) == 50
    assert "" not in bases
    assert len(records.all(Paths(tmp_path / "data", tmp_path / "cache"))) == 50


@pytest.mark.requirement("LC-Q22")
def test_a_lock_is_seen_by_other_processes_and_ends_with_a_killed_holder(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "cache")
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        by = holder(paths, "shop")
        assert by is not None
        assert by.pid == child.pid
        with pytest.raises(Busy, match="kilter up"), project_lock(paths, "shop", "down"):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
    with project_lock(paths, "shop", "down"):
        assert holder(paths, "shop") is not None


@pytest.mark.requirement("NS-Q14")
def test_a_writer_killed_at_any_moment_leaves_a_readable_record(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "data", tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    records.claim(paths, "mine", tmp_path / "mine")

    def claiming(name: str) -> "subprocess.Popen[str]":
        """Start a writer; returns when it is about to write."""
        child = subprocess.Popen([sys.executable, "-c", CLAIM, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "claims\n"
        return child

    with claiming("whole") as whole:
        began = time.monotonic()
        assert whole.wait(60) == 0
        lasts = time.monotonic() - began
    ends = []
    for number in range(30):
        with claiming(f"p{number}") as child:
            time.sleep(lasts * number / 30)
            child.kill()
            ends.append(child.wait(10))
        assert records.read(paths, "mine") is not None
        assert "whole" in {record.project for record in records.all(paths)}
    assert -signal.SIGKILL in ends
    records.assign(paths, "mine", ["a/x"], {})
