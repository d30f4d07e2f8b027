"""The store of a cluster node, filled by a containerd that goes with it."""

import os
import tomllib
from pathlib import Path

import pytest

from testbed import engine, node, processes
from testbed.home import Home
from testbed.work import StageFailed, Work

CONTAINERD = """\
#!/bin/sh
echo "$$" >>{folder}/containerds
/bin/cat "$2" >{folder}/settings
: >{run}/preload.sock
exec sleep 60
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A stage that finds a containerd which only waits, and a `ctr` that fails."""
    home = Home(tmp_path / "cache", tmp_path / "run")
    home.run.mkdir()
    home.logs.mkdir(parents=True)
    for name, text in (
        ("containerd", CONTAINERD.format(folder=tmp_path, run=home.run)),
        ("ctr", "#!/bin/sh\nexit 1\n"),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(node, "tools_environment", lambda _: {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    return Work(home, "node")


def containerds(folder: Path) -> list[str | None]:
    """The start times of those that were started; None of one that has ended."""
    return [processes.start_time(int(pid)) for pid in (folder / "containerds").read_text().split()]


def test_its_containerd_ends_with_it(work: Work, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="ctr"):
        node.preload(work, tmp_path / "images.tar", tmp_path / "store", tmp_path / "tree")
    assert containerds(tmp_path) == [None]
    assert not engine.record(work.home, engine.PRELOAD).exists()


def test_its_containerd_makes_nothing_outside_of_the_store(work: Work, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="ctr"):
        node.preload(work, tmp_path / "images.tar", tmp_path / "store", tmp_path / "tree")
    told = tomllib.loads((tmp_path / "settings").read_text())
    assert told["plugins"]["io.containerd.internal.v1.opt"]["path"] == f"{tmp_path}/store/root/opt"


def test_one_that_a_killed_run_left_is_ended_first(work: Work, tmp_path: Path) -> None:
    note = engine.record(work.home, engine.PRELOAD)
    left = processes.spawn(note, ["sleep", "60"], work.log, os.environ)
    with pytest.raises(StageFailed, match="ctr"):
        node.preload(work, tmp_path / "images.tar", tmp_path / "store", tmp_path / "tree")
    assert processes.start_time(left) is None
