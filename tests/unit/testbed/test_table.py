"""The real table of stages."""

from pathlib import Path

import pytest

from testbed import pins
from testbed.plan import Stage, keys_of, recipe_files
from testbed.stages import STAGES
from testbed.work import RECIPES


def test_needs_come_before_what_needs_them() -> None:
    seen: set[str] = set()
    for stage in STAGES:
        assert set(stage.needs) <= seen, stage.name
        seen.add(stage.name)


def test_every_stage_has_a_key() -> None:
    assert set(keys_of(RECIPES, STAGES)) == {stage.name for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_recipe_exists(stage: Stage) -> None:
    assert all(path.exists() for path in recipe_files(RECIPES, stage.recipe))


def test_the_cluster_node_does_not_wait_for_tilt() -> None:
    order = [stage.name for stage in STAGES if stage.compiles]
    assert order == ["kubernetes", "kind", "registry", "tilt"]


@pytest.mark.parametrize(
    ("module", "version"), [("kind", pins.KIND), ("tilt", pins.TILT), ("kubernetes", pins.KUBERNETES)]
)
def test_a_pinned_version_is_the_one_in_its_module(module: str, version: str) -> None:
    assert f"v{version}\n" in (RECIPES / "go" / module / "go.mod").read_text()


def test_no_recipe_names_a_folder_of_one_machine() -> None:
    texts = [path.read_text() for path in Path(RECIPES).rglob("*") if path.suffix in {".py", ".sh", ".yaml", ".mod"}]
    assert not any("/root/." in text for text in texts)
