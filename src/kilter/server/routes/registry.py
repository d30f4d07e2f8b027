"""The token server of the platform's registry: Docker registry token authentication.

A client that the registry has sent here says who it is (Basic) and what it wants (`scope`); it gets a token with the
part of it that it may have. Having less than was asked for is no error; the registry then refuses.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final

from kilter.api import tokens as token_format
from kilter.api.projects import RegistryToken
from kilter.api.queries import RegistryTokenQuery
from kilter.server import access, clock, guards
from kilter.server.call import Answer, Call
from kilter.server.leftovers import PUSHING
from kilter.server.refusals import Refused, Unavailable
from kilter.server.seams import Access, Registry
from kilter.server.store import images, tokens
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant
from kilter.words import APP_LIMIT, ORG_LIMIT, slug_fault

# repository:<name>:<action>,<action>; a class may stand behind the type
SCOPE: Final = re.compile(r"repository(?:\([a-z]+\))?:(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*):(?P<actions>[a-z*,]+)")
EVERY: Final = ("pull", "push")
May = Callable[[str, tuple[str, ...]], tuple[str, ...]]  # repository and actions to those of them that are allowed


async def token(call: Call) -> Answer:
    """Give a token for the registry. Raises Refused: not_logged_in."""
    query, registry = call.query, call.services.registry
    assert isinstance(query, RegistryTokenQuery)
    if registry is None:
        raise Unavailable("no registry is configured")
    if query.service and query.service != registry.service:
        raise Refused("invalid", f"this token server serves {registry.service}", field="service")
    who = await identified(call, registry)
    if who is None:
        raise Refused("not_logged_in", "user and password are neither a push credential nor a token of kilter")
    subject, may, push_id = who
    wanted = asked(query.scope)
    allowed = tuple(Access(name, may(name, actions)) for name, actions in wanted)
    for project in {project_of(registry, each.name) for each in allowed if "push" in each.actions}:
        if project is not None:
            await call.store.run(images.spare, project, push_id, call.now, call.now + PUSHING)
    now = clock.to_datetime(call.now)
    text, seconds = registry.token(subject, tuple(each for each in allowed if each.actions), now)
    return Answer(200, RegistryToken(token=text, access_token=text, expires_in=seconds, issued_at=now))


async def identified(call: Call, registry: Registry) -> tuple[str, May, str] | None:
    """Return who asks, what of what is asked for they may have, and the id of the push credential if it is one.

    By a push credential, by an API token as password (either lives as its API token does), or as an environment that
    pulls.
    """
    found = guards.basic(call.headers)
    if found is None:
        return None
    _, password = found
    api_token = token_format.parse(password)
    if api_token is not None:
        grant = await call.store.run(tokens.verify, api_token, call.now)
        return (grant.actor, partial(by_role, registry, grant), "") if grant else None
    if (repository := registry.read_pull_credential(password)) is not None:
        return f"pull {repository}", partial(within, repository, ("pull",)), ""
    pushing = registry.read_push_credential(password, clock.to_datetime(call.now))
    if pushing is None:
        return None

    def still_there(tx: Tx) -> Grant | None:
        return tokens.find(tx, pushing.token_id, call.now)

    grant = await call.store.run(still_there)
    return (pushing.actor, partial(within, pushing.repository, EVERY), pushing.id) if grant else None


def asked(scopes: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Return repositories and actions; anything else that is asked for (the catalog) is nobody's."""
    found = [SCOPE.fullmatch(scope) for text in scopes for scope in text.split()]
    return [(each["name"], tuple(each["actions"].split(","))) for each in found if each]


def within(repository: str, allowed: tuple[str, ...], name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the actions a credential for one repository allows."""
    own = name == repository or name.startswith(repository + "/")
    return tuple(action for action in allowed if action in actions) if own else ()


def by_role(registry: Registry, grant: Grant, name: str, actions: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of the actions the role of an API token gives."""
    project = project_of(registry, name)
    if project is None or not access.sees(grant, *project):
        return ()
    allowed = EVERY if access.has_role(grant, "deployer") else ("pull",)
    return tuple(action for action in allowed if action in actions)


def project_of(registry: Registry, name: str) -> tuple[str, str] | None:
    """Return the project whose images lie in a repository."""
    if not name.startswith(registry.prefix):
        return None
    org, _, below = name.removeprefix(registry.prefix).partition("/")
    app = below.partition("/")[0]
    if slug_fault(org, ORG_LIMIT) or slug_fault(app, APP_LIMIT):
        return None
    return org, app
