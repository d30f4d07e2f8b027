"""Which folder of this machine is looked at for room: that of an engine that is on it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from kilter.clusters.disk import of_engine
from kilter.proc import Outcome
from kilter.tools import docker


@pytest.mark.requirement("LC-Q4")
def test_the_disk_of_another_machine_is_not_looked_for_here(tmp_path: Path) -> None:
    """Both have a folder of that name, as a rule."""
    engine = replace(docker.parse_info(Outcome(0, "{}")), root=str(tmp_path))
    assert of_engine(engine, "unix:///run/docker.sock") == (tmp_path,)
    assert of_engine(engine, "ssh://build.example.com") == ()
    assert of_engine(replace(engine, root=str(tmp_path / "none")), "unix:///run/docker.sock") == ()
    assert of_engine(replace(engine, root=""), "unix:///run/docker.sock") == ()
