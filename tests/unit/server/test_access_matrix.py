"""Every route, by every role, on own, foreign and missing things (G4, S3, S4). A route without a line breaks this."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from unit.server.web import DEPLOY, Reply, Web

from kilter.api.words import ROLES
from kilter.server.routes.table import ROUTES
from kilter.server.routing import Route

# Least role of each route: written by hand, from platform.md section 12, not taken from the table that it checks.
PUBLIC = "public"
LEAST = {
    "GET /healthz": PUBLIC,
    "GET /readyz": PUBLIC,
    "GET /v1/openapi.json": PUBLIC,
    "POST /v1/device/codes": PUBLIC,
    "POST /v1/device/tokens": PUBLIC,
    "GET /v1/registry/token": "basic",
    "GET /v1/info": "viewer",
    "POST /v1/device/approvals": "viewer",
    "GET /v1/whoami": "viewer",
    "DELETE /v1/whoami": "viewer",
    "GET /v1/tokens": "admin",
    "POST /v1/tokens": "admin",
    "DELETE /v1/tokens/{token_id}": "admin",
    "GET /v1/projects": "viewer",
    "GET /v1/projects/{org}/{app}": "viewer",
    "POST /v1/projects/{org}/{app}/push-credentials": "deployer",
    "GET /v1/projects/{org}/{app}/envs/{env}": "viewer",
    "DELETE /v1/projects/{org}/{app}/envs/{env}": "maintainer",
    "POST /v1/projects/{org}/{app}/envs/{env}/deploys": "deployer",
    "GET /v1/projects/{org}/{app}/envs/{env}/deploys": "viewer",
    "GET /v1/projects/{org}/{app}/envs/{env}/logs": "viewer",
    "GET /v1/deploys/{deploy_id}": "viewer",
    "GET /v1/deploys/{deploy_id}/events": "viewer",
    "POST /v1/deploys/{deploy_id}/cancel": "deployer",
    "GET /v1/audit": "admin",
}
GUARDED = [route for route in ROUTES if route.auth == "token"]
HIDDEN = [route for route in GUARDED if "{" in route.path and route.request is None]
HERE = ("own", "foreign", "missing")


@dataclass
class Platform:
    """Two organisations with one environment each, and a token of every role in the first."""

    web: Web
    tokens: dict[str, str]
    places: dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def platform(runner: asyncio.Runner) -> Iterator[Platform]:
    web = Web(runner)
    everywhere = web.token("admin", "*/*")
    places = {}
    for where, org, app in (("own", "acme", "shop"), ("foreign", "globex", "blog")):
        body = {**DEPLOY, "image": DEPLOY["image"].replace("acme/shop", f"{org}/{app}")}
        accepted = web.post(f"/v1/projects/{org}/{app}/envs/dev/deploys", everywhere, body)
        assert accepted.status == 202, accepted.text
        token = web.token("viewer", f"{org}/*").removeprefix("kilter_")[:12]
        places[where] = {
            "org": org,
            "app": app,
            "env": "dev",
            "deploy_id": accepted.json["deploy_id"],
            "token_id": token,
        }
    places["missing"] = {"org": "acme", "app": "none", "env": "dev", "deploy_id": "dep-none", "token_id": "none"}
    yield Platform(web, {role: web.token(role, actor=f"{role}-user") for role in ROLES}, places)
    web.close()


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def ask(platform: Platform, route: Route, where: str, role: str) -> Reply:
    """Ask without a body: what stands before the body is what is tested here, and nothing is changed."""
    url = route.path.format(**platform.places[where])
    leave = {"until": lambda _: True} if route.stream else {}
    return platform.web(route.method, url, platform.tokens.get(role, role), **leave)


def test_every_route_has_its_line() -> None:
    assert {name_of(route) for route in ROUTES} == set(LEAST)


def test_the_table_says_who_may_as_the_specification_does() -> None:
    said = {name_of(route): route.role if route.auth == "token" else route.auth for route in ROUTES}
    assert said == {name: "none" if least == PUBLIC else least for name, least in LEAST.items()}


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_without_a_token_every_answer_is_the_same(platform: Platform, route: Route) -> None:
    """S1: nothing, garbage, a cut token, a revoked one."""
    bodies = []
    unknown = platform.web.token("admin")
    platform.web("DELETE", "/v1/whoami", unknown)
    for token in ("", "garbage", unknown[:-1], unknown):
        reply = platform.web(route.method, route.path.format(**platform.places["own"]), token)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="kilter"')
        bodies.append({**reply.json["error"], "request_id": ""})
    assert all(body == bodies[0] for body in bodies)


def fault(route: Route, where: str, role: str, reply: Reply) -> str:
    """Say what is wrong with an answer, or nothing."""
    least = LEAST[name_of(route)]
    enough = ROLES.index(role) >= ROLES.index(least)
    placed = "{org}" in route.path or "{deploy_id}" in route.path
    if placed and (where == "foreign" or (where == "missing" and "{deploy_id}" in route.path)):
        right = reply.code == "not_found"
    elif not enough:
        right = reply.code == "forbidden" and reply.json["error"]["details"]["needed_role"] == least
    elif where != "own" and "{" in route.path and route.request is None:
        right = reply.code == "not_found"
    else:
        right = reply.status in (200, 202, 204) or reply.code in ("wrong_media_type", "too_late")
    return "" if right else f"{role} on {where}: {reply.status} {reply.text}"


@pytest.mark.parametrize("route", [route for route in GUARDED if name_of(route) != "DELETE /v1/whoami"], ids=name_of)
def test_every_role_gets_what_it_may_and_no_more(platform: Platform, route: Route) -> None:
    """DP-Q72, DP-Q73."""
    asked = [(where, role, ask(platform, route, where, role)) for where in HERE for role in ROLES]
    assert [found for where, role, reply in asked if (found := fault(route, where, role, reply))] == []


@pytest.mark.parametrize("route", HIDDEN, ids=name_of)
def test_what_is_foreign_is_answered_as_what_is_missing(platform: Platform, route: Route) -> None:
    """S3: no difference in status, body or headers but the number of the request."""
    foreign, missing = (ask(platform, route, where, "admin") for where in ("foreign", "missing"))
    assert foreign.status == missing.status == 404
    assert {**foreign.json["error"], "request_id": ""} == {**missing.json["error"], "request_id": ""}
    assert foreign.headers.keys() == missing.headers.keys()


def test_a_list_shows_nothing_of_others(platform: Platform) -> None:
    """S3, S5."""
    for url in ("/v1/projects", "/v1/tokens", "/v1/audit"):
        assert "globex" not in platform.web.get(url, platform.tokens["admin"]).text


def test_every_refused_change_of_an_identified_actor_is_in_the_trail(platform: Platform) -> None:
    """S7, DP-Q74."""
    platform.web("DELETE", "/v1/projects/globex/blog/envs/dev", platform.tokens["viewer"])
    everywhere = platform.web.token("admin", "*/*")
    url = "/v1/audit?actor=viewer-user&project=globex/blog&action=env-delete"
    [entry, *_] = platform.web.get(url, everywhere).json["entries"]
    assert (entry["project"], entry["env"], entry["status"], entry["code"]) == ("globex/blog", "dev", 404, "not_found")
