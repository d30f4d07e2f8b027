"""Which folder of this machine is looked at for room: that of an engine that is on it. What is said of too little."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from kilter.clusters.disk import GIB, check, of_engine
from kilter.errors import MachineLacks
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


class Usage(NamedTuple):
    free: int


def test_nothing_is_built_on_a_disk_of_less_than_two_gibibytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several places the scarcest counts, and of one that is not there yet what will hold it."""
    (small := tmp_path / "small").mkdir()
    left = {tmp_path: 9 * GIB, small: 2 * GIB}

    def look(place: Path) -> Usage:
        if place not in left:
            raise FileNotFoundError(2, "No such file or directory", str(place))
        return Usage(left[place])

    monkeypatch.setattr(shutil, "disk_usage", look)
    check([tmp_path, small])
    check([])
    left[small] -= 1
    check([tmp_path])
    with pytest.raises(MachineLacks, match=f"free at {small}") as caught:
        check([tmp_path, small / "images"])
    assert "docker system df" in caught.value.hint


def test_a_disk_that_cannot_be_looked_at_keeps_nobody_from_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(place: Path) -> Usage:
        raise OSError(5, "Input/output error", str(place))

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    check([tmp_path])
