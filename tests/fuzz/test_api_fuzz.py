"""The OpenAPI document held against a real server by schemathesis: whatever is sent, the answer is one it promises.

The server has its store in a file; of the world outside, the cluster is a fake that has every spec ready at once.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from browser.live import Live, TalkativeCluster
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from kilter.api import tokens as token_format
from kilter.api.kilterapp import Spec
from kilter.server import clock
from kilter.server.routes.table import ROUTES, described
from kilter.server.store import tokens

EXAMPLES = 30  # of each operation, beside the edges of every field
SEED = 20
IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64
PLACE = {"org": "acme", "app": "shop", "env": "dev"}
# Answers to what the document allows and the platform does not. Of `invalid`, those whose rule no schema can say.
RULES = {code for route in ROUTES for code in route.errors} - {"invalid"} | {"idempotency_mismatch", "already_answered"}
FIELDS = ("service", "app.services", "app.profile", "platform", "timeout", "since", "process")
IGNORED = ("SSE event violates schema",)  # in OpenAPI 3.1 a stream is one text; schemathesis reads it as 3.2 does
RARE = {"POST /v1/deploys/{deploy_id}/cancel", "POST /v1/device/tokens"}  # granted to who comes at the right time
AIMED = ("POST /v1/projects/{org}/{app}/envs/{env}/deploys", "DELETE /v1/projects/{org}/{app}/envs/{env}")


class ReadyCluster(TalkativeCluster):
    """Has every spec ready, and everything gone that is to go, at once; its pods have printed a line."""

    async def apply(self, name: str, spec: Spec) -> None:
        await super().apply(name, spec)
        self.lines = ["shop-1 ready"]
        self.report(name, phase="Ready", namespace=name)

    async def delete(self, name: str, spec: Spec) -> None:
        await super().delete(name, spec)
        if name in self.objects:
            self.vanish(name)


class Admin:
    """Lets every call in, also after one has revoked the token. Schemathesis makes it of a class that knows `live`."""

    live: Live
    text = ""

    def get(self, *_: Any) -> str:
        token = token_format.parse(self.text)
        if token is None or self.live.run(tokens.find, token.id, clock.now()) is None:
            self.text = self.live.token()
        return self.text

    def set(self, case: schemathesis.Case[Any], text: str, _: Any) -> None:
        basic = "Basic " + base64.b64encode(f"kilter:{text}".encode()).decode()
        case.headers["Authorization"] = basic if case.path == "/v1/registry/token" else f"Bearer {text}"


def aimed(_: Any, case: schemathesis.Case[Any]) -> schemathesis.Case[Any]:
    """Aim half of what would be accepted at one environment, so that there is something to be found."""
    if case.meta is None or not case.meta.generation.mode.is_positive or len(case.path_parameters.get("org", "")) % 2:
        return case
    case.path_parameters.update({name: PLACE[name] for name in case.path_parameters if name in PLACE})
    if case.operation.label in AIMED and isinstance(case.body, dict):
        named: dict[str, Any] = {"image": IMAGE, "app": {"port": 8080}, "confirm": "/".join(PLACE.values())}
        case.body.update({name: value for name, value in named.items() if name in case.body})
        for name in ("secrets", "prune_secrets", "migration", "seeds", "bootstrap"):  # not yet
            case.body.pop(name, None)
    return case


def is_by_rule(content: bytes) -> bool:
    """Tell whether an answer refuses what no schema can say, rather than what the schema allows."""
    try:
        error = json.loads(content)["error"]
    except (ValueError, TypeError, KeyError):
        return False
    code, field, message = error["code"], error["field"] or "", error["message"]
    return code in RULES or "NUL" in message or (code == "invalid" and field.startswith(FIELDS))


def faults(recorder: ScenarioRecorder) -> Iterator[str]:
    """Yield what is wrong in a scenario, with how to do it again."""
    for case_id, checks in recorder.checks.items():
        answer = recorder.interactions[case_id].response
        for check in checks:
            found = check.failure_info
            if found is None or found.failure.title in IGNORED:
                continue
            if check.name == "positive_data_acceptance" and answer and is_by_rule(answer.content):
                continue
            said = answer.content[:300] if answer else "no answer"
            yield f"{check.name}: {found.failure.title}\n{found.failure.message}\n{found.code_sample}\n{said!r}"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with Live(tmp_path, ReadyCluster) as found:
        found.deploy(found.token(), **PLACE)
        yield found


@pytest.mark.requirement("A5", "S20", "S22")
@pytest.mark.parametrize("role", ["admin", "nobody"])
def test_every_answer_is_one_that_the_document_promises(live: Live, role: str) -> None:
    """No 5xx, no status, body or content type that it does not have; no method and no data that it does not allow."""
    generation = GenerationConfig(
        max_examples=EXAMPLES, deterministic=True, database="none", no_shrink=True, with_security_parameters=False
    )
    project = ProjectConfig(
        base_url=live.url, generation=generation, continue_on_failure=True, max_stream_events=1, request_timeout=10
    )
    config = SchemathesisConfig(seed=SEED, projects=ProjectsConfig(default=project))
    schema = schemathesis.openapi.from_dict(described(), config=config)
    schema.hook("map_case")(aimed)
    if role == "admin":
        schema.auth(refresh_interval=None)(type("AdminOfThis", (Admin,), {"live": live}))
    found, statuses = list[str](), set[tuple[str, int]]()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            found += faults(event.recorder)
            statuses |= seen(event.recorder)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            found.append(repr(event))
    assert not found, "\n\n".join(dict.fromkeys(found))
    assert {label for label, _ in statuses} == {f"{route.method} {route.path}" for route in ROUTES}
    good = {label for label, status in statuses if status < 300}
    allowed = {f"{route.method} {route.path}" for route in ROUTES if role == "admin" or route.auth == "none"}
    assert allowed - RARE <= good <= allowed


def seen(recorder: ScenarioRecorder) -> set[tuple[str, int]]:
    """Return which operations were answered, and how."""
    return {
        (recorder.cases[case_id].value.operation.label, each.response.status_code)
        for case_id, each in recorder.interactions.items()
        if each.response
    }
