"""Keys, selection and order of the testbed's stages."""

from pathlib import Path
from typing import Any

import pytest

from testbed.plan import Stage, UnknownStage, keys_of, purposes, selection, startable, time_left


def nothing(_: Any, __: Path) -> None:
    """Builds nothing."""


def stage(name: str, *needs: str, **more: Any) -> Stage:
    """A stage that builds nothing."""
    return Stage(name, name, nothing, needs=needs, **more)


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """Two recipe folders."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(name)
    return tmp_path


TABLE = (stage("a", recipe=("a",)), stage("b", recipe=("b",)), stage("on-a", "a"), stage("on-both", "on-a", "b"))


def changed(recipes: Path, before: dict[str, str]) -> set[str]:
    return {name for name, key in keys_of(recipes, TABLE).items() if key != before[name]}


def test_the_same_recipes_have_the_same_keys(recipes: Path) -> None:
    assert keys_of(recipes, TABLE) == keys_of(recipes, TABLE)


def test_a_changed_recipe_rebuilds_its_stage_and_what_stands_on_it_alone(recipes: Path) -> None:
    before = keys_of(recipes, TABLE)
    (recipes / "a/Dockerfile").write_text("other")
    assert changed(recipes, before) == {"a", "on-a", "on-both"}


def test_an_added_file_and_a_changed_mode_count_as_changes(recipes: Path) -> None:
    before = keys_of(recipes, TABLE)
    (recipes / "b/entrypoint").write_text("")
    assert changed(recipes, before) == {"b", "on-both"}
    before = keys_of(recipes, TABLE)
    (recipes / "b/entrypoint").chmod(0o755)
    assert changed(recipes, before) == {"b", "on-both"}


def test_a_compiled_leftover_is_no_recipe(recipes: Path) -> None:
    before = keys_of(recipes, TABLE)
    (recipes / "a/__pycache__").mkdir()
    (recipes / "a/__pycache__/x.pyc").write_text("")
    assert changed(recipes, before) == set()


def test_a_changed_pin_changes_the_key(recipes: Path) -> None:
    assert keys_of(recipes, [stage("x", pins=("1",))]) != keys_of(recipes, [stage("x", pins=("2",))])


def test_a_stage_is_selected_with_everything_it_needs_in_table_order() -> None:
    assert [one.name for one in selection(TABLE, ["on-a"])] == ["a", "on-a"]
    assert [one.name for one in selection(TABLE, ["on-both"])] == ["a", "b", "on-a", "on-both"]


def test_nothing_asked_for_means_all() -> None:
    assert selection(TABLE, []) == list(TABLE)


def test_a_purpose_adds_its_stages_to_those_of_the_demo() -> None:
    table = (*TABLE, stage("flux", "b", purpose="platform"), stage("k3d", purpose="more"))
    assert purposes(table) == ["demo", "platform", "more", "all"]
    assert selection(table, [], "demo") == list(TABLE)
    assert [one.name for one in selection(table, [], "platform")] == ["a", "b", "on-a", "on-both", "flux"]
    assert selection(table, [], "all") == list(table)
    assert [one.name for one in selection(table, ["flux"], "demo")] == ["b", "flux"]


def test_a_purpose_does_not_change_a_key(recipes: Path) -> None:
    assert keys_of(recipes, [stage("x")]) == keys_of(recipes, [stage("x", purpose="platform")])


def test_an_unknown_stage_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownStage, match="no stage 'c'; there are a, b, on-a, on-both"):
        selection(TABLE, ["c"])


def test_one_compile_at_a_time_and_others_beside_it() -> None:
    todo = [stage("one", compiles=True), stage("two", compiles=True), stage("x"), stage("y"), stage("z")]
    assert [one.name for one in startable(todo, set(), [], 2)] == ["one", "x", "y"]
    assert [one.name for one in startable(todo[1:], set(), [todo[0]], 1)] == ["x"]


def test_a_stage_waits_for_what_it_needs() -> None:
    assert startable([TABLE[2]], set(), [], 2) == []
    assert startable([TABLE[2]], {"a"}, [], 2) == [TABLE[2]]


def test_the_time_left_is_that_of_the_longer_row() -> None:
    todo = [stage("go", compiles=True, usual=100.0), stage("image", usual=30.0), stage("other", usual=30.0)]
    assert time_left(todo, {}, {}) == 100.0
    assert time_left(todo, {"go": 90.0}, {}) == 60.0
    assert time_left(todo, {"go": 500.0}, {"image": 5.0, "other": 6.0}) == 11.0
