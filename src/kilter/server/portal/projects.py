"""Tiles, a project, an environment, and the end of an environment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from starlette.responses import Response

from kilter.api.deploys import Deploy, DeployList
from kilter.api.environments import DeleteAccepted, DeleteRequest, Environment
from kilter.api.projects import Project, ProjectList
from kilter.api.queries import DeploysQuery, ProjectsQuery
from kilter.api.words import EnvClass, Role
from kilter.server import clock
from kilter.server.access import role_for
from kilter.server.bodies import converted
from kilter.server.portal.visit import Visit
from kilter.server.refusals import Refused

PROJECT: Final = "/v1/projects/{org}/{app}"
ENV: Final = PROJECT + "/envs/{env}"
ROWS: Final = 60  # of deploys on a project's page, over all its environments
LEAST: Final = 5  # of each environment, however many there are


@dataclass(frozen=True)
class Row:
    """A deploy in a table; `seconds` is how long it took, where it came to its end."""

    deploy: Deploy
    seconds: float | None

    @property
    def is_measured(self) -> bool:
        """Whether its duration says something about the next one's."""
        return self.seconds is not None and self.deploy.state == "done" and self.deploy.operation == "deploy"


def row_of(deploy: Deploy) -> Row:
    """Return a deploy as a row."""
    finished = deploy.finished_at
    return Row(deploy, (finished - deploy.created_at).total_seconds() if finished else None)


async def tiles(visit: Visit) -> Response:
    """All projects, one tile each."""
    query = visit.query(ProjectsQuery)
    found = await visit.document(ProjectList, "GET /v1/projects", query=query)
    return visit.page("tiles.html", found=found, query=query, unshut=is_unshut(visit), as_of=as_of(visit))


async def project(visit: Visit) -> Response:
    """One project: its environments, and what was deployed lately."""
    where = visit.path("org", "app")
    found = await visit.document(Project, f"GET {PROJECT}", where)
    limit = max(LEAST, min(20, ROWS // max(1, len(found.envs))))
    rows = list[Row]()
    for each in found.envs:
        rows += await rows_of(visit, {**where, "env": each.env}, limit)
    rows = sorted(rows, key=lambda row: row.deploy.created_at, reverse=True)[:ROWS]
    measured = sum(row.is_measured for row in rows)
    return visit.page("project.html", project=found, rows=rows, measured=measured, as_of=as_of(visit))


async def rows_of(visit: Visit, where: dict[str, str], limit: int) -> list[Row]:
    """Return an environment's newest deploys; none where it was deleted a moment ago."""
    try:
        found = await visit.document(DeployList, f"GET {ENV}/deploys", where, query=DeploysQuery(limit=limit))
    except Refused as refused:
        if refused.code != "not_found":
            raise
        return []
    return [row_of(deploy) for deploy in found.deploys]


async def environment(visit: Visit) -> Response:
    """One environment: what serves, what is wrong with it, and its deploys."""
    where = visit.path("org", "app", "env")
    found = await visit.document(Environment, f"GET {ENV}", where)
    query = visit.query(DeploysQuery)
    page = await visit.document(DeployList, f"GET {ENV}/deploys", where, query=query)
    return visit.page(
        "environment.html",
        env=found,
        rows=[row_of(deploy) for deploy in page.deploys],
        cursor=page.cursor,
        is_first=query.cursor is None,
        deletable=visit.may(least_for_delete(found.env_class)),
        unshut=is_unshut(visit),
    )


def as_of(visit: Visit) -> datetime | None:
    """Return of when all states are, where nothing was heard from the cluster for minutes."""
    return clock.maybe(visit.call.services.pulse.as_of(None, visit.call.now))


def is_unshut(visit: Visit) -> bool:
    """Tell whether this cluster is known to enforce no network policies (DP-Q57)."""
    return visit.call.services.policies.enforced is False


def least_for_delete(env_class: EnvClass) -> Role:
    """Return the role that deleting needs; the API's own routes have the last word."""
    return "admin" if env_class == "protected" else "maintainer"


def least_for_cancel(env_class: EnvClass) -> Role:
    """Return the role that cancelling needs."""
    return role_for(env_class)


async def delete_form(visit: Visit) -> Response:
    """Where the environment's name is typed before it is deleted."""
    return await shown_delete(visit, None)


async def shown_delete(visit: Visit, fault: Refused | None) -> Response:
    """Show the form, with what was wrong with it."""
    found = await visit.document(Environment, f"GET {ENV}", visit.path("org", "app", "env"))
    needed = least_for_delete(found.env_class)
    if not visit.may(needed):
        raise Refused(
            "forbidden", f"deleting {found.env} needs the role {needed}; your token has {visit.granted().role}"
        )
    return visit.page("delete.html", fault.status if fault else 200, env=found, fault=fault, form=visit.form)


async def delete(visit: Visit) -> Response:
    """Delete an environment; what becomes of that is followed like a deploy."""
    given = {name: visit.form[name] for name in ("confirm", "database", "confirm_database") if visit.form.get(name)}
    try:
        body = converted({"confirm": "", **given}, DeleteRequest)
        where = visit.path("org", "app", "env")
        accepted = await visit.document(DeleteAccepted, f"DELETE {ENV}", where, body=body)
    except Refused as refused:
        if refused.code not in ("wrong_confirmation", "invalid"):
            raise
        return await shown_delete(visit, refused)
    return visit.lead_to(f"/deploys/{accepted.deploy_id}")
