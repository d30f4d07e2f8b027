"""What status says, from what it said and what the steps found. Pure: the one place where a status is made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from kilter.api.kilterapp import KilterApp, Spec
from kilter.api.kilterapp_status import Condition, Failure, PhaseTimes, Status
from kilter.api.words import NOT_RUNNING, NOT_SERVING, PHASES, ConditionType, Phase
from kilter.operator import lasting
from kilter.operator.steps.base import Done, Failed, Target, Verdict, Wait
from kilter.words import duration, human_duration

PHASES_KEPT: Final = 40
LONGEST: Final = timedelta(days=365)  # no date is beyond the last one that there is
UNSERVED: Final = timedelta(minutes=2)  # longer than a node takes to start, or a pod to be made elsewhere
ENDED: Final[frozenset[Phase]] = frozenset({"Ready", "Failed"})


@dataclass(frozen=True)
class Walked:
    """A step that was walked: the phase and the condition it belongs to, and its verdict."""

    phase: Phase
    condition: ConditionType
    verdict: Verdict


@dataclass(frozen=True)
class Walk:
    """How far the steps came: all of them when `complete`. `order` are the conditions, as people read them."""

    steps: Sequence[Walked]
    order: Sequence[ConditionType]
    complete: bool
    log_tail: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def stopped_by(self) -> Walked | None:
        """The first step that is not Done."""
        return next((each for each in self.steps if not isinstance(each.verdict, Done)), None)


def news(before: Status, after: Status) -> Mapping[str, str] | None:
    """Return what the log says of a new status: phase, reason and message; None when only numbers in them changed."""
    told, known = _told(after), _told(before)
    same = before.deploy_id == after.deploy_id and all(told[each] == known[each] for each in ("phase", "reason"))
    return None if same else told


def _told(status: Status) -> Mapping[str, str]:
    if status.failure is not None:
        return {"phase": status.phase, "reason": status.failure.reason, "message": status.failure.message}
    # On the way out the others are as they were before it.
    told = [each for each in status.conditions if status.phase != "Deleting" or each.type == "Ready"]
    waiting = next((each for each in told if each.status != "True"), None)
    reason, message = (waiting.reason, waiting.message) if waiting else ("", "")
    return {"phase": status.phase, "reason": reason, "message": message}


def begun(app: KilterApp, readiness_timeout: float, now: datetime) -> Status:
    """Return the status that a spec is handled from: as it was, or, for a new deploy, with its clock started anew.

    So it is for a spec that somebody edits once its deploy has ended, whose deadline is long over.
    """
    status, spec = app.status, app.spec
    is_edited = status.observed_generation != app.metadata.generation and status.phase in ENDED
    if status.deploy_id == spec.deploy_id and not is_edited:
        return status
    timed = msgspec.structs.replace(
        status, provisioned_at=now, deadline_at=now + _limit(spec, readiness_timeout), failure=None
    )
    if status.deploy_id == spec.deploy_id:
        return timed
    return msgspec.structs.replace(
        timed,
        deploy_id=spec.deploy_id,
        sequence=spec.sequence,
        phase="Pending",
        phases=(),
        warnings=lasting.carried(status.warnings),
        migration=None,
        seeds=(),
    )


def _limit(spec: Spec, readiness_timeout: float) -> timedelta:
    """Return how long a deploy may take; a limit that is no time counts as none given, until it is refused."""
    try:
        asked = duration(spec.timeouts.ready or "")
    except ValueError:
        asked = readiness_timeout
    return min(timedelta(seconds=asked), LONGEST)


def advanced(target: Target, walk: Walk, fence: int) -> Status:
    """Return the status after a walk over the steps."""
    status = target.app.status
    failure = _failure(target, walk)
    phase = _phase(target, walk, failure)
    succeeds = phase == "Ready" and not target.settled
    known = lasting.outlived(status.warnings) if succeeds else status.warnings
    return msgspec.structs.replace(
        status,
        observed_generation=target.app.metadata.generation,
        fence=fence,
        phase=phase,
        phases=_phases(status.phases, walk, phase, target.now),
        conditions=_conditions(target, walk, failure),
        failure=failure,
        last_good_release=status.release if succeeds else status.last_good_release,
        warnings=lasting.bounded((*known, *walk.warnings)),
    )


def leaving(target: Target, verdict: Verdict, fence: int) -> Status:
    """Return the status of an environment that is being deleted."""
    status, now = target.app.status, target.now
    message = verdict.message
    failure = None
    if isinstance(verdict, Failed):
        failure = Failure(phase="Deleting", reason=verdict.reason, message=message, object=verdict.object)
    reason = "Deleting" if isinstance(verdict, Done) else verdict.reason
    ready = _condition(target, "Ready", "False", reason, message)
    kept = tuple(each for each in status.conditions if each.type != "Ready")
    return msgspec.structs.replace(
        status,
        observed_generation=target.app.metadata.generation,
        fence=fence,
        phase="Deleting",
        phases=_entered(status.phases, ["Deleting"], now),
        conditions=(*kept, ready),
        failure=failure,
    )


def report(status: Status, said: Mapping[str, Any]) -> Status:
    """Return a status with what a step reports."""
    return msgspec.structs.replace(status, **said) if said else status


def _phase(target: Target, walk: Walk, failure: Failure | None) -> Phase:
    """An app that was Ready is judged by its answer alone; what else cannot be checked now shows in its condition."""
    stopped = _stopped(target, walk)
    if failure is not None:
        return "Failed"
    if stopped is None:
        return "Ready" if walk.complete else "Pending"
    return "Ready" if target.settled else stopped.phase


def _stopped(target: Target, walk: Walk) -> Walked | None:
    if not target.settled:
        return walk.stopped_by
    serving = [each for each in walk.steps if each.condition == "RouteReady"]
    return next((each for each in serving if not isinstance(each.verdict, Done)), None)


def _failure(target: Target, walk: Walk) -> Failure | None:
    stopped = _stopped(target, walk)
    if stopped is None:
        return None
    verdict, deadline = stopped.verdict, target.app.status.deadline_at
    if isinstance(verdict, Failed):
        return Failure(
            phase=stopped.phase,
            reason=verdict.reason,
            message=verdict.message,
            object=verdict.object,
            log_tail=walk.log_tail,
        )
    if (known := _standing(target, stopped)) is not None:
        return known
    if target.settled:
        return _unserved(target, stopped)
    if deadline is None or target.now < deadline:
        return None
    started = target.app.status.provisioned_at or deadline
    limit = human_duration((deadline - started).total_seconds())
    said = f"not Ready within {limit}: {verdict.message}; it becomes Ready as soon as that holds"
    return Failure(phase=stopped.phase, reason="DeadlineExceeded", message=said)


def _unserved(target: Target, stopped: Walked) -> Failure | None:
    """Return the failure of what was Ready and has not served for a while; it is Ready again as soon as it serves."""
    known = next((each for each in target.app.status.conditions if each.type == stopped.condition), None)
    since = known.last_transition_time if known is not None and known.status == "False" else None
    if since is None or target.now - since < UNSERVED:
        return None
    why = f"{stopped.verdict.message}; it is Ready again as soon as that is mended"
    said = f"not in order since {since:%Y-%m-%d %H:%M:%S} UTC: {why}"
    runs_in_part = isinstance(stopped.verdict, Wait) and stopped.verdict.reason == NOT_RUNNING
    return Failure(phase="Ready", reason=NOT_RUNNING if runs_in_part else NOT_SERVING, message=said)


def _standing(target: Target, stopped: Walked) -> Failure | None:
    """Return the failure that stands until the deploy comes further; a container that starts anew mended nothing."""
    status = target.app.status
    if status.phase != "Failed" or status.failure is None or target.settled:
        return None
    return status.failure if PHASES.index(stopped.phase) <= PHASES.index(status.failure.phase) else None


def _conditions(target: Target, walk: Walk, failure: Failure | None) -> tuple[Condition, ...]:
    found = [_of_type(target, walk, each) for each in walk.order]
    stopped = _stopped(target, walk)
    if stopped is None and walk.complete:
        ready = _condition(target, "Ready", "True", "Ready", "the release is what its users meet")
    elif failure is not None:
        ready = _condition(target, "Ready", "False", failure.reason, failure.message)
    else:
        verdict = stopped.verdict if stopped else Wait("Pending", "")
        reason = verdict.reason if isinstance(verdict, Wait | Failed) else "Pending"
        ready = _condition(target, "Ready", "False", reason, verdict.message)
    return (*found, ready)


def _of_type(target: Target, walk: Walk, type_: ConditionType) -> Condition:
    own = [each.verdict for each in walk.steps if each.condition == type_]
    trouble = next((each for each in own if isinstance(each, Wait | Failed)), None)
    if trouble is not None:
        return _condition(target, type_, "False", trouble.reason, trouble.message)
    stopped = walk.stopped_by
    reached = own and (walk.complete or stopped is None or stopped.condition != type_)
    if reached:
        amiss = [each.but for each in own if isinstance(each, Done) and each.but]
        return _condition(target, type_, "True", "AsWanted", "; ".join((own[-1].message, *amiss)))
    return _condition(target, type_, "Unknown", "NotReached", "")


def _condition(
    target: Target, type_: ConditionType, status: Literal["True", "False", "Unknown"], reason: str, message: str
) -> Condition:
    """Return a condition whose time is that of its last change from one status to another."""
    known = next((each for each in target.app.status.conditions if each.type == type_), None)
    since = known.last_transition_time if known is not None and known.status == status else target.now
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=target.app.metadata.generation,
    )


def _phases(known: tuple[PhaseTimes, ...], walk: Walk, phase: Phase, now: datetime) -> tuple[PhaseTimes, ...]:
    """Record the phases that were gone through, those that took no time among them, and the one it is in."""
    if known and known[-1].phase in ENDED:
        return _entered(known, [phase], now)  # what was gone through before it ended is on record already
    stopped = walk.stopped_by
    bound = PHASES.index(stopped.phase if stopped else "Ready")
    passed = {each.phase for each in walk.steps if PHASES.index(each.phase) < bound}
    if stopped is not None:
        passed.add(stopped.phase)
    fresh = passed - {each.phase for each in known} - {phase}
    return _entered(known, [*sorted(fresh, key=PHASES.index), phase], now)


def _entered(known: tuple[PhaseTimes, ...], phases: Iterable[Phase], now: datetime) -> tuple[PhaseTimes, ...]:
    found = list(known)
    for phase in phases:
        if found and found[-1].phase == phase:
            continue
        if found:
            found[-1] = msgspec.structs.replace(found[-1], finished_at=found[-1].finished_at or now)
        found.append(PhaseTimes(phase=phase, started_at=now))
    return tuple(found if len(found) <= PHASES_KEPT else [*found[:10], *found[10 - PHASES_KEPT :]])
