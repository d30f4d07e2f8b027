"""What `kilter render` writes, shows and compares, by the names of files."""

from pathlib import Path

import pytest
from unit.dev.support import workspace

from kilter.dev import rendered, tilt
from kilter.dev.machine import Machine
from kilter.dev.rendering import Rendering, difference, render_and_write, select
from kilter.dev.tilt import TiltLife
from kilter.errors import BadInput
from kilter.state.tilt import TiltRecord

FILES = {"Tiltfile": "new\n", "manifests/redis.yaml": "kind: StatefulSet\n"}


@pytest.fixture
def fresh(tmp_path: Path) -> Rendering:
    """A tree as it should be; on disk is an older one."""
    opened = workspace(tmp_path)
    rendered.write(opened.cache, {"Tiltfile": "old\n", "manifests/mailpit.yaml": "kind: Deployment\n"})
    return Rendering(opened, FILES)


@pytest.mark.requirement("LC-Q32")
def test_a_name_that_is_no_file_of_the_tree_is_refused_and_nothing_is_written(fresh: Rendering) -> None:
    before = rendered.read(fresh.workspace.cache)
    machine = fresh.workspace.machine
    for act in (
        lambda: render_and_write(machine, fresh, ["manifests/rediss"]),
        lambda: difference(fresh, ["manifests/rediss"]),
        lambda: select(fresh, ["manifests/rediss"]),
    ):
        with pytest.raises(BadInput, match=r"did you mean 'manifests/redis\.yaml'"):
            act()
    assert rendered.read(fresh.workspace.cache) == before


@pytest.mark.parametrize("things", [[], ["Tiltfile"], ["manifests/redis"], ["manifests/mailpit"]])
def test_the_tree_is_written_whole_whatever_is_named(things: list[str], fresh: Rendering) -> None:
    said = render_and_write(fresh.workspace.machine, fresh, things)
    assert rendered.read(fresh.workspace.cache) == FILES
    for name in ("Tiltfile", "manifests/mailpit.yaml", "manifests/redis.yaml"):
        assert f"\n  {name}" in said


@pytest.mark.requirement("CT-Q39")
def test_a_dev_loop_that_runs_takes_over_what_changed_and_hears_of_nothing_else(
    fresh: Rendering, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[TiltRecord] = []
    known = TiltRecord(4242, "1", 30019, str(fresh.workspace.project.root))
    monkeypatch.setattr(Machine, "tool", lambda _, name: Path(name))
    monkeypatch.setattr(TiltLife, "take_over", lambda _, record: told.append(record))
    render_and_write(fresh.workspace.machine, fresh, [])
    assert told == [], "none runs"
    monkeypatch.setattr(tilt, "running", lambda _: known)
    render_and_write(fresh.workspace.machine, fresh, [])
    assert told == [], "nothing changed"
    render_and_write(fresh.workspace.machine, Rendering(fresh.workspace, {"Tiltfile": "newer\n"}), [])
    assert told == [known]
