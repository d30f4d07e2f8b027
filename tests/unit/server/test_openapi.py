"""The OpenAPI document: made from the table, complete, and true to what the server answers."""

import inspect
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from unit.server.orders import IMAGE
from unit.server.web import DEPLOY, Web

from kilter.api.errors_v1 import STATUS_OF
from kilter.api.schema import components
from kilter.server import guards
from kilter.server.openapi import errors_of
from kilter.server.routes.table import ROUTES, described
from kilter.server.routing import Route

DOCUMENT = described()
METHODS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_server_gives_it_without_a_token(shared_web: Web) -> None:
    assert shared_web.get("/v1/openapi.json").json["openapi"] == "3.1.0"


def test_every_route_is_in_it() -> None:
    assert {(path, method.upper()) for path, method, _ in METHODS} == {(route.path, route.method) for route in ROUTES}


def test_every_reference_leads_somewhere() -> None:
    known = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in DOCUMENT["components"][kind]
    }
    assert references(DOCUMENT) <= known


def test_every_schema_is_one() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        jsonschema_rs.validator_for(schema | {"components": DOCUMENT["components"]}, validate_formats=False)
        assert schema.get("description"), name


def test_ids_of_operations_are_unique_and_parameters_are_those_of_the_path() -> None:
    ids = [operation["operationId"] for _, _, operation in METHODS]
    assert len(ids) == len(set(ids))
    for path, _, operation in METHODS:
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_every_code_that_a_route_names_is_known() -> None:
    assert {code for route in ROUTES for code in errors_of(route)} <= STATUS_OF.keys()


CALLS: list[tuple[str, str, Any]] = [
    ("GET", "/v1/info", None),
    ("GET", "/v1/whoami", None),
    ("GET", "/v1/tokens", None),
    ("POST", "/v1/tokens", {"actor": "ci", "role": "viewer", "scopes": [{"project": "acme/*"}]}),
    ("POST", "/v1/device/codes", {"client_name": "x"}),
    ("POST", "/v1/device/tokens", {"device_code": "x"}),
    ("GET", "/v1/projects", None),
    ("GET", "/v1/projects/acme/shop", None),
    ("GET", "/v1/projects/acme/none", None),
    ("POST", "/v1/projects/acme/shop/push-credentials", {"env": "dev"}),
    ("GET", "/v1/projects/acme/shop/envs/dev", None),
    ("GET", "/v1/projects/acme/shop/envs/dev/deploys", None),
    ("POST", "/v1/projects/acme/shop/envs/dev/deploys", DEPLOY),
    ("POST", "/v1/projects/acme/shop/envs/dev/deploys", {**DEPLOY, "image": IMAGE.replace("acme", "x")}),
    ("DELETE", "/v1/projects/acme/shop/envs/dev", {"confirm": "no"}),
    ("GET", "/v1/audit", None),
    ("GET", "/v1/registry/token", None),
]


@pytest.mark.parametrize(("method", "url", "body"), CALLS, ids=[f"{method} {url}" for method, url, _ in CALLS])
def test_answers_are_what_it_promises(shared_web: Web, method: str, url: str, body: Any) -> None:
    """What schemathesis does at length, on one call of each kind."""
    token = shared_web.token("admin")
    shared_web.post("/v1/projects/acme/shop/envs/dev/deploys", token, DEPLOY)
    reply = shared_web(method, url, token, json=body)
    operation = next(found for path, m, found in METHODS if m.upper() == method and alike(path, url))
    response = operation["responses"][str(reply.status)]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]
    promised = response["content"]["application/json"]["schema"]
    if reply.status >= 400:
        assert f"`{reply.code}`" in response["description"]
    validator = jsonschema_rs.validator_for({**promised, "components": DOCUMENT["components"]}, validate_formats=True)
    assert [fault.message for fault in validator.iter_errors(reply.json)] == []


def alike(path: str, url: str) -> bool:
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), url) is not None


@pytest.mark.parametrize("route", [route for route in ROUTES if route.auth == "token"], ids=lambda route: route.path)
def test_a_guarded_route_promises_the_answers_of_the_guards(route: Route) -> None:
    responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    assert {"401", "403", "503", "500", "422"} <= responses.keys()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_promises_429_where_its_handler_may_answer_it_and_nowhere_else(route: Route) -> None:
    responses = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    assert ("429" in responses) is ('Refused("too_many"' in inspect.getsource(route.handler))


def test_nothing_but_handlers_answers_429() -> None:
    """Or the test above would not see it."""
    server = Path(inspect.getfile(guards)).parent
    assert [file.name for file in server.rglob("*.py") if 'Refused("too_many"' in file.read_text()] == [
        *("devices.py", "environments.py")
    ]


@pytest.mark.parametrize(("length", "status"), [(15, 200), (16, 422)])
def test_the_number_of_an_event_is_as_long_as_it_may_be(shared_web: Web, length: int, status: int) -> None:
    parameters = DOCUMENT["paths"]["/v1/deploys/{deploy_id}/events"]["get"]["parameters"]
    schema = next(each["schema"] for each in parameters if each["name"] == "Last-Event-ID")
    text, token = "9" * length, shared_web.token("admin")
    assert jsonschema_rs.is_valid(schema, text) is (status == 200)
    deploy_id = shared_web.post("/v1/projects/acme/event/envs/dev/deploys", token, deploy_of("event")).json["deploy_id"]
    shared_web.post(f"/v1/deploys/{deploy_id}/cancel", token)
    reply = shared_web.get(f"/v1/deploys/{deploy_id}/events", token, headers={"Last-Event-ID": text})
    assert reply.status == status


def deploy_of(app: str) -> dict[str, Any]:
    return {**DEPLOY, "image": IMAGE.replace("acme/shop", f"acme/{app}")}


def named(node: Any) -> set[str]:
    """Return the names of all properties of a schema, and of those beneath."""
    if isinstance(node, list):
        return set().union(*map(named, node))
    if not isinstance(node, dict):
        return set()
    return set(node.get("properties", ())).union(*map(named, node.values()))


@pytest.mark.requirement("S16", "S17", "S18", "S19")
def test_no_request_names_an_address_a_ref_or_a_repository_that_the_server_would_go_to() -> None:
    """What there is not cannot be bent; who adds such a field, or a hook, gives these four tests of their own."""
    asked = {kind for route in ROUTES for kind in (route.request, route.query) if kind is not None}
    names = named(list(components(list(asked), "#/{name}")[1].values()))
    assert {"image", "commit", "registry"} <= names
    going = {"address", "branch", "callback", "hook", "host", "ref", "remote", "repository", "tag", "uri", "url"}
    assert {name for name in names if going & set(re.sub("([A-Z])", r" \1", name).lower().split())} == set()
    assert [route.path for route in ROUTES if "hook" in route.path] == []
