"""Environments whose object the cluster no longer has (F37). Each test runs on every database."""

from collections.abc import Callable

import pytest
from unit.server.conftest import Store
from unit.server.orders import MINUTE, NOON, SHOP, reported
from unit.server.test_store_deploys import DOMAIN, OTHER, accept, at, claim, kinds, say
from unit.server.test_store_images import due

from kilter.server.store import absence, deploys, environments, progress
from kilter.server.store.deploys import Record

NAME = "acme-shop-dev"
Look = Callable[[Store], list[str]]


def gone(store: Store, looked_at: int = NOON, name: str = NAME) -> list[str]:
    found: list[str] = store(absence.gone, name, looked_at, looked_at)
    return found


def missing(store: Store, looked_at: int = NOON) -> list[str]:
    found: list[str] = store(absence.missing, NAME, looked_at, looked_at)
    return found


def serving(store: Store) -> Record:
    record = accept(store)
    claim(store)
    say(store, record, "Ready")
    return record


@pytest.mark.requirement("F37")
def test_an_environment_that_somebody_deletes_in_the_cluster_is_deleted(store: Store) -> None:
    serving(store)
    assert gone(store) == []
    assert store(environments.find, SHOP) is None
    assert due(store) is not None
    assert accept(store).sequence == 2


@pytest.mark.requirement("F37")
def test_deploys_of_an_object_that_was_deleted_fail_and_block_nobody(store: Store) -> None:
    first = accept(store)
    claim(store)
    say(store, first, "RollingOut")
    second, third = accept(store), accept(store)
    claim(store)
    assert gone(store) == [first.id, second.id, third.id]
    for record in (first, second, third):
        found = at(store, record)
        assert found.failure is not None
        assert (found.state, found.failure.reason, found.failure.object) == ("failed", "Deleted", f"KilterApp/{NAME}")
        assert "kilter deploy" in found.failure.message
    assert store(environments.find, SHOP) is None
    again = accept(store)
    assert store(deploys.queue, again).position == 0
    claimed = claim(store)
    assert claimed is not None
    assert claimed.id == again.id


@pytest.mark.requirement("F37")
def test_a_lost_object_fails_the_deploy_that_it_held_and_the_next_one_makes_it_anew(store: Store) -> None:
    """A list of all objects leaves it out."""
    first, second, third = accept(store), accept(store), accept(store)
    claim(store)
    assert missing(store) == [first.id, third.id]
    failure = at(store, first).failure
    assert failure is not None
    assert failure.reason == "Missing"
    assert kinds(store, third)[-1] == "Queued"
    claimed = claim(store)
    assert claimed is not None
    assert claimed.id == second.id


@pytest.mark.requirement("F37", "F40")
def test_an_environment_whose_object_is_lost_keeps_names_and_images_and_says_so(store: Store) -> None:
    """Its whole cluster may be lost, or a backup on its way."""
    record = serving(store)
    assert missing(store) == missing(store) == []
    found = store(environments.find, SHOP)
    assert (found.object_name, found.status.phase, found.status.failure.reason) == (NAME, "Failed", "Missing")
    assert "kilter env delete" in found.status.failure.message
    assert found.status.release is None
    assert due(store) is None
    say(store, record, "Ready")
    assert store(environments.find, SHOP).status.failure is None


def test_a_lost_object_ends_the_delete_of_its_environment(store: Store) -> None:
    """F30: the watch was down while the object went."""
    serving(store)
    deletion = accept(store, operation="delete")
    claim(store)
    assert missing(store) == [deletion.id]
    assert at(store, deletion).state == "done"
    assert store(environments.find, SHOP) is None


def test_what_still_rolls_out_ends_with_its_environment(store: Store) -> None:
    record = accept(store)
    claim(store)
    say(store, record, "RollingOut")
    deletion = accept(store, operation="delete")
    claim(store)
    assert gone(store) == [record.id, deletion.id]
    assert (at(store, record).state, at(store, record).superseded_by) == ("superseded", deletion.id)


@pytest.mark.parametrize("look", [gone, missing])
def test_what_the_cluster_has_never_had_is_not_gone(store: Store, look: Look) -> None:
    """Queued, or claimed by a replica that hands it over right now."""
    record = accept(store)
    assert look(store) == []
    store(progress.claim, NOON)
    assert look(store) == []
    assert at(store, record).state == "running"
    assert store(environments.find, SHOP).status.failure is None


@pytest.mark.parametrize("look", [gone, missing])
def test_what_was_handed_over_after_the_look_is_not_gone(store: Store, look: Look) -> None:
    serving(store)
    record = accept(store)
    claim(store, NOON + MINUTE)
    assert look(store) == []
    assert at(store, record).state == "running"


def test_late_word_of_a_deleted_object_does_not_touch_the_environment_that_came_after_it(store: Store) -> None:
    """Another replica may be behind with its watch."""
    serving(store)
    gone(store)
    record = accept(store, now=NOON + MINUTE)
    assert gone(store, NOON + MINUTE) == []
    assert at(store, record).state == "queued"


def test_an_object_of_a_lost_store_may_be_deleted_too(store: Store) -> None:
    """F40."""
    store(progress.observe, reported(NAME, SHOP, "dep-x", 57, "RollingOut"), DOMAIN, NOON)
    assert gone(store) == ["dep-x"]
    assert store(environments.find, SHOP) is None


def test_a_list_leaves_out_what_it_does_not_name(store: Store) -> None:
    accept(store)
    accept(store, OTHER)
    assert store(absence.unlisted, frozenset({NAME})) == ["acme-blog-dev"]


def test_an_environment_whose_object_was_lost_midway_can_be_deleted(store: Store) -> None:
    """F37: the blocked environment could neither be deployed to nor deleted."""
    accept(store)
    claim(store)
    missing(store)
    deletion = accept(store, operation="delete")
    claim(store)
    assert gone(store) == [deletion.id]
