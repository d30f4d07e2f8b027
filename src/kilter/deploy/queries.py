"""What the platform knows: projects, environments, releases, logs; and deleting an environment."""

from collections.abc import Iterator
from urllib.parse import quote

from kilter.api.deploys import Deploy, DeployList
from kilter.api.environments import DeleteAccepted, DeleteRequest, Environment
from kilter.api.projects import ProjectList, Tile
from kilter.api.words import DatabasePolicy
from kilter.deploy.client import Client
from kilter.deploy.names import ProjectName, check_text
from kilter.deploy.refusals import accepted_perhaps
from kilter.errors import NotFound, Unreachable
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


def deploy(client: Client, deploy_id: str) -> Deploy:
    """Return one deploy by its id."""
    return client.get(f"/v1/deploys/{quote(deploy_id, safe='')}", Deploy)


def environment(client: Client, name: ProjectName, env: str) -> Environment:
    """Return how one environment stands."""
    return client.get(name.env_path(env), Environment)


def replaced(client: Client, name: ProjectName, env: str, sequence: int) -> bool:
    """Tell whether a later release than this one serves by now, or none, so that this one can no longer answer."""
    try:
        serving = environment(client, name, env).serving
    except NotFound:  # deleted since
        return True
    return serving is not None and serving.number > sequence


def releases(client: Client, name: ProjectName, env: str, limit: int) -> tuple[Deploy, ...]:
    """Return the newest deploys of an environment."""
    return client.get(f"{name.env_path(env)}/deploys", DeployList, limit=str(limit)).deploys


def logs(client: Client, name: ProjectName, env: str, **query: str) -> Iterator[str | None]:
    """Yield the lines that the app's pods print, so that none can drive a terminal; with `follow="true"` for ever.

    What comes between them, such as a sign of life, is None.

    Raises Unreachable where the platform ends what is to go on; of an environment that does not run there is nothing.
    """
    path = f"{name.env_path(env)}/logs"
    check_text("the name of a process", query.get("process", ""))
    if query.get("follow") == "true":
        has_begun = False
        with client.stream(path, query=query) as lines:
            for line in lines:
                has_begun = True
                yield escaped(line.removeprefix("data: ")) if line.startswith("data: ") else None
        if has_begun:
            why = "it is replaced by a newer one, or your token is over"
            raise Unreachable("the platform ended the lines", why=why, hint="run the same command again")
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
    hint = f"`kilter status {name.options(env)}` tells; the same command again does no harm"
    body = DeleteRequest(confirm=words, database=database, confirm_database=words if confirm_database else None)
    with accepted_perhaps("the deletion", "the deletion was asked for", hint):
        accepted = client.delete(name.env_path(env), DeleteAccepted, body)
    assert accepted is not None
    return accepted
