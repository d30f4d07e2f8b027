"""OpenAPI 3.1 from the table of routes and the wire types."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kilter import __version__
from kilter.api.base import AppName, EnvName, Org
from kilter.api.errors_v1 import STATUS_OF, ErrorDocument
from kilter.api.schema import components, portable
from kilter.server import bodies
from kilter.server.routing import Route

REFERENCE: Final = "#/components/schemas/{name}"
ERROR: Final = {"$ref": REFERENCE.format(name=ErrorDocument.__name__)}
TEXT: Final = {"type": "string"}
KEY: Final = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"}
EVENT: Final = {"type": "string", "pattern": "^[0-9]+$", "maxLength": 15}
IDENTIFIER: Final = {"type": "string", "pattern": "^[A-Za-z0-9-]+$", "maxLength": 64}
PLACES: Final[dict[str, dict[str, Any]]] = {
    **{name: portable(msgspec.json.schema(kind)) for name, kind in (("org", Org), ("app", AppName), ("env", EnvName))},
    "deploy_id": IDENTIFIER | {"description": "Deploy."},
    "token_id": IDENTIFIER | {"description": "Token."},
}
JSON, STREAM = "application/json", "text/event-stream"


def errors_of(route: Route) -> list[str]:
    """Return the codes of every error that a route may answer."""
    found = {"unknown_field", "invalid", "internal", "token_in_url", *route.errors}
    if route.auth != "none":
        found |= {"not_logged_in", "unavailable"}
    if route.auth == "token":
        found |= {"forbidden"} | ({"not_found"} if "{" in route.path or route.action else set())
    if route.request is not None:
        found |= {"bad_request", "too_large", "wrong_media_type", "request_timeout"}
    if route.method == "POST" and route.auth == "token":
        found |= {"idempotency_mismatch", "in_progress"} | ({"already_answered"} if route.secret else set())
    return sorted(found)


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the document."""
    routes = tuple(routes)
    types = [ErrorDocument, *dict.fromkeys(kind for route in routes for kind in types_of(route))]
    schemas, named = components(types, REFERENCE)
    known = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kilter-server",
            "version": __version__,
            "description": "What `kilter deploy` and the portal say to the platform.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": named,
            "responses": shared_responses(routes),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


def types_of(route: Route) -> list[Any]:
    """Return the types that a route's schemas are made from."""
    answers = [kind for kind in route.answers.values() if kind not in (None, str, dict)]
    return [kind for kind in (route.request, route.query, *answers) if kind is not None]


def operation(route: Route, known: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return what OpenAPI calls an operation."""
    found: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "security": [] if route.auth == "none" else [{route.auth: []}],
        "parameters": parameters(route),
        "responses": {**answers(route, known), **refusals(route)},
    }
    if route.auth == "token":
        found["x-kilter-role"] = route.role
    if route.request is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": known[route.request]}}}
    return found


def operation_id(route: Route) -> str:
    """Return a name for clients that are made from the document: `get_v1_projects_org_app`."""
    return "_".join([route.method.lower(), *re.findall(r"[a-z0-9_]+", route.path)])


def parameters(route: Route) -> list[dict[str, Any]]:
    """Return what stands in path, query and headers."""
    found = [
        {"name": name, "in": "path", "required": True, "schema": PLACES[name]}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    if route.query is not None:
        (schema,), named = components([route.query], REFERENCE)
        properties = named[schema["$ref"].rpartition("/")[2]]["properties"]
        for field in msgspec.structs.fields(route.query):
            about = properties[field.encode_name]
            entry: dict[str, Any] = {"name": field.encode_name, "in": "query", "schema": about}
            if bodies.is_list(field):
                entry |= {"style": "form", "explode": True}
            found.append(entry)
    if route.method == "POST" and route.auth == "token":
        found.append({"name": "Idempotency-Key", "in": "header", "schema": KEY})
    if route.stream == "always":
        found.append({"name": "Last-Event-ID", "in": "header", "schema": EVENT})
    return found


def answers(route: Route, known: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return the good answers."""
    found = {}
    for status, kind in route.answers.items():
        content: dict[str, Any] = {}
        if kind is str:
            content["text/plain"] = {"schema": TEXT}
        elif kind is dict:
            content[JSON] = {"schema": {"type": "object"}}
        elif kind is not None and route.stream != "always":
            content[JSON] = {"schema": known[kind]}
        if route.stream:
            content[STREAM] = {"schema": TEXT}
        found[str(status)] = {"description": route.summary, **({"content": content} if content else {})}
    return found


def refusals(route: Route) -> dict[str, Any]:
    """Return the errors, by status."""
    return {str(status): {"$ref": f"#/components/responses/{name_of(codes)}"} for status, codes in by_status(route)}


def by_status(route: Route) -> list[tuple[int, tuple[str, ...]]]:
    """Return the codes of a route's errors, by status."""
    found: dict[int, tuple[str, ...]] = {}
    for code in errors_of(route):
        found[STATUS_OF[code]] = (*found.get(STATUS_OF[code], ()), code)
    return sorted(found.items())


def name_of(codes: tuple[str, ...]) -> str:
    """Return the name under which an error answer is shared."""
    return "-or-".join(codes)


def shared_responses(routes: Iterable[Route]) -> dict[str, Any]:
    """Return every error answer; the description names the codes."""
    kinds = sorted({codes for route in routes for _, codes in by_status(route)})
    content = {JSON: {"schema": ERROR}}
    return {
        name_of(codes): {"description": " or ".join(f"`{code}`" for code in codes), "content": content}
        for codes in kinds
    }
