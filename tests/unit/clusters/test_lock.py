from pathlib import Path

import pytest

from kilter.clusters import lock
from kilter.clusters.lock import held
from kilter.clusters.node import creation_mark
from kilter.errors import Busy
from kilter.progress import Recorder
from kilter.state.lock import holder
from kilter.state.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache")


@pytest.mark.requirement("LC-Q22")
def test_who_holds_a_project_first_ends_the_creation_that_a_killed_kilter_left(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(trace: Path) -> bool:
        assert trace == creation_mark(paths, "shop")
        assert holder(paths, "shop") is not None, "without the lock, it may be the creation of one that lives"
        return True

    monkeypatch.setattr(lock, "end_traced", end)
    progress = Recorder()
    with held(paths, "shop", "up", progress):
        assert progress.lines == ["note: ended the creation of shop's cluster, which a killed kilter had left running"]


@pytest.mark.requirement("LC-Q22")
def test_who_does_not_get_the_lock_ends_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Recorder()
    with held(paths, "shop", "up", progress):
        monkeypatch.setattr(lock, "end_traced", lambda _: pytest.fail("it is the creation of one that lives"))
        with pytest.raises(Busy), held(paths, "shop", "stop", progress):
            pass
    assert progress.lines == []
