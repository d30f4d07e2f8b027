"""Flux: the object by which it applies the environment, and what it says of the commit (DP-19, DP-Q16, F33)."""

from dataclasses import dataclass
from typing import Any, Final

from kilter.api.kilterapp_status import Flux as Reported
from kilter.gitops import flux
from kilter.gitops.flux import REQUESTED_AT, Flux
from kilter.gitops.model import Change
from kilter.operator.covers import covers
from kilter.operator.effects import Apply, Effect, PokeSource
from kilter.operator.kinds import Object
from kilter.operator.settings import Settings
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, is_own
from kilter.words import shortened

PROGRESSING: Final = frozenset({"Progressing", "ProgressingWithRetry", "DependencyNotReady", "ArtifactFailed"})


@dataclass(frozen=True)
class Facts:
    """The environment's Kustomization, and the uid of its namespace.

    `applied` and `attempted` tell whether the revision that Flux applied, or tried, contains the release's commit.
    """

    installed: bool = True
    namespace_uid: str = ""
    kustomization: Object | None = None
    applied: bool = False
    attempted: bool = False


def decide(target: Target, facts: Facts) -> Decision:
    """Have Flux apply the commit, and wait until it says that it has; nothing is applied past it."""
    if not facts.installed:
        return Decision(Failed("FluxMissing", "Flux is not installed on this cluster, so nothing can be applied"))
    found = facts.kustomization
    named = f"Kustomization {target.name}"
    if found is not None and not is_own(target, found["metadata"].get("labels") or {}):
        said = f"{named} in {target.settings.flux.namespace} was not made by kilter for {target.slot}"
        return Decision(Failed("KustomizationTaken", said, named))
    wanted = kustomization(target, facts.namespace_uid)
    effects: tuple[Effect, ...] = () if covers(found, wanted) else (Apply(wanted),)
    status: dict[str, Any] = (found or {}).get("status") or {}
    # Every commit of anybody's moves this revision on; what matters is the first that held the release.
    report = {} if target.settled else {"flux": Reported(applied_revision=status.get("lastAppliedRevision") or "")}
    commit = target.app.status.git.commit if target.app.status.git else ""
    ready = flux.ready(status)
    failed = ready.get("status") == "False" and ready.get("reason") not in PROGRESSING
    if failed and (facts.attempted or target.settled):
        return Decision(Failed(ready.get("reason") or "NotApplied", _message(ready), named), effects, report)
    if facts.applied and found is not None:
        return Decision(Done(f"Flux applied {commit[:12]}"), effects, report)
    if found is not None and found.get("spec", {}).get("suspend"):
        return Decision(Wait("FluxSuspended", f"waiting for Flux: {named} is suspended{_since(target)}"), effects)
    wait = Wait("WaitingForFlux", f"waiting for Flux to apply {commit[:12]}{_since(target)}", 20.0)
    return Decision(wait, (*effects, PokeSource(commit)), report)


def kustomization(target: Target, namespace_uid: str) -> Object:
    """Return the Kustomization of the environment, the very one that lies in Git.

    Applied here too, so that a first deploy need not wait until Flux has come to it from the repository's root. The
    annotation by which Flux is asked to look at once names the commit and the namespace: a new commit is a request, and
    so is a namespace that was made anew.
    """
    slot, git = target.slot, target.app.status.git
    change = Change(slot.org, slot.app, slot.env, target.name, None)
    wanted = flux.kustomization(change, git.path if git else "", installation(target.settings))
    wanted["metadata"]["annotations"] = {REQUESTED_AT: f"{git.commit if git else ''}.{namespace_uid[:8]}"}
    return wanted


def installation(settings: Settings) -> Flux:
    """Return how Flux is installed, as the writer of its repository must know it."""
    own = settings.flux
    return Flux(settings.cluster, own.namespace, own.source, own.decryption_secret)


def revision_commit(revision: str) -> str:
    """Return the commit of a revision as Flux writes it (`main@sha1:…`, or `main/…` as it once did)."""
    return revision.rpartition(":")[2].rpartition("/")[2]


def _message(condition: dict[str, str]) -> str:
    said = shortened(condition.get("message", ""), 500)
    return f"Flux could not apply the release: {said or 'it does not say why'}"


def _since(target: Target) -> str:
    conditions = target.app.status.conditions
    since = next((each.last_transition_time for each in conditions if each.type == "Published"), None)
    return f" since {since:%H:%M:%S} UTC" if since else ""
