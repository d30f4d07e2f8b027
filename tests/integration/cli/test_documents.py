"""Every JSON document of the command line, as it is really printed, against the schema that is published for it."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest
from fakes import FakeRunner
from integration.deploy.server import serving
from integration.deploy.test_attach import AT, DEPLOY, ENV, ENVIRONMENT, EVENTS, ONE, SERVING, told
from integration.deploy.test_deploy import INFO
from unit.dev.support import machine
from unit.dev.test_doctor import answers
from unit.dev.test_ps import LIST, SHARED, listed
from unit.platform.test_status import HERE
from unit.platform.test_status import machine as platform_machine

from kilter.cli.app import App
from kilter.cli.main import VERBS, kilter, run
from kilter.clusters import ports
from kilter.clusters.kind import KindProvider
from kilter.clusters.provider import Cluster, State
from kilter.dev import status as looking
from kilter.dev.machine import Machine
from kilter.dev.ready import WATCHED
from kilter.dev.workspace import open_workspace
from kilter.platform import status as platform_status
from kilter.proc import Outcome
from kilter.project.load import load
from kilter.render.manifests import SERVICE
from kilter.tools import docker
from kilter.tools.docker import Container
from kilter.tools.kubectl import Kubectl

SCHEMAS = Path(__file__).resolve().parents[3] / "docs/reference/json"
SLOT = ("--project", "acme/shop", "--env", "dev")
FAILURE = {"phase": "RollingOut", "reason": "CrashLoop", "message": "it ends", "object": "Pod/x", "log_tail": ["no"]}
TILE = {
    "org": "acme", "app": "shop", "envs": [{
        "env": "dev", "env_class": "ephemeral", "phase": "Ready", "url": "https://shop.example.com", "release": 3,
        "digest": "sha256:1", "commit": "c", "actor": "mia", "deployed_at": AT, "last_result": "done",
        "warnings": ["w"],
    }],
}  # fmt: skip
WORKLOAD = {"name": "shop", "desired": 1, "ready": 1, "restarts": 0}
LOCK = {"holder": "d-2", "actor": "mia", "kind": "deploy", "since": AT, "lockId": "l-1", "lock_id": "l-1"}
WHO = {"actor": "mia", "role": "deployer", "scopes": [{"project": "acme/*", "env": "*"}], "token_id": "t"}
PLATFORM: dict[str, list[tuple[int, Any]]] = {
    "GET__/v1/info": [(200, INFO)],
    "GET__/v1/whoami": [(200, {**WHO, "expires_at": AT})],
    "GET__/v1/projects": [(200, {"projects": [TILE], "cursor": None})],
    f"{ENV}/deploys": [(200, {"deploys": [{**DEPLOY, "failure": FAILURE, "state": "failed"}], "cursor": None})],
    ENV: [(200, {**ENVIRONMENT, "release": SERVING, "workloads": [WORKLOAD], "failure": FAILURE, "lock": LOCK})],
    ONE: [(200, {**DEPLOY, "url": None})],
    EVENTS: told({"type": "done", "at": AT, "release": 3, "url": None}),
}
# The command line, and the schema that its document names.
LINES: list[tuple[tuple[str, ...], str]] = [
    (("status",), "status"),
    (("status", *SLOT), "environment"),
    (("env",), "env"),
    (("ps", "--all"), "ps"),
    (("deploy", "--follow", "d-1", "--timeout", "1m"), "deploy"),
    (("deploy", *SLOT, "--dry-run"), "deploy-plan"),
    (("releases", *SLOT), "releases"),
    (("apps",), "apps"),
    (("whoami",), "whoami"),
    (("platform", "status", "--context", "c"), "platform"),
    (("doctor",), "doctor"),
    (("version",), "version"),
]


def closed(schema: Any) -> Any:
    """Return a schema that allows no key which it does not name: readers may meet new ones, this release has none."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return inner | ({"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {})


def faults(document: Any, name: str) -> list[str]:
    schema = closed(json.loads((SCHEMAS / f"{name}.schema.json").read_text()))
    found = jsonschema_rs.validator_for(schema, validate_formats=True).iter_errors(document)
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message}" for each in found]


def verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield every command, with the words that it is called by."""
    yield name, command
    if isinstance(command, click.Group):
        for word in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), word)
            assert below is not None
            yield from verbs(below, f"{name} {word}".strip())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A project with a cluster on a machine whose processes are fakes, logged in to a platform that answers."""
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: }\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    monkeypatch.chdir(tmp_path)
    with serving(**PLATFORM) as served:
        login = {"KILTER_SERVER": served.address, "KILTER_TOKEN": "t"}
        for name, value in login.items():
            monkeypatch.setenv(name, value)
        found = machine(tmp_path, FakeRunner(), **login)
        monkeypatch.setattr(App, "machine", found)
        yield found


def test_every_command_that_has_json_is_here_and_every_schema_is_printed_by_one() -> None:
    able = {name for name, verb in verbs(kilter) if "--json" in {flag for each in verb.params for flag in each.opts}}
    assert able == {" ".join(word for word in line if word in {"platform", "status", *VERBS}) for line, _ in LINES}
    assert {name for _, name in LINES} == {file.name.removesuffix(".schema.json") for file in SCHEMAS.iterdir()}


POD = {
    "kind": "Pod",
    "metadata": {"name": "redis-0", "creationTimestamp": AT, "labels": {SERVICE: "redis"}},
    "status": {"phase": "Running", "containerStatuses": [{"ready": True, "restartCount": 2}]},
}


@pytest.fixture
def running(here: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything that a command asks of this machine answer: an engine, a cluster with a pod, a platform."""
    container = Container("id", "kilter-shop-control-plane", "kindest/node:v1.36.0", "sha", "running", "")
    monkeypatch.setattr(Machine, "tool", lambda _machine, name: Path(name))
    monkeypatch.setattr(KindProvider, "find", lambda *_: Cluster("shop", State.RUNNING, container))
    monkeypatch.setattr(KindProvider, "kubeconfig", lambda *_: Path("/k"))
    monkeypatch.setattr(looking, "troubled", lambda *_: [])
    monkeypatch.setattr(ports, "is_free", lambda _port: True)  # whatever runs on this machine
    plan = open_workspace(here, load(tmp_path / "kilter.yaml")).plan
    asked = Kubectl(Path("kubectl"), Path("/k"), plan.context, plan.namespace).get(f"{WATCHED},persistentvolumes").argv
    platform = platform_machine(tmp_path, "true\n").runner
    assert isinstance(here.runner, FakeRunner)
    assert isinstance(platform, FakeRunner)
    here.runner.answers = {
        **answers(),
        **platform.answers,
        asked: json.dumps({"kind": "List", "items": [POD]}),
        LIST: listed(here, "running"),
        SHARED: json.dumps({"Names": "kilter-registry", "State": "running", "Labels": ""}),
        docker.stats("kilter-shop-control-plane").argv: "",
        ("git", "rev-parse", "HEAD"): Outcome(128, ""),
    }
    monkeypatch.setattr(platform_status, "existing", lambda *_, **__: nullcontext(HERE))


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(("line", "name"), LINES, ids=[" ".join(line) for line, _ in LINES])
def test_what_a_command_prints_is_what_its_schema_says(
    line: tuple[str, ...], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*line, "--json"]) in (0, 4, 10)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == f"kilter.{name}/v1"
    assert faults(document, name) == []


def test_a_document_that_its_schema_does_not_describe_is_found() -> None:
    good = {"schema": "kilter.version/v1", "kilter": "1", "kubernetes": "1", "tools": {"kind": "1"}}
    assert faults(good, "version") == []
    for changes in ({"kilter": 1}, {"more": 1}, {"schema": "kilter.version/v2"}, {"tools": {"kind": None}}):
        assert faults({**good, **changes}, "version") != [], changes
