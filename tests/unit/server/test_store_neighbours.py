"""What happens to one environment concerns no other, alike as their names may be. Each test runs on every database."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from unit.server.conftest import Store
from unit.server.orders import MINUTE, NOON, SHOP
from unit.server.test_store_deploys import accept, claim, say

from kilter.api.kilterapp_status import Failure, Status
from kilter.render.names import Slot
from kilter.server.store import absence, deploys, environments, progress
from kilter.server.store.deploys import Record
from kilter.server.store.engine import Row, Tx

# Each has two of three names in common with SHOP.
NEIGHBOURS = (Slot("acme", "shop", "prod"), Slot("acme", "blog", "dev"), Slot("other", "shop", "dev"))
FAILURE = Failure(phase="Pending", reason="Conflict", message="edited by hand")
Step = Callable[[Store, list[Record]], object]


def busy(store: Store, slot: Slot) -> list[Record]:
    """Make an environment with a deploy that rolls out, one that is at work, and two that wait."""
    domain = f"{slot.org}.example.com"  # else two organizations would want one host
    accepted = [accept(store, slot, domain=domain) for _ in range(4)]
    claim(store)
    say(store, accepted[0], "RollingOut")
    claim(store)
    return accepted


def rows_of(tx: Tx, *slots: Slot) -> Iterator[list[Row]]:
    """Yield all that the store holds of environments and their deploys."""
    for slot in slots:
        key = environments.triple(slot)
        yield tx.rows("SELECT * FROM environments WHERE org = ? AND app = ? AND env = ?", *key)
        yield tx.rows("SELECT * FROM deploys WHERE org = ? AND app = ? AND env = ? ORDER BY id", *key)
        events = (
            "SELECT v.* FROM events v JOIN deploys d ON d.id = v.deploy_id"
            " WHERE d.org = ? AND d.app = ? AND d.env = ? ORDER BY v.deploy_id, v.number"
        )
        yield tx.rows(events, *key)


def held(store: Store, *slots: Slot) -> list[list[Row]]:
    found: list[list[Row]] = store(lambda tx: list(rows_of(tx, *slots)))
    return found


def name_of(store: Store) -> Any:
    return store(environments.find, SHOP).object_name


STEPS: dict[str, Step] = {
    "accepted": lambda store, _: accept(store),
    "replaced": lambda store, _: accept(store, replaces_waiting=True),
    "raised": lambda store, _: accept(store, env_class="protected"),
    "cancelled": lambda store, own: store(deploys.cancel, own[2].id, "bob", NOON),
    "superseded": lambda store, own: store(deploys.supersede, own[2], own[3].id, NOON),
    "refused": lambda store, own: store(progress.refused, own[1].id, FAILURE, NOON),
    "postponed": lambda store, own: store(progress.postpone, own[1].id, NOON + MINUTE),
    "applied": lambda store, own: store(progress.applied, own[1].id, NOON + MINUTE),
    "overtaken": lambda store, own: say(store, own[1], "Reconciling"),
    "ready": lambda store, own: say(store, own[1], "Ready"),
    "failed": lambda store, own: say(store, own[1], "Failed", failure=FAILURE),
    "found in the cluster": lambda store, own: say(store, own[2], "Publishing"),
    "gone": lambda store, _: store(absence.gone, name_of(store), NOON, NOON),
    "missing": lambda store, _: store(absence.missing, name_of(store), NOON, NOON),
    "deleted": lambda store, _: store(environments.mark_deleted, SHOP, NOON),
    "seen": lambda store, _: store(environments.record_status, SHOP, Status(phase="Ready"), NOON, 7),
    "caught up": lambda store, _: store(environments.catch_up, SHOP, 57),
}


@pytest.mark.parametrize("what", STEPS)
def test_what_happens_to_one_environment_changes_no_other(store: Store, what: str) -> None:
    for slot in NEIGHBOURS:
        busy(store, slot)
    own = busy(store, SHOP)
    others, before = held(store, *NEIGHBOURS), held(store, SHOP)
    STEPS[what](store, own)
    assert held(store, *NEIGHBOURS) == others
    assert held(store, SHOP) != before  # there was something to see


@pytest.mark.parametrize("looking", [deploys.open_in, deploys.unfinished], ids=["open", "unfinished"])
def test_who_asks_about_one_environment_hears_of_no_other_and_in_the_order_of_numbers(
    store: Store, looking: Callable[[Tx, Slot], list[Record]]
) -> None:
    accepted = {slot: [record.id for record in busy(store, slot)] for slot in NEIGHBOURS}
    assert (store(environments.find, SHOP), store(environments.last_sequence, SHOP)) == (None, 0)
    assert store(looking, SHOP) == store(deploys.page, SHOP, below=None, limit=9) == []
    assert not store(deploys.has_number, SHOP, 1)
    accepted[SHOP] = [record.id for record in busy(store, SHOP)]
    since = 1 if looking is deploys.open_in else 0
    for slot, ids in accepted.items():
        assert [record.id for record in store(looking, slot)] == ids[since:]
        assert [record.id for record in store(deploys.page, slot, below=None, limit=9)] == ids[::-1]
        assert store(deploys.latest, slot).id == ids[3]
        assert store(deploys.at_work, slot).id == ids[1]
        assert [store(deploys.queue, store(deploys.find, each)).position for each in ids] == [0, 0, 1, 2]


def test_what_others_were_handed_over_does_not_make_an_object_that_never_was(store: Store) -> None:
    """F37: a deploy that waits is not ended because its object is not there yet."""
    for slot in NEIGHBOURS:
        busy(store, slot)
    record = accept(store)
    assert store(absence.gone, name_of(store), NOON, NOON) == []
    assert store(absence.missing, name_of(store), NOON, NOON) == []
    assert store(deploys.find, record.id) == record


def test_a_project_has_its_own_environments_and_no_deleted_ones(store: Store) -> None:
    for slot in (*NEIGHBOURS, SHOP):
        busy(store, slot)

    def of_project() -> list[Slot]:
        return [each.slot for each in store(environments.of_project, "acme", "shop")]

    assert of_project() == [SHOP, NEIGHBOURS[0]]
    store(environments.mark_deleted, SHOP, NOON)
    assert of_project() == [NEIGHBOURS[0]]
