"""Names of all slots: they fit where they are used, and no two slots share one."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kilter.render.names import Slot, claimed, database, host, labels, object_names, workload
from kilter.words import APP_LIMIT, ENV_LIMIT, ORG_LIMIT

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


IDENTIFIER = re.compile(r"_?[a-z][a-z0-9_]*\Z")


def slugs(limit: int) -> st.SearchStrategy[str]:
    """Names of the grammar of few letters, so that joining them is ambiguous; some are as long as they may be."""
    parts = st.lists(st.text("ab1", min_size=1, max_size=limit), min_size=1, max_size=3)
    return parts.map(lambda words: f"a{'-'.join(words)}"[:limit].rstrip("-"))


SLOTS = st.builds(Slot, slugs(ORG_LIMIT), slugs(APP_LIMIT), slugs(ENV_LIMIT))


PROCESSES = st.text("ab-", max_size=42).map(lambda text: f"p{text}"[:42].rstrip("-"))  # `--` is allowed here


def all_names(slot: Slot, process: str) -> dict[str, str]:
    own = database(slot)
    return {
        "object": object_names(slot)[0],
        "other": object_names(slot)[-1],
        "host": host(slot, "example.com").partition(".")[0],
        "process host": host(slot, "example.com", process).partition(".")[0],
        "process": workload(slot.app, process),
        "job": workload(slot.app, process, scheduled=True),
        "database": own.name,
        "owner": own.owner,
        "app": own.app,
        "runner": own.job,
        "scratch": own.scratch("plan-01jd3m6q8w"),
    }


@given(SLOTS, PROCESSES)
def test_the_same_slot_always_has_the_same_names(slot: Slot, process: str) -> None:
    assert all_names(slot, process) == all_names(Slot(slot.org, slot.app, slot.env), process)


@pytest.mark.requirement("DP-Q32", "DP-Q33", "C2")
@given(SLOTS, PROCESSES)
def test_every_name_fits_where_it_is_used(slot: Slot, process: str) -> None:
    found = all_names(slot, process)
    for kind in ("object", "other", "host", "process host", "process", "job"):
        assert LABEL.match(found[kind])
    assert len(found["job"]) <= 52
    for kind in ("database", "owner", "app", "runner", "scratch"):
        assert IDENTIFIER.match(found[kind])
        assert len(found[kind]) <= 63
    assert all(len(value) <= 63 for value in labels(slot, found["object"]).values())


@pytest.mark.requirement("C2", "O2", "DP-24", "DP-25")
@given(SLOTS, SLOTS)
def test_two_slots_share_no_database_no_role_and_no_claimed_name(one: Slot, other: Slot) -> None:
    assume(one != other)
    first, second = database(one), database(other)
    assert first.name != second.name
    assert not {first.owner, first.app, first.job} & {second.owner, second.app, second.job}
    assert first.scratch("plan-1") not in (second.name, second.scratch("plan-1"))
    taken = claimed(one, {})
    assert claimed(other, {taken: one}) != taken


@given(st.lists(SLOTS, unique=True, max_size=12))
def test_claims_are_kept_whatever_comes_and_goes(slots: list[Slot]) -> None:
    holders: dict[str, Slot | None] = {}
    for slot in slots:
        holders[claimed(slot, holders)] = slot
    assert len(holders) == len(slots)
    for slot in slots[1:]:
        without_the_first = {name: holder for name, holder in holders.items() if holder != slots[0]}
        assert holders[claimed(slot, without_the_first)] == slot


@pytest.mark.requirement("DP-Q59")
@given(SLOTS, PROCESSES, SLOTS)
def test_the_host_of_a_process_is_no_apps_host(slot: Slot, process: str, other: Slot) -> None:
    wanted = host(slot, "example.com", process)
    assert wanted != host(other, "example.com")
