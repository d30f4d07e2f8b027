"""A Tilt that nothing records, as a process of this machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kilter.dev import tilt_process
from kilter.proc import Started, is_alive, start_time


@pytest.mark.requirement("LC-Q22")
@pytest.mark.parametrize("ours", [True, False])
def test_a_tilt_of_the_project_without_a_record_is_ended_and_any_other_program_is_not(
    ours: bool, tmp_path: Path
) -> None:
    home = tmp_path / "tilt"
    marked = {"TILT_DEV_DIR": str(home)} if ours else {"TILT_DEV_DIR": f"{home}-of-another"}
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; print(flush=True); time.sleep(60)"],
        env=os.environ | marked,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        started = Started(child.pid, start_time(child.pid) or "")
        assert tilt_process.end_orphan(child.pid, home) is ours
        assert is_alive(started) is not ours
        child.kill()
