"""Which images of a deleted environment are to be removed. Each test runs on every database."""

from typing import Any

import msgspec
import pytest
from unit.server.conftest import Store
from unit.server.orders import MINUTE, NOON, SHOP, order, spec

from kilter.api.kilterapp_status import Release, Status
from kilter.render.names import Slot
from kilter.server.store import absence, deploys, environments, images
from kilter.server.store.images import Left

REGISTRY = "registry.example.com/team"
OWN = f"{REGISTRY}/acme/shop"
PR = Slot("acme", "shop", "pr-5")


def image(letter: str, repository: str = OWN) -> str:
    return f"{repository}@sha256:{letter * 64}"


def deployed(store: Store, slot: Slot, *found: str) -> None:
    for each in found:
        record = store(deploys.accept, order(slot, spec=spec(image=each)), NOON).record
        store(deploys.end, record.id, "done", NOON)


def deleted(store: Store, slot: Slot, now: int = NOON) -> None:
    """Delete an environment as the follower does."""
    name = store(environments.find, slot).object_name
    record = store(deploys.accept, order(slot, operation="delete"), now).record
    store(lambda tx: tx.execute("UPDATE deploys SET state = 'running', applied_at = 1 WHERE id = ?", record.id))
    assert store(absence.gone, name, now, now) == [record.id]


def due(store: Store, now: int = NOON) -> Any:
    return store(images.due, REGISTRY, now)


def test_an_environment_that_exists_leaves_nothing(store: Store) -> None:
    deployed(store, SHOP, image("a"))
    assert due(store) is None


def test_all_images_of_a_deleted_environment_are_left_but_those_that_others_have_had(store: Store) -> None:
    """Each of a living environment's deploys may be rolled back to."""
    deployed(store, PR, image("a"), image("b"), image("c", f"{OWN}/web"))
    deployed(store, SHOP, image("b"), image("d"))
    deleted(store, PR)
    assert due(store) == Left(PR, NOON, (image("c", f"{OWN}/web"), image("a")), frozenset({image("b"), image("d")}))
    deleted(store, SHOP)
    left = due(store)
    store(images.removed, left)
    assert (left.slot, left.unused) == (SHOP, (image("b"), image("d")))
    assert due(store).slot == PR


def test_what_lies_elsewhere_is_not_ours_to_remove(store: Store) -> None:
    others = ("docker.io/acme/shop", "registry.example.com/acme/shop", f"{OWN}ping", f"{REGISTRY}/acme/blog")
    deployed(store, PR, *(image("a", other) for other in others))
    deleted(store, PR)
    assert due(store).unused == ()


def test_what_another_project_runs_is_needed(store: Store) -> None:
    """Where extra registries allow it."""
    deployed(store, PR, image("a"), image("b"))
    deployed(store, Slot("globex", "x", "dev"), image("a"))
    deleted(store, PR)
    assert due(store).unused == (image("b"),)


@pytest.mark.parametrize("other", [Slot("acme", "blog", "pr-5"), Slot("other", "shop", "pr-5")], ids=str)
def test_an_environment_of_another_project_keeps_nothing_by_its_name_alone(store: Store, other: Slot) -> None:
    store(deploys.accept, order(other, domain="other.example.com"), NOON)
    deployed(store, PR, image("a"))
    deleted(store, PR)
    assert due(store).unused == (image("a"),)


@pytest.mark.requirement("F40")
@pytest.mark.parametrize("field", ["release", "last_good_release"])
def test_what_an_environment_runs_is_needed_though_its_deploy_is_lost(store: Store, field: str) -> None:
    deployed(store, PR, image("a"), image("b"))
    deployed(store, SHOP, image("c"))
    deleted(store, PR)
    running = Release(number=2, image=image("b"), deploy_id="dep-lost")
    store(environments.record_status, SHOP, msgspec.structs.replace(Status(), **{field: running}), NOON)
    assert due(store) == Left(PR, NOON, (image("a"),), frozenset({image("b"), image("c")}))


def test_a_tag_beside_the_digest_makes_no_other_image(store: Store) -> None:
    """Servers of before took one; the port of a registry is none."""
    near = "localhost:5000/team"
    tagged = f"{near}/acme/shop/web:1.4.2@sha256:{'a' * 64}"
    plain = [image(letter, f"{near}/acme/shop/web") for letter in "ab"]
    deployed(store, SHOP, tagged)
    deployed(store, PR, *plain)
    deleted(store, PR)
    assert store(images.due, near, NOON) == Left(PR, NOON, (plain[1],), frozenset({plain[0]}))
    store(images.removed, store(images.due, near, NOON))
    deleted(store, SHOP)
    assert store(images.due, near, NOON).unused == (plain[0],)


def test_what_was_removed_is_not_due_again_until_the_environment_went_once_more(store: Store) -> None:
    deployed(store, PR, image("a"))
    deleted(store, PR)
    left = due(store)
    store(images.removed, left)
    assert due(store) is None
    deployed(store, PR, image("b"))
    assert due(store, NOON + MINUTE) is None
    deleted(store, PR, NOON + MINUTE)
    store(images.removed, left)  # by one that was slow
    assert due(store, NOON + MINUTE).unused == (image("a"), image("b"))


def test_an_environment_that_came_back_keeps_its_images(store: Store) -> None:
    deployed(store, PR, image("a"))
    deleted(store, PR)
    deployed(store, PR, image("a"))
    assert due(store) is None


def test_what_failed_is_due_later_and_others_are_not_kept_waiting(store: Store) -> None:
    for slot in (PR, SHOP):
        deployed(store, slot, image("a"))
        deleted(store, slot)
    first = due(store)
    store(images.postpone, first.slot, NOON + MINUTE)
    assert due(store).slot != first.slot
    store(images.removed, due(store))
    assert due(store) is None
    assert due(store, NOON + MINUTE).slot == first.slot


@pytest.mark.parametrize(("app", "is_spared"), [("shop", True), ("blog", False)])
def test_while_somebody_pushes_nothing_of_the_project_is_removed(store: Store, app: str, is_spared: bool) -> None:
    deployed(store, PR, image("a"))
    deleted(store, PR)
    store(images.spare, ("acme", app), "", NOON, NOON + MINUTE)
    assert (due(store) is None) is is_spared
    store(images.postpone, PR, NOON + 1)
    assert (due(store, NOON + MINUTE - 1) is None) is is_spared
    assert due(store, NOON + MINUTE) is not None


def test_an_environment_that_is_deleted_while_somebody_pushes_leaves_its_images_too(store: Store) -> None:
    """`kilter deploy --env prod` found the digest in the registry, a second before `kilter env delete pr-5`."""
    deployed(store, PR, image("a"))
    store(images.spare, ("acme", "shop"), "", NOON, NOON + MINUTE)
    deleted(store, PR, NOON + 1)
    assert due(store, NOON + MINUTE - 1) is None
    assert due(store, NOON + MINUTE).unused == (image("a"),)


def test_of_two_who_push_the_later_one_counts(store: Store) -> None:
    deployed(store, PR, image("a"))
    deleted(store, PR)
    for until in (NOON + MINUTE, NOON + 1):
        store(images.spare, ("acme", "shop"), "", NOON, until)
    assert due(store, NOON + MINUTE - 1) is None


def test_once_a_push_is_deployed_others_alone_are_waited_for(store: Store) -> None:
    deployed(store, PR, image("a"))
    deleted(store, PR)
    for push_id, until in (("psh-1", NOON + MINUTE), ("psh-2", NOON + 2 * MINUTE)):
        store(images.spare, ("acme", "shop"), push_id, NOON, until)
    store(images.pushed, ("acme", "shop"), "psh-2")
    assert due(store) is None
    store(images.pushed, ("acme", "shop"), "psh-1")
    assert due(store) is not None


ALIKE = (Slot("acme", "shop", "pr-6"), Slot("acme", "blog", "pr-5"), Slot("other", "shop", "pr-5"))


@pytest.mark.parametrize("other", ALIKE, ids=str)
def test_what_becomes_of_one_environments_images_concerns_no_other(store: Store, other: Slot) -> None:
    for slot, letter in ((PR, "a"), (other, "b")):
        elsewhere = order(slot, domain=f"{slot.org}.example.com", spec=spec(image=image(letter)))
        store(deploys.end, store(deploys.accept, elsewhere, NOON).record.id, "done", NOON)
        deleted(store, slot)
    left = store(images.still_due, REGISTRY, PR, NOON)
    assert (left.slot, left.unused) == (PR, (image("a"),))
    store(images.postpone, PR, NOON + MINUTE)
    assert store(images.still_due, REGISTRY, PR, NOON) is None
    assert store(images.still_due, REGISTRY, other, NOON).due_at == NOON
    store(images.removed, store(images.still_due, REGISTRY, other, NOON))
    assert store(images.still_due, REGISTRY, PR, NOON + MINUTE).due_at == NOON + MINUTE
    store(images.postpone, PR, NOON)
    assert store(images.still_due, REGISTRY, PR, NOON) is None  # never sooner than somebody said before


@pytest.mark.parametrize("slot", ALIKE[1:], ids=str)
def test_who_pushes_to_one_project_ends_no_push_to_another(store: Store, slot: Slot) -> None:
    """Whoever says a push is deployed may say the one of somebody else."""
    other = (slot.org, slot.app)
    deployed(store, PR, image("a"))
    deleted(store, PR)
    store(images.spare, ("acme", "shop"), "psh-1", NOON, NOON + MINUTE)
    store(images.pushed, other, "psh-1")
    assert due(store) is None
    store(images.spare, other, "psh-2", NOON + MINUTE, NOON + 2 * MINUTE)
    assert held(store) == [("acme", "shop", "psh-1"), (*other, "psh-2")]
    assert due(store, NOON + MINUTE) is not None


def test_a_push_that_is_over_is_forgotten_at_the_next_one_to_its_project(store: Store) -> None:
    store(images.spare, ("acme", "shop"), "psh-1", NOON, NOON + MINUTE)
    store(images.spare, ("acme", "shop"), "psh-2", NOON + MINUTE, NOON + 2 * MINUTE)
    assert held(store) == [("acme", "shop", "psh-2")]


def held(store: Store) -> list[tuple[str, str, str]]:
    rows = store(lambda tx: tx.rows("SELECT org, app, push_id FROM spared ORDER BY push_id"))
    return [(row["org"], row["app"], row["push_id"]) for row in rows]


def test_environments_that_were_deleted_before_are_not_forgotten(store: Store) -> None:
    """The column is younger than the first stores."""
    from importlib import resources

    from kilter.server.store.migrate import statements

    deployed(store, PR, image("a"))
    deleted(store, PR)
    deployed(store, SHOP, image("b"))
    text = (resources.files("kilter.server.store") / "schema/0003-images.sql").read_text("utf-8")
    store(lambda tx: tx.execute("ALTER TABLE environments DROP COLUMN images_due_at"))
    store(lambda tx: [tx.execute(each) for each in statements(text)])
    assert due(store).slot == PR
    store(images.removed, due(store))
    assert due(store) is None
