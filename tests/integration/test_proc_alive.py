"""Which process is meant by a record of one."""

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from kilter import proc
from kilter.proc import Started, is_alive, start_time


@pytest.mark.requirement("LC-Q7")
@pytest.mark.skipif(not Path("/bin/ps").exists(), reason="no ps here")
def test_off_linux_a_process_is_the_same_in_every_time_zone_and_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proc, "_has_proc", lambda: False)
    monkeypatch.setenv("TZ", "Europe/Berlin")
    own = Started(os.getpid(), start_time(os.getpid()) or "")
    of_before = Started(own.pid, proc._shown_start(own.pid, {}) or "")
    assert of_before != own
    assert is_alive(of_before), "a record of an older kilter is read as long as its zone is the same"
    monkeypatch.setenv("TZ", "America/New_York")
    assert is_alive(own)
    assert not is_alive(replace(own, start_time="Thu Jan  1 00:00:00 1970"))
