"""Projects as tiles, and the right to push their images."""

from kilter.api.projects import Project, ProjectList, PushCredentials, PushRequest, Tile
from kilter.api.queries import ProjectsQuery
from kilter.render.names import Slot
from kilter.server import access, clock, documents, ids
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused, Unavailable, not_found
from kilter.server.seams import Pushing
from kilter.server.store import environments
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant

BATCH = 200
PUSH_LIFETIME = 600 * clock.SECOND
PUSH_USER = "kilter"


async def listed(call: Call) -> Answer:
    """The projects that the token sees, by name."""
    query = call.query
    assert isinstance(query, ProjectsQuery)
    return Answer(200, await call.store.run(page, call.granted(), query))


def page(tx: Tx, grant: Grant, query: ProjectsQuery) -> ProjectList:
    """Return one page; the cursor is the name of its last project."""
    org, _, app = (query.cursor or "").partition("/")
    found = list[tuple[str, str]]()
    while len(found) <= query.limit:
        batch = environments.projects_after(tx, org, app, BATCH)
        found += [each for each in batch if access.sees(grant, *each) and query.q in "/".join(each)]
        if len(batch) < BATCH:
            break
        org, app = batch[-1]
    shown = found[: query.limit]
    return ProjectList(
        projects=tuple(Tile(org=org, app=app, envs=documents.tiles(tx, grant, org, app)) for org, app in shown),
        cursor="/".join(shown[-1]) if len(found) > query.limit else None,
    )


async def one(call: Call) -> Answer:
    """One project."""
    org, app = call.path["org"], call.path["app"]

    def look(tx: Tx) -> Project | None:
        if not environments.of_project(tx, org, app):
            return None
        return Project(org=org, app=app, envs=documents.tiles(tx, call.granted(), org, app), promotion=())

    document = await call.store.run(look)
    if document is None:
        raise not_found()
    return Answer(200, document)


async def push_credentials(call: Call) -> Answer:
    """Let a client push this project's images for ten minutes. Raises Refused: forbidden, registry_not_allowed."""
    body, grant, settings = call.body, call.granted(), call.settings
    assert isinstance(body, PushRequest)
    slot = Slot(call.path["org"], call.path["app"], body.env)
    access.require_env(grant, slot)
    present = await call.store.run(environments.find, slot)
    env_class = access.class_of(settings, slot.env)
    env_class = access.stricter(env_class, present.env_class) if present else env_class
    access.require_role(grant, access.role_for(env_class), f"{slot.env} is {env_class}")
    registry = call.services.registry
    if registry is None:
        raise Unavailable("no registry is configured")
    if body.registry not in (None, settings.registry):
        message = f"images of this platform go to {settings.registry}"
        raise Refused("registry_not_allowed", message, field="registry")
    repository = f"{registry.prefix}{slot.org}/{slot.app}"
    until = clock.to_datetime(call.now + PUSH_LIFETIME)
    pushing = Pushing(ids.new("psh"), grant.actor, grant.token_id, repository)
    document = PushCredentials(
        push_id=pushing.id,
        registry=settings.registry_host,
        repository=f"{settings.registry_host}/{repository}",
        username=PUSH_USER,
        password=registry.push_credential(pushing, until),
        expires_at=until,
    )
    return Answer(201, document)
