"""The verdict of a step, also where something keeps it from deciding, or its effects from being carried out.

That is a wait: status tells of it, the deadline ends it, and nothing else of the environment is hidden by it.
"""

from collections.abc import Callable
from typing import Final

from kilter.errors import BadInput, Busy, Interrupted, KilterError, in_one_line
from kilter.operator.kube import Conflict, KubeError
from kilter.operator.perform import perform
from kilter.operator.postgres import DatabaseUnavailable
from kilter.operator.steps.base import Decision, Failed, Target, Verdict, Wait
from kilter.operator.world import LOG, World

INVALID: Final = frozenset({400, 422})  # answers of the API server that a later try would only repeat
REFUSED: Final = frozenset({403, 404})  # those that others can change: rights, a namespace that is on its way out
RETRY: Final = 30.0  # seconds until another try of what a step could not look at
BROKEN: Final = frozenset({"ApiServerFailed", "Unforeseen"})  # waits that are tried again later each time


def decided(decide: Callable[[World, Target], Decision], world: World, target: Target) -> Decision:
    """Return what a step decides; raises Conflict and whatever ends the look, nothing else."""
    try:
        return decide(world, target)
    except UnicodeDecodeError:
        return Decision(Wait("Unreadable", "a value of a Secret of kilter's is no text", RETRY))
    except Exception as error:  # noqa: BLE001 - a step that fails in a way that nobody foresaw fails its own app alone
        return Decision(_kept_by(error, target))


def carried_out(world: World, target: Target, decision: Decision, warnings: list[str]) -> Verdict:
    """Carry out a decision's effects in order and return its verdict, or what kept them from being carried out."""
    try:
        warnings.extend(warning for effect in decision.effects if (warning := perform(world, effect)))
    except Exception as error:  # noqa: BLE001 - as above
        if isinstance(error, KubeError) and error.code in INVALID:
            return Failed("Refused", in_one_line(error))
        kept = _kept_by(error, target)
        if isinstance(kept, Wait) and kept.reason == "Refused" and isinstance(decision.verdict, Wait):
            return Wait(kept.reason, f"{kept.message}; {decision.verdict.message}", kept.after)
        return kept
    return decision.verdict


def is_broken(verdict: Verdict) -> bool:
    """Tell whether a step came to nothing for a reason of which nobody knows when it is over."""
    return isinstance(verdict, Wait) and verdict.reason in BROKEN


def _kept_by(error: Exception, target: Target) -> Wait | Failed:
    match error:
        case Busy() | Interrupted() | Conflict():
            raise error
        case DatabaseUnavailable():
            return Wait("DatabaseUnavailable", in_one_line(error), 10.0)
        case BadInput():
            return Failed("Invalid", in_one_line(error))
        case KubeError() if error.code in REFUSED:
            return Wait("Refused", in_one_line(error), 15.0)  # an older chart gave fewer rights, say
        case KubeError():
            return Wait("ApiServerFailed", in_one_line(error), RETRY)
        case KilterError():
            return Wait(type(error).__name__, in_one_line(error), RETRY)
    LOG.error("a look at a KilterApp failed", exc_info=error, extra={"app": target.name})
    said = f"the operator itself failed at this, which its log has more of: {type(error).__name__}"
    return Wait("Unforeseen", said, RETRY)
