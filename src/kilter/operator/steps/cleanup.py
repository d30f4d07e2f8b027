"""The way out: everything of an environment goes, in an order in which nothing brings it back, and nothing else goes.

Git first, so that nobody applies anew; then Flux's object, which prunes while its rights still stand; then namespace,
service account, and last the database. Only what carries the environment's own marks is deleted, by uid (DP-Q25, F37),
and what lies in the namespace that does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from kilter.api.words import DatabasePolicy
from kilter.operator import effects, kinds
from kilter.operator.effects import Change, Effect, Submit
from kilter.operator.kinds import Kind, Object
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, is_own
from kilter.operator.steps.database import DatabaseFact, RoleFact, mark
from kilter.operator.steps.publish import NONE, RETRY, Submission, is_due
from kilter.render import names
from kilter.render.names import Slot
from kilter.words import counted

POLICY: Final = "kilter.dev/database"  # annotation: `keep` or `drop`, before what the spec says
SLACK: Final = 300.0  # seconds by which the clocks of API server and operator may differ
EMPTY: Final = "kilter.dev/empty"  # annotation of a namespace on its way out: no pod is left in it
PRUNED: Final = 60.0  # seconds within which Flux has pruned, where it works
SPARED: Final = ("kustomize.toolkit.fluxcd.io/prune", "disabled")  # annotation of what Flux is to leave


@dataclass(frozen=True)
class Facts:
    """What is left, asked for one by one and past every cache: what a cache does not hold may still be there."""

    submission: Submission = NONE
    kustomization: Object | None = None
    namespace: Object | None = None
    pods: int = 0  # in that namespace, as what follows
    policies: Sequence[Object] = ()
    claims: Sequence[Object] = ()
    account: Object | None = None
    elder: str = ""  # an older KilterApp of the same environment, whose the folder in Git and the database are
    configured: bool = True  # whether there is a database server to ask
    owner: RoleFact | None = None
    login: RoleFact | None = None
    database: DatabaseFact | None = None
    retired: bool = False  # the database waits under its last name to be dropped
    expired: bool = False  # one of an earlier time, whose days were over, does


def decide(target: Target, facts: Facts) -> Decision:
    """Delete the next thing; Done when nothing of the environment is left but what policy keeps."""
    return (
        (None if facts.elder else _git(target, facts))
        or _flux(target, facts)
        or _namespace(target, facts)
        or _object(target, kinds.SERVICE_ACCOUNT, facts.account)
        or (None if facts.elder else _database(target, facts))
        or Decision(Done("nothing of it is left" + (_kept(target, facts) if _is_kept(target, facts) else "")))
    )


def policy(target: Target) -> DatabasePolicy:
    """Return what becomes of the database; anything that is not a clear order to drop it keeps it."""
    said = target.app.metadata.annotations.get(POLICY, target.app.spec.database_on_delete)
    return "drop" if said == "drop" else "keep"


def days_kept(target: Target) -> int:
    """Return for how many days a database is kept that is not dropped; 0 is for good, as of a protected environment."""
    return 0 if target.app.spec.class_ == "protected" else target.settings.database.keep_days


def retired_name(target: Target) -> str:
    """Return the last name of the database: of this very KilterApp, so that a later one's can never be meant."""
    return f"{names.database(target.slot).name}__gone_{target.app.metadata.uid[:8]}"


def expired_name(slot: Slot) -> str:
    """Return the last name of a database that was left behind and whose days are over."""
    return f"{names.database(slot).name}__gone_expired"


def _git(target: Target, facts: Facts) -> Decision | None:
    submission, spec = facts.submission, target.app.spec
    if submission.state == "published":
        return None
    if submission.state == "refused":
        return Decision(Failed("NotRemovable", submission.message, f"apps/{target.slot}"))
    if submission.state == "pending":
        return Decision(Wait("RemovingFromGit", "waiting for the commit that removes it", 60.0))
    change = Change(spec.org, spec.app, spec.env, target.name, None, deploy=spec.deploy_id, actor=spec.actor)
    said = f": {submission.message}" if submission.message else ""
    wait = Wait("RemovingFromGit", f"waiting for the commit that removes it{said}", RETRY.total_seconds() + 1)
    submit = Submit(target.name, target.revision, change)
    return Decision(wait, (submit,) if is_due(target, submission) else ())


def _flux(target: Target, facts: Facts) -> Decision | None:
    found = _object(target, kinds.KUSTOMIZATION, facts.kustomization)
    # Else Flux would make it anew from what it fetched last.
    poke = (effects.PokeSource(facts.submission.commit),) if facts.submission.commit else ()
    if found is None or not isinstance(found.verdict, Wait):
        return found
    said = f"waiting for Flux to prune what it applied{_unblock(target, facts.kustomization)}"
    return Decision(Wait("Pruning", said, 10.0), (*_spared(target, facts), *found.effects, *poke))


def _unblock(target: Target, thing: Object | None) -> str:
    """Return how an administrator goes on without Flux, once it has not been heard of for a while."""
    asked = thing["metadata"].get("deletionTimestamp") if thing is not None else None
    if not asked or (target.now - datetime.fromisoformat(asked)).total_seconds() < PRUNED:
        return ""
    patch = '-p \'{"metadata":{"finalizers":null}}\''
    place = f"-n {target.settings.flux.namespace} patch kustomization {target.name}"
    return f"; if there is no Flux any more: kubectl {place} --type=merge {patch}"


def _spared(target: Target, facts: Facts) -> tuple[Effect, ...]:
    """Have Flux leave the network policies to the namespace: until its pods have ended they need what they reach."""
    key, value = SPARED
    found = (each["metadata"] for each in facts.policies if _own(target, facts.namespace))
    return tuple(
        effects.Annotate(kinds.NETWORK_POLICY, target.name, each["name"], each["uid"], key, value)
        for each in found
        if (each.get("annotations") or {}).get(key) != value
    )


def _namespace(target: Target, facts: Facts) -> Decision | None:
    """Delete the namespace, then its claims; once its last pod has ended, have the cluster look at it again.

    By itself the cluster looks after half the time that the slowest pod was given to end, however early that one has
    ended, and once more for the sake of claims, which outlive the namespace's pods by a moment.
    """
    found, thing = _object(target, kinds.NAMESPACE, facts.namespace), facts.namespace
    if found is None or found.effects or thing is None:
        return found
    claims = (each["metadata"] for each in facts.claims if not each["metadata"].get("deletionTimestamp"))
    needed: list[Effect] = [effects.Delete(kinds.CLAIM, target.name, each["name"], each["uid"]) for each in claims]
    if not facts.pods and EMPTY not in (thing["metadata"].get("annotations") or {}):
        uid = thing["metadata"]["uid"]
        needed.append(effects.Annotate(kinds.NAMESPACE, "", target.name, uid, EMPTY, "true"))
    return Decision(found.verdict, tuple(needed))


def _object(target: Target, kind: Kind, thing: Object | None) -> Decision | None:
    """Delete an object of the environment's own and wait until it is gone; leave a foreign one alone."""
    if thing is None or not _own(target, thing):
        return None
    metadata = thing["metadata"]
    wait = Wait(f"{kind.kind}Ending", f"waiting until the {kind.kind} {target.name} is gone{_held(thing)}", 5.0)
    if metadata.get("deletionTimestamp"):
        return Decision(wait)
    return Decision(wait, (effects.Delete(kind, metadata.get("namespace", ""), metadata["name"], metadata["uid"]),))


def _held(thing: Object) -> str:
    """Say what keeps a namespace from going, in the words of its conditions."""
    conditions = (thing.get("status") or {}).get("conditions") or []
    said = [each["message"] for each in conditions if each.get("status") == "True" and each.get("message")]
    return f" ({'; '.join(said)[:400]})" if said else ""


def _database(target: Target, facts: Facts) -> Decision | None:
    own, ours = names.database(target.slot), mark(target)
    if not facts.configured:
        if target.app.status.database is None or policy(target) == "keep":
            return None
        return Decision(Failed("NoDatabaseServer", f"nobody can drop {own.name}: no database server is configured"))
    if policy(target) == "keep":
        closes = facts.login is not None and facts.login.mark == ours and not _is_closed(target, facts.login)
        wait = Wait("ClosingDatabase", f"closing the database {own.name}, which is kept", 1.0)
        return Decision(wait, (effects.CloseRole(own.app, ours, days_kept(target)),)) if closes else None
    needed: list[Effect] = []
    if _owns_database(target, facts):
        needed.append(effects.RetireDatabase(own.name, own.owner, retired_name(target)))
    if facts.expired:
        needed.append(effects.DropDatabase(expired_name(target.slot)))
    if facts.retired or _owns_database(target, facts):
        needed.append(effects.DropDatabase(retired_name(target)))
    needed += [effects.DropRole(name, ours) for name, role in _roles(target, facts) if role.mark == ours]
    wait = Wait("DroppingDatabase", f"dropping the database {own.name}", 1.0)
    return Decision(wait, tuple(needed)) if needed else None


def _is_closed(target: Target, login: RoleFact) -> bool:
    """Tell whether a login role was closed, and its days are counted from this deletion, not from an earlier one.

    What is kept for good stays so: an environment that came back without the database does not decide over it.
    """
    if login.can_login or login.kept_for is None:
        return not login.can_login
    days, deleted = days_kept(target), target.app.metadata.deletion_timestamp
    age = (target.now - datetime.fromisoformat(deleted)).total_seconds() if deleted else 0.0
    return days > 0 and login.kept_for >= days * 86400 - max(age, 0.0) - SLACK


def _roles(target: Target, facts: Facts) -> list[tuple[str, RoleFact]]:
    own = names.database(target.slot)
    return [(name, role) for name, role in ((own.app, facts.login), (own.owner, facts.owner)) if role is not None]


def _owns_database(target: Target, facts: Facts) -> bool:
    """Tell whether the database is the environment's own: its owner role is, and owns it."""
    owner = facts.owner is not None and facts.owner.mark == mark(target)
    return owner and facts.database is not None and facts.database.owner == names.database(target.slot).owner


def _own(target: Target, thing: Object | None) -> bool:
    return thing is not None and is_own(target, thing["metadata"].get("labels") or {})


def _kept(target: Target, facts: Facts) -> str:
    days = days_kept(target) if facts.login is not None and facts.login.kept_for is not None else 0
    return ", its database is kept" + (f" for {counted(days, 'day')}" if days else "")


def _is_kept(target: Target, facts: Facts) -> bool:
    return policy(target) == "keep" and _owns_database(target, facts)
