"""The table of all routes (platform.md section 12); what is not in it does not exist."""

from functools import cache
from typing import Any, Final

from kilter.api import access, deploys, environments, platform, projects, queries
from kilter.server.call import Answer, Call
from kilter.server.openapi import document
from kilter.server.routes import audit, devices, registry, tokens
from kilter.server.routes import deploys as deploy_routes
from kilter.server.routes import environments as env_routes
from kilter.server.routes import events as event_routes
from kilter.server.routes import platform as platform_routes
from kilter.server.routes import projects as project_routes
from kilter.server.routing import Route

PROJECT: Final = "/v1/projects/{org}/{app}"
ENV: Final = PROJECT + "/envs/{env}"
DEPLOY: Final = "/v1/deploys/{deploy_id}"


async def openapi(_: Call) -> Answer:
    """This table, for machines."""
    return Answer(200, described())


@cache
def described() -> dict[str, Any]:
    """Return the OpenAPI document; it never changes while the server runs."""
    return document(ROUTES)


ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/healthz", platform_routes.healthz, "Is the process alive?", {200: str}, auth="none"),
    Route(
        "GET",
        "/readyz",
        platform_routes.readyz,
        "Does the store answer?",
        {200: str},
        auth="none",
        errors=("unavailable",),
    ),
    Route("GET", "/v1/openapi.json", openapi, "This interface, as OpenAPI 3.1", {200: dict}, auth="none"),
    Route(
        "GET",
        "/v1/info",
        platform_routes.info,
        "What a client must know before it builds",
        {200: platform.Info},
        errors=("cli_too_old",),
    ),
    Route(
        "POST",
        "/v1/device/codes",
        devices.start,
        "Begin a device login",
        {200: access.DeviceCode},
        auth="none",
        request=access.DeviceCodeRequest,
        errors=("too_many", "unavailable"),
        secret=True,
    ),
    Route(
        "POST",
        "/v1/device/tokens",
        devices.collect,
        "Collect the token of a device login",
        {200: access.TokenCreated},
        auth="none",
        request=access.DeviceTokenRequest,
        errors=("expired", "pending", "too_many", "unavailable"),
        secret=True,
    ),
    Route(
        "POST",
        "/v1/device/approvals",
        devices.approve,
        "Let a device have a token like one's own",
        {200: access.DeviceApproved},
        request=access.DeviceApproval,
        action="device-approve",
    ),
    Route("GET", "/v1/whoami", tokens.whoami, "The token that asks", {200: access.WhoAmI}),
    Route("DELETE", "/v1/whoami", tokens.logout, "Revoke the token that asks", {204: None}, action="token-revoke-own"),
    Route("GET", "/v1/tokens", tokens.listed, "Tokens", {200: access.TokenList}, role="admin"),
    Route(
        "POST",
        "/v1/tokens",
        tokens.create,
        "Make a token",
        {201: access.TokenCreated},
        role="admin",
        request=access.TokenRequest,
        action="token-create",
        secret=True,
    ),
    Route(
        "DELETE",
        "/v1/tokens/{token_id}",
        tokens.revoke,
        "Revoke a token",
        {204: None},
        role="admin",
        action="token-revoke",
    ),
    Route(
        "GET",
        "/v1/projects",
        project_routes.listed,
        "Projects as tiles",
        {200: projects.ProjectList},
        query=queries.ProjectsQuery,
    ),
    Route("GET", PROJECT, project_routes.one, "One project", {200: projects.Project}, subject="project"),
    Route(
        "POST",
        PROJECT + "/push-credentials",
        project_routes.push_credentials,
        "A credential of ten minutes for pushing the project's images",
        {201: projects.PushCredentials},
        role="deployer",
        subject="project",
        request=projects.PushRequest,
        errors=("registry_not_allowed",),
        action="push-credentials",
        secret=True,
    ),
    Route("GET", ENV, env_routes.one, "One environment", {200: environments.Environment}, subject="env"),
    Route(
        "DELETE",
        ENV,
        env_routes.delete,
        "Delete an environment",
        {202: environments.DeleteAccepted},
        role="maintainer",
        subject="env",
        request=environments.DeleteRequest,
        errors=("busy", "wrong_confirmation"),
        action="env-delete",
        atomic=True,
    ),
    Route(
        "POST",
        ENV + "/deploys",
        deploy_routes.create,
        "Deploy",
        {202: deploys.DeployAccepted},
        role="deployer",
        subject="env",
        request=deploys.DeployRequest,
        errors=("busy", "host_taken", "not_yet", "registry_not_allowed", "uncommitted"),
        action="deploy",
        atomic=True,
    ),
    Route(
        "GET",
        ENV + "/deploys",
        deploy_routes.listed,
        "Deploys, newest first",
        {200: deploys.DeployList},
        subject="env",
        query=queries.DeploysQuery,
    ),
    Route(
        "GET",
        ENV + "/logs",
        env_routes.logs,
        "Lines that the pods print",
        {200: str},
        subject="env",
        query=queries.LogsQuery,
        errors=("not_yet", "too_many"),
        stream="follow",
    ),
    Route("GET", DEPLOY, deploy_routes.one, "One deploy", {200: deploys.Deploy}, subject="deploy"),
    Route(
        "GET",
        DEPLOY + "/events",
        event_routes.stream,
        "What happens to a deploy, as it happens",
        {200: deploys.Event},
        subject="deploy",
        errors=("invalid",),
        stream="always",
    ),
    Route(
        "POST",
        DEPLOY + "/cancel",
        deploy_routes.cancel,
        "Take a waiting deploy out of the queue",
        {202: deploys.Deploy},
        role="deployer",
        subject="deploy",
        errors=("too_late",),
        action="deploy-cancel",
    ),
    Route(
        "GET",
        "/v1/audit",
        audit.listed,
        "Who did what",
        {200: access.AuditList},
        role="admin",
        query=queries.AuditQuery,
    ),
    Route(
        "GET",
        "/v1/registry/token",
        registry.token,
        "A token for the platform's registry",
        {200: projects.RegistryToken},
        auth="basic",
        query=queries.RegistryTokenQuery,
        errors=("not_logged_in", "unavailable"),
        secret=True,
    ),
)
