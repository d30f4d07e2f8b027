"""One look at one KilterApp: walk the steps, carry out what they want, and write what came of it, all in one place."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from kilter.api import kilterapp
from kilter.api.crd import STATUS_RULE
from kilter.api.kilterapp import FINALIZER, KilterApp, Metadata
from kilter.api.kilterapp_status import Status
from kilter.api.words import ConditionType, Phase
from kilter.operator import expiry, kinds, lasting, observe, tail
from kilter.operator.elders import elder
from kilter.operator.kinds import Object
from kilter.operator.kube import Conflict, KubeError
from kilter.operator.lease import Deposed
from kilter.operator.status import Walk, Walked, advanced, begun, leaving, news, report
from kilter.operator.steps import admission, cleanup, database, flux, hpa, namespace, publish, rollout, route, services
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait
from kilter.operator.verdicts import BROKEN, carried_out, decided, is_broken
from kilter.operator.views import Unreadable
from kilter.operator.world import LOG, World

# Waits for an administrator rather than for a deploy.
TROUBLES: Final = frozenset({"DatabaseUnavailable", "NotPublished", "Refused", *BROKEN})
FAILED_AGAIN: Final = 60.0  # seconds until another look at what failed, should no event come


@dataclass(frozen=True)
class Step:
    """One step: the phase it is part of, the condition it decides, and how it comes to its decision."""

    phase: Phase
    condition: ConditionType
    decide: Callable[[World, Target], Decision]
    after: Callable[[World, Target], None] | None = None  # when it is Done and had nothing to do


STEPS: Final = (
    Step("Preflight", "PreflightPassed", lambda w, t: admission.decide(t, elder(w, t))),
    Step("Provisioning", "NamespaceReady", lambda w, t: namespace.decide(t, observe.of_namespace(w, t))),
    Step(
        "Provisioning",
        "DatabaseReady",
        lambda w, t: database.decide(t, observe.of_database(w, t)),
        observe.verified_database,
    ),
    Step("Provisioning", "SecretsReady", lambda w, t: services.decide_secrets(t, observe.of_passwords(w, t))),
    Step("Preflight", "PreflightPassed", lambda w, t: services.decide_preflight(t, observe.of_services(w, t))),
    Step("Publishing", "Published", lambda w, t: publish.decide(t, observe.of_publication(w, t))),
    Step("Reconciling", "Reconciled", lambda w, t: flux.decide(t, observe.of_flux(w, t))),
    Step("RollingOut", "RouteReady", lambda w, t: rollout.decide(t, observe.of_rollout(w, t))),
    Step("RollingOut", "RouteReady", lambda w, t: hpa.decide(t, observe.of_hpa(w, t))),
    Step("RollingOut", "RouteReady", lambda w, t: route.decide(t, observe.of_route(w, t))),
)
ORDER: Final[tuple[ConditionType, ...]] = (
    "NamespaceReady", "DatabaseReady", "SecretsReady", "PreflightPassed", "Published", "Reconciled", "RouteReady",
)  # fmt: skip


@dataclass(frozen=True)
class Again:
    """When to look again: after so many seconds, if at all; `failed` asks for longer and longer waits instead.

    With both, the first wait is `after`, and those of failures in a row get longer.
    """

    after: float | None = None
    failed: bool = False


def reconcile(world: World, name: str, steps: Sequence[Step] = STEPS) -> Again:
    """Look at one KilterApp once. Raises Deposed when this operator may not write, KubeError to be tried again."""
    expiry.drop(world, name)
    app = world.stores.apps.get(kilterapp.NAMESPACE, name)
    if app is None:
        world.forget(name)
        return Again()
    try:
        return _unreadable(world, app) if isinstance(app, Unreadable) else _handle(world, app, steps)
    except Conflict:
        return Again(0.0, failed=True)  # it changed while it was looked at; what it is now comes by the watch


def _handle(world: World, app: KilterApp, steps: Sequence[Step]) -> Again:
    if app.metadata.deletion_timestamp:
        return _leave(world, app) if FINALIZER in app.metadata.finalizers else Again()
    if app.spec.suspended:
        return Again()
    if app.spec.sequence < app.status.sequence:
        LOG.warning("a lower sequence is ignored", extra=_about(app))
        return Again()
    if FINALIZER not in app.metadata.finalizers or app.metadata.owner_references:
        app = _finalizers(world, app, dict.fromkeys((*app.metadata.finalizers, FINALIZER)))
    now = datetime.now(UTC).replace(microsecond=0)
    status = begun(app, world.settings.readiness_timeout, now)
    target = Target(_with(app, status), world.settings, now)
    return _walk(world, app, target, steps)


def _walk(world: World, app: KilterApp, target: Target, steps: Sequence[Step]) -> Again:
    walked: list[Walked] = []
    warnings = world.untold.setdefault(app.metadata.name, [])
    for step in steps:
        decision = decided(step.decide, world, target)
        # Secrets of a release that is published are made anew without going back to its publication.
        is_behind = step.phase == "Publishing" and publish.published(target.app)
        if decision.effects and not target.settled and app.status.phase != step.phase and not is_behind:
            app = _write(world, app, _entering(world, target, step, walked))
            target = replace(target, app=_with(target.app, app.status))
        verdict = carried_out(world, target, decision, warnings)
        target = replace(target, app=_with(target.app, report(target.app.status, decision.report)))
        walked.append(Walked(step.phase, step.condition, verdict))
        if isinstance(verdict, Done) and step.after and not decision.effects:
            step.after(world, target)
        # What was Ready is looked at as a whole: one thing that cannot be checked right now hides no other.
        if not isinstance(verdict, Done) and not target.settled:
            break
    target = observe.what_runs(world, target)
    walk = Walk(walked, ORDER, len(walked) == len(steps), _tail(world, target, walked), tuple(warnings))
    _write(world, app, advanced(target, walk, world.leadership.fence().number))
    world.untold.pop(app.metadata.name, None)
    return _again(target, walk)


def _leave(world: World, app: KilterApp) -> Again:
    """Take the next step of the way out; the finalizer goes when nothing is left."""
    now = datetime.now(UTC).replace(microsecond=0)
    target = observe.what_runs(world, Target(app, world.settings, now))
    decision = decided(_leaving, world, target)
    if isinstance(decision.verdict, Done):
        _finalizers(world, app, tuple(each for each in app.metadata.finalizers if each != FINALIZER))
        world.publications.forget(app.metadata.name)
        LOG.info(f"deleted: {decision.verdict.message}", extra=_about(app))
        return Again()
    verdict = carried_out(world, target, decision, [])
    _write(world, app, leaving(target, verdict, world.leadership.fence().number))
    if is_broken(verdict):
        return Again(failed=True)
    return Again(verdict.after if isinstance(verdict, Wait) else FAILED_AGAIN)


def _leaving(world: World, target: Target) -> Decision:
    if not admission.is_own_name(target):
        return Decision(Done("it never had a name under which anything could be made"))
    return cleanup.decide(target, observe.of_what_is_left(world, target))


def _write(world: World, app: KilterApp, status: Status) -> KilterApp:
    """Write status, if it says anything new, and return the object as it is then."""
    if status == app.status:
        return app
    applied = _apply(world, app.metadata, msgspec.to_builtins(status))
    _log(app, status)
    return _taken(world, applied)


def _apply(world: World, metadata: Metadata, status: Mapping[str, Any]) -> Object:
    """Apply a status as a whole; the only function that does.

    Refused by the API server when the object changed since it was read, and when a later leader has written it (F26).
    """
    body = {
        "apiVersion": kilterapp.API_VERSION,
        "kind": kilterapp.KIND,
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "resourceVersion": metadata.resource_version,
        },
        "status": status,
    }
    world.leadership.fence()
    try:
        return world.kube.apply(body, force=True, subresource="status")
    except KubeError as error:
        if error.code == 422 and STATUS_RULE[1] in error.why:
            raise Deposed("a later leader writes status") from None
        raise


def _log(app: KilterApp, status: Status) -> None:
    """Log what is lost, and how far a deploy is, once for each phase and each reason to wait."""
    for said in lasting.fresh(app.status.warnings, status.warnings):
        LOG.error(said, extra=_about(app))
    if (told := news(app.status, status)) is None:
        return
    level = logging.WARNING if told["phase"] == "Failed" or told["reason"] in TROUBLES else logging.INFO
    said = ": ".join(filter(None, (told["phase"], told["reason"], told["message"])))
    LOG.log(level, said, extra=_about(app) | {"phase": told["phase"], "reason": told["reason"]})


def _entering(world: World, target: Target, step: Step, walked: Sequence[Walked]) -> Status:
    """Return the status that says what is about to be done."""
    waiting = Walked(step.phase, step.condition, Wait("UnderWay", "under way"))
    return advanced(target, Walk([*walked, waiting], ORDER, complete=False), world.leadership.fence().number)


def _finalizers(world: World, app: KilterApp, finalizers: Iterable[str]) -> KilterApp:
    """Set the finalizers, and take off owners: with one that is gone the whole environment would be deleted (O4)."""
    world.leadership.fence()
    version = app.metadata.resource_version
    patch = {"metadata": {"finalizers": list(finalizers), "ownerReferences": None, "resourceVersion": version}}
    return _taken(world, world.kube.merge(kinds.APP, app.metadata.namespace, app.metadata.name, patch))


def _taken(world: World, thing: dict[str, Any]) -> KilterApp:
    """Take the API server's answer as the newest state; raises Conflict for one that cannot be read."""
    world.stores.put(thing)
    try:
        return msgspec.convert(thing, KilterApp)
    except msgspec.ValidationError as error:
        raise Conflict(409, "Unreadable", str(error)) from None


def _unreadable(world: World, app: Unreadable) -> Again:
    """Say on the object itself that it cannot be read; all others are handled as ever (O3).

    What else its status says stays. It is applied with that as a whole: a part that was patched in would be nobody's
    to take back once the object can be read.
    """
    LOG.error("a KilterApp cannot be read", extra={"app": app.metadata.name})
    said = f"this operator cannot read it: {app.why}"[:500]
    status = {
        **app.status,
        "fence": world.leadership.fence().number,
        "phase": "Failed",
        "failure": {"phase": "Preflight", "reason": "Unreadable", "message": said},
    }
    if isinstance(known := app.status.get("conditions"), list):
        status["conditions"] = [_not_ready(each, said) for each in known]
    if app.deploy and app.deploy != app.status.get("deployId"):
        status |= {"deployId": app.deploy, "sequence": app.sequence, "phases": []}
    if status != app.status:
        world.stores.put(_apply(world, app.metadata, status))
    return Again()


def _not_ready(condition: Any, said: str) -> Any:
    """Return a condition as it is, but for the one that would go on saying that all is well."""
    if not isinstance(condition, dict) or condition.get("type") != "Ready":
        return condition
    told = {**condition, "status": "False", "reason": "Unreadable", "message": said}
    since = {"lastTransitionTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
    return told | since if condition.get("status") == "True" else told


def _tail(world: World, target: Target, walked: Sequence[Walked]) -> tuple[str, ...]:
    """Return the last lines of the container that a failure is about; those already on record are not read again."""
    failed = next((each.verdict for each in walked if isinstance(each.verdict, Failed)), None)
    known = target.app.status.failure
    if failed is None or failed.log is None:
        return ()
    if known is not None and known.log_tail and (known.reason, known.object) == (failed.reason, failed.object):
        return known.log_tail
    return tail.read(world.kube, target, failed.log)


def _again(target: Target, walk: Walk) -> Again:
    if any(is_broken(each.verdict) for each in walk.steps):
        return Again(failed=True)
    waits = [each.verdict.after for each in walk.steps if isinstance(each.verdict, Wait)]
    if any(isinstance(each.verdict, Failed) for each in walk.steps):
        waits.append(FAILED_AGAIN)
    deadline = target.app.status.deadline_at
    if waits and deadline is not None and deadline > target.now:
        waits.append((deadline - target.now).total_seconds() + 1.0)
    return Again(min(waits)) if waits else Again()


def _with(app: KilterApp, status: Status) -> KilterApp:
    return msgspec.structs.replace(app, status=status)


def _about(app: KilterApp) -> dict[str, str]:
    return {"app": app.metadata.name, "deploy": app.spec.deploy_id}
