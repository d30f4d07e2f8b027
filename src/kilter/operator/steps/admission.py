"""Whether this operator can carry the spec out at all, before anything is made for it."""

from collections.abc import Callable
from typing import Final

import msgspec

from kilter.api.kilterapp import Spec
from kilter.errors import BadInput
from kilter.operator.steps.base import Decision, Done, Failed, Target
from kilter.render import names
from kilter.words import duration

# What the platform is to do and this release cannot: a spec that asks for it fails, nothing of it is left out silently.
NOT_YET: Final[tuple[tuple[str, Callable[[Spec], bool], str], ...]] = (
    ("migration", lambda spec: spec.migration.run, "run migrations with the app's own command, and deploy without it"),
    ("seeds", lambda spec: spec.seeds.run, "load the data by hand, and deploy without it"),
    ("secrets", lambda spec: spec.secrets is not msgspec.UNSET, "leave `secrets` out; make the Secrets by hand"),
    ("allowFrom", lambda spec: bool(spec.allow_from), "leave `allowFrom` out"),
    ("patches", lambda spec: bool(spec.patches), "leave `deploy.patches` out"),
    ("rollbackTo", lambda spec: spec.rollback_to is not None, "deploy the earlier image anew"),
)


def is_own_name(target: Target) -> bool:
    """Tell whether the object has a name that its environment may have."""
    try:
        return target.name in names.object_names(target.slot)
    except BadInput:
        return False


def own_hosts(target: Target) -> list[str]:
    """Return the hosts that the app asks for and the platform itself has."""
    settings, spec = target.settings, target.app.spec
    addresses = (settings.registry.host, settings.registry.issuer, *settings.gateway.hosts)
    platform = names.platform_hosts(settings.domain, *addresses)
    return [host for host in names.hosts(target.slot, settings.domain, spec) if host in platform]


def decide(target: Target, elder: str = "") -> Decision:
    """Refuse names that are not the environment's own, hosts of the platform, and what this release cannot do yet.

    Where `elder` names an older KilterApp of the same environment this one is refused: two would write over each other.
    """
    try:
        allowed = names.object_names(target.slot)
    except BadInput as error:
        return Decision(Failed("InvalidName", f"{error.what}: {error.why}"))
    if target.name not in allowed:
        said = f"{target.slot} may be called {' or '.join(allowed)}, not {target.name}"
        return Decision(Failed("ForeignName", said, f"KilterApp {target.name}"))
    if elder:
        said = f"{target.slot} is the KilterApp {elder} already; delete this one"
        return Decision(Failed("EnvironmentTaken", said, f"KilterApp {target.name}"))
    if held := own_hosts(target):
        said = f"the host {held[0]} belongs to the platform itself; delete {target.slot} and deploy the app as another"
        return Decision(Failed("HostTaken", said, f"KilterApp {target.name}"))
    return Decision(_unfit(target) or Done("this operator can carry the deploy out"))


def _unfit(target: Target) -> Failed | None:
    """Return what of the spec itself cannot be carried out; the schema lets a limit of `0s` pass."""
    spec, named = target.app.spec, f"KilterApp {target.name}"
    try:
        duration(spec.timeouts.ready or "1s")
    except ValueError as error:
        return Failed("Invalid", f"`timeouts.ready`: {error}", named)
    asked = [(field, instead) for field, is_asked, instead in NOT_YET if is_asked(spec)]
    if not asked:
        return None
    fields = ", ".join(f"`{field}`" for field, _ in asked)
    hint = "; ".join(instead for _, instead in asked)
    return Failed("NotYet", f"this release of the operator cannot do what {fields} asks for, not yet: {hint}", named)
