"""What status says of a deploy, from what it said and what the steps found."""

from typing import Any

import msgspec
import pytest
from unit.operator.test_steps import target

from kilter.api.kilterapp_status import Failure, Status
from kilter.operator.status import Walk, Walked, advanced, leaving, news
from kilter.operator.steps.base import Done, Failed, Target, Wait

CRASH = Failed("CrashLoop", "the container app ends again and again", "Pod shop-1")
ORDER = ("Reconciled", "RouteReady")


def walked(asked: Target, *verdicts: Any) -> Status:
    """Take one look; a verdict per step, Reconciling first and RollingOut after it."""
    phases = (("Reconciling", "Reconciled"), ("RollingOut", "RouteReady"))
    steps = [Walked(*place, verdict) for place, verdict in zip(phases, verdicts, strict=False)]  # type: ignore[arg-type]
    complete = len(steps) == len(phases) and all(isinstance(verdict, Done) for verdict in verdicts)
    return advanced(asked, Walk(steps, ORDER, complete), fence=1)  # type: ignore[arg-type]


def after(asked: Target, status: Status) -> Target:
    return Target(msgspec.structs.replace(asked.app, status=status), asked.settings, asked.now)


@pytest.mark.requirement("DP-Q45")
def test_what_failed_stays_failed_while_its_container_is_only_started_again() -> None:
    asked = target()
    failed = walked(asked, Done("applied"), CRASH)
    assert failed.phase == "Failed"
    between = walked(after(asked, failed), Done("applied"), Wait("RollingOut", "1 of 3 pods are made", 5.0))
    assert (between.phase, between.failure) == ("Failed", failed.failure)
    assert isinstance(between.failure, Failure)


@pytest.mark.requirement("DP-Q45")
def test_what_failed_goes_on_once_it_comes_further_and_is_ready_when_it_answers() -> None:
    asked = target()
    failed = walked(asked, Failed("BuildFailed", "Flux could not apply the release", "Kustomization x"))
    further = walked(after(asked, failed), Done("applied"), Wait("RollingOut", "1 of 3 pods are made", 5.0))
    assert (further.phase, further.failure) == ("RollingOut", None)
    crashed = walked(asked, Done("applied"), CRASH)
    ready = walked(after(asked, crashed), Done("applied"), Done("the release answers"))
    assert (ready.phase, ready.failure) == ("Ready", None)


def test_a_deploy_is_news_for_the_log_once_for_each_phase_and_each_reason_to_wait() -> None:
    asked = target()
    away = walked(asked, Wait("DatabaseUnavailable", "the database server does not answer: refused", 10.0))
    assert news(Status(), away) == {
        "phase": "Reconciling",
        "reason": "DatabaseUnavailable",
        "message": "the database server does not answer: refused",
    }
    one, two = (walked(asked, Done("applied"), Wait("RollingOut", f"{count} of 3 pods", 5.0)) for count in (1, 2))
    assert (news(away, one) or {})["message"] == "1 of 3 pods"
    assert news(one, two) is None
    assert (news(one, walked(asked, Done("applied"), CRASH)) or {})["reason"] == "CrashLoop"
    again = msgspec.structs.replace(two, deploy_id="dep-next")
    assert news(two, again) is not None


def test_the_log_says_what_a_delete_waits_for_and_nothing_of_the_time_before_it() -> None:
    asked = target()
    crashed = after(asked, walked(asked, Done("applied"), CRASH))
    pruned = leaving(crashed, Wait("Pruning", "Flux removes the release", 2.0), fence=1)
    assert news(crashed.app.status, pruned) == {
        "phase": "Deleting",
        "reason": "Pruning",
        "message": "Flux removes the release",
    }
    away = leaving(after(asked, pruned), Wait("DatabaseUnavailable", "refused", 10.0), fence=1)
    assert (news(pruned, away) or {})["reason"] == "DatabaseUnavailable"


@pytest.mark.requirement("DP-Q45")
def test_the_phases_that_a_deploy_went_through_are_on_record_once_each_with_their_ends() -> None:
    asked = target()
    waiting = walked(asked, Wait("Applying", "Flux applies it", 5.0))
    rolling = walked(after(asked, waiting), Done("applied"), Wait("RollingOut", "1 of 3 pods", 5.0))
    again = walked(after(asked, rolling), Done("applied"), Wait("RollingOut", "2 of 3 pods", 5.0))
    ready = walked(after(asked, again), Done("applied"), Done("the release answers"))
    assert [each.phase for each in ready.phases] == ["Reconciling", "RollingOut", "Ready"]
    assert [each.finished_at is None for each in ready.phases] == [False, False, True]
    assert all(each.started_at == asked.now for each in ready.phases)
