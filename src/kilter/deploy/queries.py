"""What the platform knows: projects, environments, releases, logs; and deleting an environment."""

from collections.abc import Iterator

from kilter.api.deploys import Deploy, DeployList
from kilter.api.environments import DeleteAccepted, DeleteRequest, Environment
from kilter.api.projects import ProjectList, Tile
from kilter.api.words import DatabasePolicy
from kilter.deploy.client import Client
from kilter.deploy.names import ProjectName
from kilter.deploy.refusals import may_be_done, perhaps_done
from kilter.errors import KilterError
from kilter.words import escaped


def projects(client: Client) -> tuple[Tile, ...]:
    """Return every project that the token may see."""
    found: list[Tile] = []
    cursor = ""
    while True:
        page = client.get("/v1/projects", ProjectList, **({"cursor": cursor} if cursor else {}))
        found += page.projects
        if not page.cursor:
            return tuple(found)
        cursor = page.cursor


def environment(client: Client, name: ProjectName, env: str) -> Environment:
    """Return how one environment stands."""
    return client.get(name.env_path(env), Environment)


def releases(client: Client, name: ProjectName, env: str, limit: int) -> tuple[Deploy, ...]:
    """Return the newest deploys of an environment."""
    return client.get(f"{name.env_path(env)}/deploys", DeployList, limit=str(limit)).deploys


def logs(client: Client, name: ProjectName, env: str, **query: str) -> Iterator[str]:
    """Yield the lines that the app's pods print, so that none can drive a terminal; with `follow="true"` for ever."""
    path = f"{name.env_path(env)}/logs"
    if query.get("follow") == "true":
        with client.stream(path, query=query) as lines:
            yield from (escaped(line.removeprefix("data: ")) for line in lines if line.startswith("data: "))
        return
    yield from map(escaped, client.text(path, **query).splitlines())


def delete(
    client: Client, name: ProjectName, env: str, database: DatabasePolicy, *, confirm_database: bool
) -> DeleteAccepted:
    """Ask for an environment to be deleted; the answer is followed like a deploy.

    `confirm_database` says that a person means the database of a protected environment, too. Raises Unreachable, and
    says where the platform may have accepted it all the same.
    """
    words = f"{name}/{env}"
    body = DeleteRequest(confirm=words, database=database, confirm_database=words if confirm_database else None)
    try:
        accepted = client.delete(name.env_path(env), DeleteAccepted, body)
    except KilterError as error:
        hint = f"`kilter status {name.options(env)}` tells; the same command again does no harm"
        raise perhaps_done(error, "the deletion", hint) if may_be_done(error) else error from None
    assert accepted is not None
    return accepted
