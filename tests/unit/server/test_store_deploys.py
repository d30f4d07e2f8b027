"""Deploys of one environment: numbers, queue, who replaces whom. Each test runs on every database."""

import asyncio
from typing import Any

import msgspec
import pytest
from unit.server.conftest import Store
from unit.server.orders import IMAGE, MINUTE, NOON, SHOP, order, reported, spec

from kilter.api.deploys import DoneEvent, FailedEvent, PhaseEvent, QueuedEvent, SupersededEvent
from kilter.api.kilterapp_status import Condition, Failure
from kilter.render import names
from kilter.render.names import Slot
from kilter.server import clock
from kilter.server.refusals import Refused
from kilter.server.store import absence, deploys, environments, events, progress
from kilter.server.store.deploys import Accepted, Record

DOMAIN = "apps.example.com"
PROD = Slot("acme", "shop", "prod")
OTHER = Slot("acme", "blog", "dev")


def accept(store: Store, *args: Any, now: int = NOON, **changes: Any) -> Record:
    found = store(deploys.accept, order(*args, **changes), now).record
    assert isinstance(found, Record)
    return found


def at(store: Store, record: Record) -> Record:
    found = store(deploys.find, record.id)
    assert isinstance(found, Record)
    return found


def claim(store: Store, now: int = NOON) -> Record | None:
    found: Record | None = store(progress.claim, now)
    if found is not None:
        store(progress.applied, found.id, now)
    return found


def say(store: Store, record: Record, phase: Any, now: int = NOON, **more: Any) -> list[str]:
    name = store(environments.find, record.slot).object_name
    found: list[str] = store(
        progress.observe, reported(name, record.slot, record.id, record.sequence, phase, **more), DOMAIN, now
    )
    return found


def kinds(store: Store, record: Record) -> list[str]:
    return [type(event).__name__.removesuffix("Event") for _, event in store(events.after, record.id, 0)]


def refusal(store: Store, *args: Any, **changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        accept(store, *args, **changes)
    return caught.value


def test_each_environment_counts_its_own_deploys(store: Store) -> None:
    """DP-Q66."""
    assert [accept(store).sequence, accept(store).sequence, accept(store, PROD).sequence] == [1, 2, 1]


def test_the_second_deploy_of_an_environment_waits_until_the_first_has_done_its_writes(store: Store) -> None:
    """DP-62, DP-63, DP-Q64: rolling out does not hold the next one up."""
    first, second = accept(store), accept(store)
    assert claim(store) is not None
    assert claim(store) is None
    for phase in ("Provisioning", "Preflight", "Migrating", "Seeding", "Publishing"):
        say(store, first, phase)
        assert claim(store) is None, phase
    say(store, first, "Reconciling")
    claimed = claim(store)
    assert claimed is not None
    assert claimed.id == second.id
    assert at(store, first).state == "running"


def test_other_environments_and_projects_never_wait(store: Store) -> None:
    """DP-64."""
    accepted = [accept(store), accept(store, PROD), accept(store, OTHER)]
    claimed = [claim(store), claim(store), claim(store)]
    assert {record.id for record in claimed if record} == {record.id for record in accepted}


def test_a_waiter_is_told_for_whom_it_waits(store: Store) -> None:
    """DP-Q65."""
    first, second, third = accept(store), accept(store), accept(store)
    place = store(deploys.queue, third)
    assert place.position == 2
    assert place.holder.deploy_id == first.id
    assert place.holder.actor == "ann"
    assert kinds(store, first) == []
    [(_, event)] = store(events.after, second.id, 0)
    assert isinstance(event, QueuedEvent)
    assert event.queue.position == 1


def test_waiters_run_in_order_of_acceptance(store: Store) -> None:
    """DP-Q67."""
    accepted = [accept(store, now=NOON + number) for number in range(4)]
    order_of_work = []
    while (claimed := claim(store)) is not None:
        order_of_work.append(claimed.id)
        say(store, claimed, "Reconciling")
    assert order_of_work == [record.id for record in accepted]


def test_a_newer_deploy_supersedes_one_that_is_still_rolling_out(store: Store) -> None:
    """DP-Q66."""
    first, second = accept(store), accept(store)
    claim(store)
    say(store, first, "RollingOut")
    claim(store)
    say(store, second, "Provisioning")
    assert at(store, first).state == "superseded"
    assert at(store, first).superseded_by == second.id
    assert kinds(store, first)[-1] == "Superseded"


def test_a_late_word_about_an_older_deploy_changes_nothing(store: Store) -> None:
    first, second = accept(store), accept(store)
    claim(store)
    say(store, first, "RollingOut")
    claim(store)
    say(store, second, "Ready")
    say(store, first, "Ready")
    assert at(store, first).state == "superseded"
    assert at(store, second).state == "done"


def test_waiters_are_replaced_only_where_the_rule_says_so_and_never_with_a_migration(store: Store) -> None:
    """DP-Q67."""
    running, waiting = accept(store), accept(store)
    claim(store)
    migrating = accept(store, migrates=True)
    newest = accept(store, replaces_waiting=True)
    assert at(store, running).state == "running"
    assert at(store, waiting).state == "superseded"
    assert at(store, waiting).superseded_by == newest.id
    assert at(store, migrating).state == "queued"
    [(_, _), (_, last)] = store(events.after, waiting.id, 0)
    assert isinstance(last, SupersededEvent)
    [(_, told)] = store(events.after, newest.id, 0)
    assert isinstance(told, QueuedEvent)
    assert (told.queue.position, told.queue.holder and told.queue.holder.deploy_id) == (2, running.id)


def test_a_migration_replaces_nobody(store: Store) -> None:
    """DP-Q67: what waits may be what it is to find."""
    accept(store)
    waiting = accept(store)
    accept(store, migrates=True, replaces_waiting=True)
    assert at(store, waiting).state == "queued"


def test_a_deploy_carries_the_class_that_its_environment_has_and_not_a_lower_one(store: Store) -> None:
    accept(store, env_class="protected")
    assert at(store, accept(store, env_class="standard")).spec.class_ == "protected"
    assert store(environments.find, SHOP).env_class == "protected"


def test_a_deploy_has_an_address_and_a_delete_has_none(store: Store) -> None:
    deploy = accept(store, port=8443)
    assert deploy.url == "https://shop-dev.apps.example.com:8443"
    claim(store)
    say(store, deploy, "Failed")
    assert accept(store, operation="delete").url is None


def test_of_fifty_migrations_at_the_same_moment_one_is_accepted(store: Store) -> None:
    """DP-Q65, MG-22, S9, F27: decided by the store, whoever asks."""

    async def all_at_once() -> list[Any]:
        calls = [store.engine.run(deploys.accept, order(migrates=True), NOON) for _ in range(50)]
        return await asyncio.gather(*calls, return_exceptions=True)

    answers = store.runner.run(all_at_once())
    accepted = [answer.record for answer in answers if isinstance(answer, Accepted)]
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert (len(accepted), len(refused)) == (1, 49)
    assert {answer.code for answer in refused} == {"migration_in_progress"}
    assert refused[0].details["actor"] == "ann"
    assert refused[0].details["lock_id"] == accepted[0].id
    assert "since" in refused[0].details


def test_fifty_deploys_at_the_same_moment_get_fifty_numbers(store: Store) -> None:
    """DP-Q66: no two deploys of an environment share a number."""

    async def all_at_once() -> list[Accepted]:
        return await asyncio.gather(*(store.engine.run(deploys.accept, order(), NOON) for _ in range(50)))

    assert sorted(accepted.record.sequence for accepted in store.runner.run(all_at_once())) == list(range(1, 51))


def test_two_replicas_never_claim_the_same_deploy(store: Store) -> None:
    """F27."""
    accept(store)
    accept(store, OTHER)

    async def all_at_once() -> list[Record | None]:
        return await asyncio.gather(*(store.engine.run(progress.claim, NOON) for _ in range(8)))

    claimed = [record.id for record in store.runner.run(all_at_once()) if record]
    assert len(claimed) == len(set(claimed)) == 2


def test_a_deploy_that_a_dead_replica_claimed_is_claimed_again(store: Store) -> None:
    """F28."""
    accepted = accept(store)
    assert store(progress.claim, NOON).id == accepted.id
    assert store(progress.claim, NOON + progress.LEASE) is None
    assert store(progress.claim, NOON + progress.LEASE + 1).id == accepted.id
    assert kinds(store, accepted) == ["Phase"]


def test_a_deploy_that_the_cluster_has_is_never_claimed_again(store: Store) -> None:
    """F28: its roll-out may take longer than a claim."""
    accept(store)
    assert claim(store) is not None
    assert store(progress.claim, NOON + progress.LEASE + 1) is None


def test_when_the_cluster_got_a_deploy_is_recorded_once(store: Store) -> None:
    """Of what the cluster no longer has, it decides whether that was handed over before or after somebody looked."""
    record = accept(store)
    claim(store)
    say(store, record, "RollingOut", NOON + MINUTE)
    assert at(store, record).applied_at == NOON


def test_phases_become_events_and_steps_with_times(store: Store) -> None:
    """DP-21."""
    record = accept(store)
    claim(store)
    for number, phase in enumerate(("Provisioning", "Publishing", "Reconciling", "RollingOut", "Ready"), start=1):
        say(store, record, phase, NOON + number * MINUTE)
        say(store, record, phase, NOON + number * MINUTE + 1)  # watched twice, recorded once
    assert kinds(store, record) == ["Phase"] * 5 + ["Done"]
    steps = store(events.steps, record.id)
    assert [step.phase for step in steps][:3] == ["Pending", "Provisioning", "Publishing"]
    assert all(step.finished_at is not None for step in steps)
    assert (steps[1].finished_at - steps[1].started_at).total_seconds() == 60


def test_the_last_event_of_many_deploys_is_found_in_one_look(store: Store) -> None:
    first, second, third = accept(store), accept(store), accept(store, PROD)
    assert store(events.last_numbers, []) == {}
    found = store(events.last_numbers, [first.id, second.id, third.id, *("dep-none",) * events.TOGETHER])
    assert found == {second.id: 1}
    assert {claimed.id for claimed in (claim(store), claim(store)) if claimed} == {first.id, third.id}
    say(store, first, "Publishing")
    assert store(events.last_numbers, [first.id, second.id]) == {first.id: 2, second.id: 1}


def test_a_new_word_about_the_same_phase_is_told_and_makes_no_second_step(store: Store) -> None:
    record = accept(store)
    claim(store)
    for message in ("0 of 2 ready", "1 of 2 ready", "1 of 2 ready"):
        condition = Condition(
            type="Ready",
            status="False",
            reason="Waiting",
            message=message,
            last_transition_time=clock.to_datetime(NOON),
        )
        say(store, record, "RollingOut", conditions=(condition,))
    told = [event.message for _, event in store(events.after, record.id, 0)]
    assert told == ["", "0 of 2 ready", "1 of 2 ready"]
    assert [step.phase for step in store(events.steps, record.id)] == ["Pending", "RollingOut"]


def hear(store: Store, record: Record, phase: Any, version: int, *, listed: bool = False) -> None:
    app = reported("acme-shop-dev", SHOP, record.id, record.sequence, phase)
    metadata = msgspec.structs.replace(app.metadata, resource_version=str(version))
    app = msgspec.structs.replace(app, metadata=metadata)
    store(progress.observe, app, DOMAIN, NOON, listed=listed)


@pytest.mark.requirement("F30")
def test_what_a_replica_hears_later_than_another_is_not_told_twice(store: Store) -> None:
    record, words = accept(store), ("Provisioning", "Publishing", "Reconciling")
    claim(store)
    for _ in ("replica", "other replica"):
        for version, phase in enumerate(words, start=9):
            hear(store, record, phase, version)
    assert [event.phase for _, event in store(events.after, record.id, 0)] == ["Pending", *words]


@pytest.mark.requirement("F30", "F40")
def test_what_a_list_tells_is_taken_also_where_the_cluster_counts_on_from_before(store: Store) -> None:
    """A backup of its own came back."""
    record = accept(store)
    claim(store)
    hear(store, record, "Reconciling", 10)
    hear(store, record, "Publishing", 9)
    assert store(environments.find, SHOP).status.phase == "Reconciling"
    hear(store, record, "Publishing", 9, listed=True)
    assert store(environments.find, SHOP).status.phase == "Publishing"


def test_a_word_that_says_not_when_is_never_late(store: Store) -> None:
    record = accept(store)
    claim(store)
    hear(store, record, "Publishing", 9)
    say(store, record, "Reconciling")
    assert store(environments.find, SHOP).status.phase == "Reconciling"
    hear(store, record, "RollingOut", 3)
    assert store(environments.find, SHOP).status.phase == "RollingOut"


def test_a_ready_environment_ends_its_deploy_with_release_and_address(store: Store) -> None:
    record = accept(store)
    claim(store)
    assert say(store, record, "Ready") == [record.id]
    assert at(store, record).state == "done"
    _, last = store(events.after, record.id, 0)[-1]
    assert isinstance(last, DoneEvent)
    assert (last.release, last.url) == (1, "https://shop.example.com")


def test_a_failure_is_kept_with_its_reason_and_lets_the_next_one_go(store: Store) -> None:
    """DP-47, DP-Q45."""
    first, second = accept(store), accept(store)
    claim(store)
    failure = Failure(phase="RollingOut", reason="CrashLoopBackOff", message="it ends at once", object="Pod/shop-1")
    say(store, first, "Failed", failure=failure)
    assert at(store, first).failure == failure
    claimed = claim(store)
    assert claimed is not None
    assert claimed.id == second.id
    _, last = store(events.after, first.id, 0)[-1]
    assert isinstance(last, FailedEvent)


def test_a_failure_by_deadline_is_not_the_end(store: Store) -> None:
    """DP-Q40."""
    record = accept(store)
    claim(store)
    say(store, record, "Failed", failure=Failure(phase="RollingOut", reason="DeadlineExceeded", message="late"))
    say(store, record, "Ready")
    assert at(store, record).state == "done"
    assert at(store, record).failure is None
    assert kinds(store, record)[-3:] == ["Phase", "Failed", "Done"]


def test_a_deploy_that_was_done_stays_done_when_what_it_brought_serves_no_more(store: Store) -> None:
    record = accept(store)
    claim(store)
    say(store, record, "Ready")
    before = kinds(store, record)
    say(store, record, "Failed", failure=Failure(phase="Ready", reason="NotServing", message="not in order"))
    say(store, record, "Ready")
    assert (at(store, record).state, at(store, record).failure) == ("done", None)
    assert kinds(store, record) == before


def test_only_a_waiting_deploy_can_be_cancelled(store: Store) -> None:
    first, second = accept(store), accept(store)
    claim(store)
    assert store(deploys.cancel, second.id, "bob", NOON).state == "canceled"
    assert at(store, second).failure is not None
    for record in (first, second):
        with pytest.raises(Refused) as caught:
            store(deploys.cancel, record.id, "bob", NOON)
        assert caught.value.code == "too_late"
    say(store, first, "Ready")
    assert claim(store) is None


def test_a_refusal_of_the_cluster_ends_the_deploy_and_tells_who_waits(store: Store) -> None:
    """DP-Q65."""
    first, second, third = accept(store), accept(store), accept(store)
    claim(store)
    failure = Failure(phase="Pending", reason="Conflict", message="edited by hand")
    assert store(progress.refused, first.id, failure, NOON) == [first.id, third.id]
    assert [event.queue.position for _, event in store(events.after, third.id, 0)] == [2, 1]
    assert at(store, first).state == "failed"
    assert store(progress.refused, first.id, failure, NOON) == []
    claimed = claim(store)
    assert claimed is not None
    assert claimed.id == second.id


def test_a_delete_waits_for_nobody_and_nobody_waits_for_it(store: Store) -> None:
    """DP-Q25: 409 busy on both sides."""
    first = accept(store)
    busy = refusal(store, operation="delete")
    assert (busy.code, busy.next) == ("busy", f"kilter deploy --follow {first.id}")
    claim(store)
    say(store, first, "Ready")
    deletion = accept(store, operation="delete")
    assert refusal(store).code == "busy"
    assert refusal(store).details["deploy_id"] == deletion.id


def test_a_deleted_environment_gives_its_names_up_and_its_numbers_go_on(store: Store) -> None:
    """DP-Q25, DP-Q66."""
    first = accept(store)
    name = store(environments.find, SHOP).object_name
    claim(store)
    say(store, first, "Ready")
    deletion = accept(store, operation="delete")
    assert store(absence.gone, name, NOON, NOON) == []  # nobody asked for it yet
    claim(store)
    assert store(absence.gone, name, NOON, NOON) == [deletion.id]
    assert at(store, deletion).state == "done"
    assert store(environments.find, SHOP) is None
    again = accept(store)
    assert again.sequence == 3
    assert store(environments.find, SHOP).object_name == name


def test_an_object_of_a_lost_store_is_taken_up_and_its_numbers_go_on(store: Store) -> None:
    """F40: unknown environments are kept."""
    app = reported("acme-shop-dev", SHOP, "dep-x", 57, "Ready")
    assert store(progress.observe, app, DOMAIN, NOON) == ["dep-x"]
    assert store(environments.find, SHOP).object_name == "acme-shop-dev"
    assert store(deploys.find, "dep-x").state == "done"
    assert accept(store).sequence == 58


def test_a_store_of_yesterday_goes_on_from_the_number_that_the_cluster_has(store: Store) -> None:
    """F40."""
    accept(store)
    app = reported("acme-shop-dev", SHOP, "dep-x", 9, "Ready")
    protected = msgspec.structs.replace(app.spec, class_="protected")
    app = msgspec.structs.replace(app, spec=protected)
    store(progress.observe, app, DOMAIN, NOON)
    assert store(environments.find, SHOP).env_class == "protected"
    assert accept(store).sequence == 10


def test_a_deploy_that_a_store_of_yesterday_has_lost_is_taken_up_again(store: Store) -> None:
    """F40: with its image, and how far it is."""
    known = accept(store, PROD)
    image = IMAGE.replace("a" * 64, "b" * 64)
    seen = reported(store(environments.find, PROD).object_name, PROD, "dep-lost", 2, "Ready")
    seen = msgspec.structs.replace(seen, spec=msgspec.structs.replace(seen.spec, image=image))
    before = msgspec.structs.replace(seen, status=store(environments.find, PROD).status)
    for each, state in ((before, "running"), (seen, "done"), (seen, "done")):
        store(progress.observe, each, DOMAIN, NOON)
        assert [found.id for found in store(deploys.page, PROD, below=None, limit=9)] == ["dep-lost", known.id]
        assert (store(deploys.find, "dep-lost").state, store(deploys.find, "dep-lost").spec.image) == (state, image)
    assert store(deploys.find, "dep-lost").url == "https://shop.example.com"
    assert accept(store, PROD).sequence == 3


def test_an_object_of_a_lost_store_keeps_the_name_that_it_has(store: Store) -> None:
    """F40, DP-Q33: somebody else may have had the plain one when it was made."""
    _, second = names.object_names(SHOP)
    store(progress.observe, reported(second, SHOP, "dep-x", 57, "Ready"), DOMAIN, NOON)
    assert store(environments.find, SHOP).object_name == second


def test_another_deploy_of_a_number_that_is_given_out_is_not_taken_up(store: Store) -> None:
    """F40: only what the store cannot know is taken from the cluster."""
    known = accept(store)
    store(progress.observe, reported("acme-shop-dev", SHOP, "dep-x", 1, "RollingOut"), DOMAIN, NOON)
    assert store(deploys.page, SHOP, below=None, limit=9) == [at(store, known)]


def test_a_deploy_that_met_an_object_on_its_way_out_is_handed_over_again(store: Store) -> None:
    """F28: who handed it over died; the object goes, and is to be made anew."""
    record = accept(store)
    store(progress.claim, NOON)
    seen = reported("acme-shop-dev", SHOP, record.id, 1, "Deleting")
    leaving = msgspec.structs.replace(seen.metadata, deletion_timestamp="2026-06-01T12:00:00Z")
    store(progress.observe, msgspec.structs.replace(seen, metadata=leaving), DOMAIN, NOON)
    assert at(store, record).applied_at is None
    assert store(progress.claim, NOON + progress.LEASE + 1).id == record.id


def test_a_lost_deploy_of_an_object_on_its_way_out_is_left_alone(store: Store) -> None:
    """F40: its number alone is kept."""
    accept(store)
    seen = reported(store(environments.find, SHOP).object_name, SHOP, "dep-lost", 2, "Deleting")
    leaving = msgspec.structs.replace(seen.metadata, deletion_timestamp="2026-06-01T12:00:00Z")
    store(progress.observe, msgspec.structs.replace(seen, metadata=leaving), DOMAIN, NOON)
    assert store(deploys.find, "dep-lost") is None
    assert accept(store).sequence == 3


def test_a_deleted_environment_does_not_come_back_by_an_old_word(store: Store) -> None:
    """F40: another replica may be behind with its watch."""
    record = accept(store)
    claim(store)
    say(store, record, "Ready")
    name = store(environments.find, SHOP).object_name
    accept(store, operation="delete")
    claim(store)
    store(absence.gone, name, NOON, NOON)
    store(progress.observe, reported(name, SHOP, record.id, 1, "Ready"), DOMAIN, NOON)
    assert store(environments.find, SHOP) is None


@pytest.mark.parametrize("listed", [True, False])
def test_an_older_object_does_not_take_the_place_of_an_environments_own(store: Store, listed: bool) -> None:
    """O2: an environment whose plain name somebody else held has another one."""
    accept(store)
    store(lambda tx: tx.execute("UPDATE environments SET object_name = 'acme-shop-dev-1', sequence = 7"))
    old = reported("acme-shop-dev", SHOP, "dep-x", 5, "Ready")
    assert store(progress.observe, old, DOMAIN, NOON, listed=listed) == []
    assert store(environments.find, SHOP).object_name == "acme-shop-dev-1"


def test_an_object_on_its_way_out_or_with_a_name_that_is_not_its_own_is_left_alone(store: Store) -> None:
    """O2."""
    app = reported("acme-shop-dev", SHOP, "dep-x", 1, "Ready")
    leaving = msgspec.structs.replace(app.metadata, deletion_timestamp="2026-06-01T12:00:00Z")
    stranger = msgspec.structs.replace(app.metadata, name="kube-system")
    for metadata in (leaving, stranger):
        assert store(progress.observe, msgspec.structs.replace(app, metadata=metadata), DOMAIN, NOON) == []
    assert store(environments.find, SHOP) is None


def test_waiters_are_told_when_their_place_changes(store: Store) -> None:
    """DP-Q65."""
    first, second, third = accept(store), accept(store), accept(store)
    claim(store)
    assert say(store, first, "Reconciling") == [first.id, third.id]
    places = [event.queue for _, event in store(events.after, third.id, 0)]
    assert [place.position for place in places] == [2, 1]
    assert places[1].holder.deploy_id == second.id


def test_what_a_deploy_carried_is_forgotten_once_it_has_ended(store: Store) -> None:
    """Secrets leave the store, encrypted as they are, when the cluster has them."""
    seeds = {"run": True, "entries": [{"name": "demo", "sha256": "a" * 64, "kind": "sql", "sql": "SELECT 1"}]}
    record = accept(store, spec=spec(secrets={"db": "sops"}, seeds=seeds))
    assert record.spec.secrets == {"db": "sops"}
    assert [entry.name for entry in at(store, record).spec.seeds.entries] == ["demo"]
    claim(store)
    say(store, record, "Ready")
    assert at(store, record).spec.secrets is msgspec.UNSET
    assert (at(store, record).spec.seeds.run, at(store, record).spec.seeds.entries) == (True, ())
    assert at(store, record).spec.image == IMAGE


def test_pages_of_deploys_are_newest_first_and_can_be_turned(store: Store) -> None:
    accepted = [accept(store).sequence for _ in range(5)]
    first = store(deploys.page, SHOP, below=None, limit=2)
    second = store(deploys.page, SHOP, below=first[-1].sequence, limit=10)
    assert [record.sequence for record in [*first, *second]] == sorted(accepted, reverse=True)


def test_the_first_phase_is_recorded_when_the_deploy_leaves_the_queue(store: Store) -> None:
    record = accept(store)
    claim(store, NOON + MINUTE)
    [(_, event)] = store(events.after, record.id, 0)
    assert isinstance(event, PhaseEvent)
    assert event.phase == "Pending"
