"""Who may do what: roles in order, scopes as patterns, classes of environments. Pure."""

from kilter.api.access import Scope
from kilter.api.words import ROLES, EnvClass, Role
from kilter.render.names import Slot
from kilter.server.refusals import Refused
from kilter.server.settings import Settings
from kilter.server.store.environments import PROTECTIVE
from kilter.server.store.tokens import Grant
from kilter.words import matches


def covers_project(scope: Scope, org: str, app: str) -> bool:
    """Tell whether a scope reaches a project; `*` never reaches across the slash."""
    left, _, right = scope.project.partition("/")
    return matches(left, org) and matches(right, app)


def sees(grant: Grant, org: str, app: str) -> bool:
    """Tell whether a project exists for a token."""
    return any(covers_project(scope, org, app) for scope in grant.scopes)


def reaches(grant: Grant, slot: Slot) -> bool:
    """Tell whether a token is good for an environment."""
    return reaches_named(grant, slot.org, slot.app, slot.env)


def reaches_named(grant: Grant, org: str, app: str, env: str) -> bool:
    """Tell whether a token is good for what somebody asked for under these names, which may be no environment's."""
    return any(covers_project(scope, org, app) and matches(scope.env, env) for scope in grant.scopes)


def has_role(grant: Grant, role: Role) -> bool:
    """Tell whether a token's role includes another."""
    return ROLES.index(grant.role) >= ROLES.index(role)


def require_role(grant: Grant, role: Role, why: str = "") -> None:
    """Raise Refused, naming the role, when a token's role does not include it (DP-Q73)."""
    if not has_role(grant, role):
        message = f"this needs the role {role}; your token has {grant.role}{f' ({why})' if why else ''}"
        raise Refused("forbidden", message, details={"needed_role": role, "role": grant.role})


def days_kept(settings: Settings, env_class: EnvClass) -> int | None:
    """Return for how many days the operator keeps a database that is not dropped; None is for good (DP-Q25)."""
    return None if env_class == "protected" else settings.database_keep_days or None


def require_env(grant: Grant, slot: Slot) -> None:
    """Raise Refused when a token sees the project and is not good for this environment."""
    if not reaches(grant, slot):
        raise Refused("forbidden", f"your token is not good for the environment {slot.env}", field="env")


def within(wanted: Scope, own: Scope) -> bool:
    """Tell whether everything that one scope reaches, the other reaches too.

    A `*` of the wanted pattern counts as a character that only a `*` of the own one takes.
    """
    left, _, right = wanted.project.partition("/")
    return covers_project(own, left, right) and matches(own.env, wanted.env)


def may_grant(grant: Grant, role: Role, scopes: tuple[Scope, ...]) -> bool:
    """Tell whether somebody may hand out a role and scopes: never more than their own."""
    return has_role(grant, role) and all(any(within(scope, own) for own in grant.scopes) for scope in scopes)


def sees_everything(grant: Grant) -> bool:
    """Tell whether a token reaches all of the platform."""
    return any(within(Scope(project="*/*", env="*"), own) for own in grant.scopes)


def class_of(settings: Settings, env: str, *, protected: bool = False) -> EnvClass:
    """Return what class the server's rules give an environment; kilter.yaml may add protection (DP-Q27)."""
    if protected or any(matches(glob, env) for glob in settings.protected_envs):
        return "protected"
    return "ephemeral" if any(matches(glob, env) for glob in settings.ephemeral_envs) else "standard"


def stricter(first: EnvClass, second: EnvClass) -> EnvClass:
    """Return the class that protects more."""
    return max(first, second, key=PROTECTIVE.index)


def role_for(env_class: EnvClass) -> Role:
    """Return the role that changing an environment of a class needs (DP-Q72)."""
    return "maintainer" if env_class == "protected" else "deployer"
