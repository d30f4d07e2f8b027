import json
from typing import Any

import pytest
from fakes import press_ctrl_c
from integration.deploy.server import serving

from kilter.deploy.attach import attach
from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployed
from kilter.deploy.follow import Follower
from kilter.deploy.logins import Login
from kilter.errors import Interrupted, NotFound, NotReady
from kilter.progress import Recorder

AT = "2026-01-01T00:00:00Z"
DEPLOY = {
    "deploy_id": "d-1", "org": "acme", "app": "shop", "env": "dev", "operation": "deploy", "sequence": 3, "release": 3,
    "state": "running", "phase": "RollingOut", "steps": [], "actor": "mia", "image": "localhost:1/acme/shop@sha256:1",
    "source": None, "url": "http://shop.localhost", "failure": None, "superseded_by": None, "queue": None,
    "created_at": AT, "finished_at": None,
}  # fmt: skip
SERVING = {"number": 3, "image": "i", "deploy_id": "d-1", "commit": "c", "at": AT}
ENVIRONMENT: dict[str, Any] = {
    "org": "acme", "app": "shop", "env": "dev", "env_class": "standard", "phase": "Ready", "url": None,
    "internal_url": None, "namespace": None, "release": None, "serving": SERVING, "workloads": [], "failure": None,
    "warnings": [], "lock": None,
}  # fmt: skip
ONE, EVENTS, ENV = "GET__/v1/deploys/d-1", "GET__/v1/deploys/d-1/events", "GET__/v1/projects/acme/shop/envs/dev"


def told(*events: dict[str, Any]) -> list[tuple[int, Any]]:
    return [(200, "".join(f"id: {at}\ndata: {json.dumps(event)}\n\n" for at, event in enumerate(events, 1)))]


def followed(progress: Recorder, **table: list[tuple[int, Any]]) -> tuple[Deployed, list[str]]:
    with serving(**table) as served:
        for _, answer in table[ONE]:
            if answer.get("url"):
                answer["url"] = served.address
        with Client(Login(served.address, "t")) as client:
            result = attach(client, progress, "d-1", 20.0)
        return result, [what for what, _, _ in served.asked]


@pytest.mark.requirement("DP-Q41")
def test_a_deploy_is_followed_again_until_its_release_answers() -> None:
    progress, done = Recorder(), {"type": "done", "at": AT, "release": 3, "url": None}
    phase = {"type": "phase", "at": AT, "phase": "RollingOut"}
    home = [(200, {"_headers": {"kilter-release": "d-1"}})]
    table = {ONE: [(200, {**DEPLOY})], EVENTS: told(phase, done), ENV: [(200, ENVIRONMENT)], "GET__/": home}
    result, asked = followed(progress, **table)
    assert (result.deploy_id, result.sequence, result.release, result.answered) == ("d-1", 3, 3, "200 OK")
    assert list(result.seconds) == ["platform", "answer"]
    assert progress.lines[0] == "step: roll out acme/shop to dev"
    assert "✓ RollingOut" in progress.lines[1]
    assert not [what for what in asked if not what.startswith("GET")], "following changes nothing"


@pytest.mark.requirement("DP-Q40")
def test_a_deploy_that_got_over_its_failure_is_done() -> None:
    failure = {"phase": "RollingOut", "reason": "Deadline", "message": "late"}
    home = [(200, {"_headers": {"kilter-release": "d-1"}})]
    done: list[tuple[int, Any]] = [(200, {**DEPLOY, "state": "done"})]
    table = {ONE: done, ENV: [(200, ENVIRONMENT)], "GET__/": home}
    result, _ = followed(Recorder(), **table, **{EVENTS: told({"type": "failed", "at": AT, "failure": failure})})
    assert result.answered == "200 OK"


@pytest.mark.parametrize(
    "now", [(200, {**ENVIRONMENT, "serving": {**SERVING, "number": 4, "deploy_id": "d-2"}}), (404, {})]
)
def test_a_release_that_serves_no_longer_is_not_asked_for(now: tuple[int, Any]) -> None:
    result, asked = followed(Recorder(), **{ONE: [(200, {**DEPLOY, "state": "done"})], ENV: [now]})
    assert (result.answered, "GET /" in asked) == ("", False)


def test_the_end_of_an_environment_is_followed_like_a_deploy() -> None:
    progress, done = Recorder(), {"type": "done", "at": AT, "release": None, "url": None}
    deletion = {**DEPLOY, "operation": "delete", "release": None, "image": None, "url": None}
    result, _ = followed(progress, **{ONE: [(200, deletion)], EVENTS: told(done)})
    assert (result.url, result.release, result.image) == ("", 0, "")
    assert progress.lines == ["step: delete acme/shop/dev"]


def test_a_failure_that_happened_meanwhile_is_told() -> None:
    failed = {"type": "failed", "at": AT, "failure": {"phase": "RollingOut", "reason": "x", "message": "no such image"}}
    with pytest.raises(NotReady, match="no such image") as caught:
        followed(Recorder(), **{ONE: [(200, {**DEPLOY, "state": "failed"})], EVENTS: told(failed)})
    assert caught.value.hint.startswith("`kilter status --project acme/shop --env dev` tells what serves")


def test_an_id_that_nobody_knows_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        followed(Recorder(), **{ONE: [(404, {})]})


@pytest.mark.requirement("DP-Q41")
def test_ctrl_c_while_following_again_detaches_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Follower, "run", press_ctrl_c)
    with pytest.raises(Interrupted, match="detached from d-1; the deploy goes on") as caught:
        followed(Recorder(), **{ONE: [(200, {**DEPLOY})]})
    assert "`kilter deploy --follow d-1`" in caught.value.hint
