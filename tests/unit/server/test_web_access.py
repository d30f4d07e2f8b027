"""Tokens, device login, roles in environments, repeated requests, the audit trail: over HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from unit.server.orders import MINUTE, NOON
from unit.server.portal.conftest import signed_in
from unit.server.web import DAY, DEPLOY, SETTINGS, Reply, Web, Webs

from kilter.api import tokens as token_format
from kilter.errors import BadInput
from kilter.server import access
from kilter.server.clock import SECOND
from kilter.server.refusals import Unavailable
from kilter.server.store import audit, deploys, devices, idempotency, tokens
from kilter.server.store.engine import Tx

PROD = "/v1/projects/acme/shop/envs/prod/deploys"
DEV = "/v1/projects/acme/shop/envs/dev/deploys"
WANTED = {"actor": "ci", "role": "deployer", "scopes": [{"project": "acme/shop", "env": "pr-*"}]}


def create(web: Web, by: str, **changes: Any) -> Reply:
    return web.post("/v1/tokens", by, {**WANTED, **changes})


def test_a_token_says_whose_it_is(web: Web) -> None:
    reply = web.get("/v1/whoami", web.token("deployer", "acme/*", "pr-*", actor="ann"))
    assert reply.json["actor"] == "ann"
    assert reply.json["role"] == "deployer"
    assert reply.json["scopes"] == [{"project": "acme/*", "env": "pr-*"}]


def test_a_token_counts_as_a_bearer_token_alone(web: Web) -> None:
    token = web.token("viewer")
    for scheme, status in (("Bearer", 200), ("bearer", 200), ("Basic", 401), ("", 401)):
        assert web.get("/v1/whoami", headers={"authorization": f"{scheme} {token}"}).status == status, scheme


def test_a_made_token_works_is_shown_once_and_lasts_ninety_days(web: Web) -> None:
    """DP-Q72."""
    admin = web.token("admin")
    made = create(web, admin)
    assert made.status == 201
    token = made.json["token"]
    assert web.get("/v1/whoami", token).json["actor"] == "ci"
    assert token_format.parse(token).secret not in web.get("/v1/tokens", admin).text  # type: ignore[union-attr]
    web.now = NOON + 90 * DAY - 1
    assert web.get("/v1/whoami", token).status == 200
    web.now = NOON + 90 * DAY
    assert web.get("/v1/whoami", token).status == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": [{"project": "globex/*"}]},
        {"scopes": [{"project": "*/*"}]},
        {"scopes": [{"project": "*/shop"}]},
        {"scopes": [{"project": "acme/shop"}, {"project": "a*/shop"}]},
    ],
)
def test_nobody_hands_out_more_than_they_reach(web: Web, changes: dict[str, object]) -> None:
    """A3: an org's admin is no admin of the platform."""
    reply = create(web, web.token("admin", "acme/*"), **changes)
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (403, "forbidden", "scopes")


def test_a_token_makes_none_that_outlives_it(web: Web) -> None:
    """Or a leaked one could be replaced, shortly before its end, by another of a whole year."""
    admin = web.token("admin")
    whole = {"expires_in": 90 * DAY // SECOND}
    assert create(web, admin, **whole).status == 201
    web.now = NOON + 80 * DAY
    reply = create(web, admin, **whole)
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (403, "forbidden", "expires_in")
    assert "yours is good for 10d" in reply.json["error"]["message"]
    assert create(web, admin, expires_in=reply.json["error"]["details"]["most"]).status == 201


def test_a_token_for_which_no_end_is_asked_ends_with_the_one_that_makes_it(web: Web) -> None:
    admin = web.token("admin")
    web.now = NOON + 80 * DAY
    token = create(web, admin).json["token"]
    assert web.get("/v1/whoami", token).json["expires_at"] == web.get("/v1/whoami", admin).json["expires_at"]


@pytest.mark.parametrize(
    "changes", [{"role": "root"}, {"scopes": []}, {"expires_in": 0}, {"actor": "a\r\nb"}, {"id": 1}]
)
def test_a_token_that_makes_no_sense_is_refused(web: Web, changes: dict[str, object]) -> None:
    """S24, S6."""
    assert create(web, web.token("admin"), **changes).status == 422


def test_an_admin_sees_and_revokes_only_tokens_within_reach(web: Web) -> None:
    everywhere, here = web.token("admin", "*/*"), web.token("admin", "acme/*")
    foreign = create(web, everywhere, scopes=[{"project": "globex/*"}]).json["info"]["id"]
    own = create(web, here).json
    listed = [info["id"] for info in web.get("/v1/tokens", here).json["tokens"]]
    assert own["info"]["id"] in listed
    assert foreign not in listed
    assert web("DELETE", f"/v1/tokens/{foreign}", here).status == 404
    assert web("DELETE", f"/v1/tokens/{own['info']['id']}", here).status == 204
    assert web.get("/v1/whoami", own["token"]).status == 401


def test_logging_out_revokes_the_token(web: Web) -> None:
    """DP-Q8."""
    token = web.token("viewer")
    assert web("DELETE", "/v1/whoami", token).status == 204
    assert web.get("/v1/whoami", token).status == 401


def test_a_device_logs_in_with_the_rights_of_who_approved_it(web: Web) -> None:
    """DP-Q7."""
    code = web.post("/v1/device/codes", "", {"client_name": "kilter on laptop"}).json
    assert code["verification_url"] == "https://kilter.apps.example.com/device"
    assert (code["expires_in"], code["interval"]) == (600, 5)
    poll = {"device_code": code["device_code"]}
    assert web.post("/v1/device/tokens", "", poll).code == "pending"
    approved = web.post("/v1/device/approvals", web.token("deployer"), {"user_code": code["user_code"]})
    assert (approved.status, approved.json) == (200, {"client_name": "kilter on laptop"})
    web.now += MINUTE
    token = web.post("/v1/device/tokens", "", poll).json["token"]
    assert web.get("/v1/whoami", token).json["role"] == "deployer"
    over = web.post("/v1/device/tokens", "", poll)
    assert (over.status, over.code) == (410, "expired")
    assert over.json["error"]["next"] == "kilter login --server <url> --device"


def test_where_too_many_devices_wait_another_one_is_told_so(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """S23."""
    monkeypatch.setattr(devices, "WAITING_LIMIT", 1)
    first, second = (web.post("/v1/device/codes", "", {"client_name": "x"}) for _ in range(2))
    assert (first.status, second.status, second.code) == (200, 429, "too_many")


def test_a_device_that_asks_too_often_is_slowed_down(web: Web) -> None:
    code = web.post("/v1/device/codes", "", {"client_name": "x"}).json
    poll = {"device_code": code["device_code"]}
    web.post("/v1/device/tokens", "", poll)
    reply = web.post("/v1/device/tokens", "", poll)
    assert (reply.status, reply.headers["retry-after"]) == (429, "5")


def test_a_wrong_user_code_is_not_found(web: Web) -> None:
    assert web.post("/v1/device/approvals", web.token("viewer"), {"user_code": "AAAA-AAAA"}).status == 404


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("deployer", 403), ("maintainer", 202), ("admin", 202)])
def test_a_protected_environment_takes_deploys_from_maintainers(web: Web, role: Any, status: int) -> None:
    """DP-Q28, DP-Q72."""
    reply = web.post(PROD, web.token(role), DEPLOY)
    assert reply.status == status
    if status == 403:
        assert reply.json["error"]["details"]["needed_role"] in ("deployer", "maintainer")


@pytest.mark.parametrize(
    ("env", "env_class"),
    [("prod", "protected"), ("dev", "ephemeral"), ("pr-247", "ephemeral"), ("alpha", "standard"), ("pre", "standard")],
)
def test_the_class_of_an_environment_follows_from_its_name(env: str, env_class: str) -> None:
    """DP-28, DP-29: what a migration check would follow."""
    assert access.class_of(SETTINGS, env) == env_class
    ours = replace(SETTINGS, protected_envs=("alpha",), ephemeral_envs=())
    assert access.class_of(ours, env) == ("protected" if env == "alpha" else "standard")


def test_a_project_may_protect_an_environment_and_nobody_takes_that_back(web: Web) -> None:
    """DP-Q27, S8."""
    deployer, maintainer = web.token("deployer"), web.token("maintainer")
    assert web.post(DEV, deployer, DEPLOY).status == 202
    assert web.post(DEV, deployer, {**DEPLOY, "protected": True}).status == 403
    assert web.post(DEV, maintainer, {**DEPLOY, "protected": True}).status == 202
    assert web.post(DEV, deployer, DEPLOY).status == 403
    assert web.post(DEV, deployer, {**DEPLOY, "protected": False}).status == 403


def test_a_token_for_previews_reaches_no_other_environment(web: Web) -> None:
    """DP-Q72."""
    token = web.token("deployer", "acme/shop", "pr-*")
    assert web.post("/v1/projects/acme/shop/envs/pr-7/deploys", token, DEPLOY).status == 202
    reply = web.post(DEV, token, DEPLOY)
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (403, "forbidden", "env")
    assert web.get("/v1/projects/acme/shop/envs/dev", token).status == 403
    web.post(DEV, web.token("deployer"), DEPLOY)
    [tile] = web.get("/v1/projects", token).json["projects"]
    assert [each["env"] for each in tile["envs"]] == ["pr-7"]
    assert web.get("/v1/projects/acme/shop", token).json["envs"] == tile["envs"]


def test_a_token_for_previews_reaches_no_deploy_of_another_environment(web: Web) -> None:
    """DP-Q72: the address has only the deploy's id."""
    everywhere, previews = web.token("deployer"), web.token("deployer", "acme/shop", "pr-*")
    other, own = (
        [web.post(f"/v1/projects/acme/shop/envs/{env}/deploys", everywhere, DEPLOY).json["deploy_id"] for _ in range(2)]
        for env in ("dev", "pr-7")
    )
    for method, url in (("GET", other[0]), ("GET", f"{other[0]}/events"), ("POST", f"{other[1]}/cancel")):
        reply = web(method, f"/v1/deploys/{url}", previews, until=lambda _: True)
        assert (reply.status, reply.code, reply.json["error"]["field"]) == (403, "forbidden", "env"), url
    assert web.get(f"/v1/deploys/{other[1]}", everywhere).json["state"] == "queued"
    assert web.get(f"/v1/deploys/{own[0]}", previews).status == 200
    assert web.post(f"/v1/deploys/{own[1]}/cancel", previews).status == 202


@pytest.mark.parametrize("project", ["acme/Shop", "acme/-", f"acme/{'x' * 65}", "Acme/shop", f"{'x' * 65}/shop"])
def test_a_project_that_nobody_can_have_is_not_there_and_takes_no_deploy(web: Web, project: str) -> None:
    everywhere = web.token("admin", "*/*")
    assert web.post(f"/v1/projects/{project}/envs/dev/deploys", everywhere, DEPLOY).code == "not_found"
    assert web.post(f"/v1/projects/{project}/push-credentials", everywhere, {"env": "dev"}).code == "not_found"


def test_the_same_request_twice_is_one_deploy(web: Web) -> None:
    """S10, F28."""
    token, key = web.token("deployer"), {"idempotency-key": "k1"}
    first, second = (web.post(DEV, token, DEPLOY, headers=key) for _ in range(2))
    assert first.status == second.status == 202
    assert first.json == second.json
    assert second.headers["idempotent-replay"] == "true"
    assert second.headers["content-type"] == first.headers["content-type"] == "application/json"
    for url, body in ((DEV, {**DEPLOY, "app": {"port": 9}}), (DEV.replace("dev", "test"), DEPLOY)):
        other = web.post(url, token, body, headers=key)
        assert (other.status, other.code) == (422, "idempotency_mismatch"), url
    assert web.post(DEV, web.token("deployer"), DEPLOY, headers=key).json["sequence"] == 2


def test_a_cancellation_that_is_sent_twice_is_answered_twice_alike(web: Web) -> None:
    """S10, F28: alone, the second one would be too late."""
    token, key = web.token("deployer"), {"idempotency-key": "k" * 200}
    url = f"/v1/deploys/{[web.post(DEV, token, DEPLOY).json['deploy_id'] for _ in range(2)][1]}/cancel"
    first, second = (web.post(url, token, headers=key) for _ in range(2))
    assert (first.status, second.status, second.headers["idempotent-replay"]) == (202, 202, "true")
    assert first.json == second.json
    assert web.post(url, token).code == "too_late"


def test_a_refused_request_frees_its_key(web: Web) -> None:
    token, key = web.token("admin"), {"idempotency-key": "k"}
    assert web.post(DEV, token, {**DEPLOY, "bootstrap": True}, headers=key).status == 422
    assert web.post(DEV, token, DEPLOY, headers=key).status == 202
    key = {"idempotency-key": "another"}
    assert create(web, token).status == 201
    assert web.post("/v1/tokens", token, {**WANTED, "scopes": [{"project": "*/*"}]}, headers=key).status == 403
    assert web.post("/v1/tokens", token, WANTED, headers=key).status == 201


def test_a_key_whose_request_was_never_answered_is_taken_for_running_for_a_minute(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: its server died over it, or is slow."""
    admin, key = web.token("admin"), {"idempotency-key": "k1"}
    with monkeypatch.context() as patch:
        patch.setattr(idempotency, "finish", lambda *_: None)
        assert web.post("/v1/tokens", admin, WANTED, headers=key).status == 201
    reply = web.post("/v1/tokens", admin, WANTED, headers=key)
    assert (reply.status, reply.code) == (409, "in_progress")
    web.now += MINUTE
    assert web.post("/v1/tokens", admin, WANTED, headers=key).status == 201


def test_a_key_means_nothing_where_nothing_is_changed_or_nobody_is_known(web: Web) -> None:
    key, device = {"idempotency-key": "k1"}, {"client_name": "laptop"}
    for _ in range(2):
        reply = web.get("/v1/whoami", web.token("viewer"), headers=key)
        assert (reply.status, "idempotent-replay" in reply.headers) == (200, False)
    first, second = (web.post("/v1/device/codes", "", device, headers=key) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert first.json["device_code"] != second.json["device_code"]
    assert web.run(lambda tx: tx.rows("SELECT * FROM idempotency")) == []


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (Unavailable("the database waits for a lock"), (503, "unavailable")),
        (BadInput("acme/shop/dev has no name left in the cluster"), (422, "invalid")),
        (RuntimeError("unforeseen"), (500, "internal")),
    ],
)
def test_the_trail_says_of_a_failure_what_the_client_was_told(
    web: Web, monkeypatch: pytest.MonkeyPatch, failure: Exception, answer: tuple[int, str]
) -> None:
    """DP-Q74."""

    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(deploys, "accept", fail)
    reply = web.post(DEV, web.token("deployer"), DEPLOY)
    [entry] = web.get("/v1/audit?action=deploy", web.token("admin")).json["entries"]
    assert (reply.status, reply.code) == (entry["status"], entry["code"]) == answer


def test_an_answer_with_a_secret_is_not_kept_for_repetition(web: Web) -> None:
    """G5: tokens are stored as hashes only."""
    admin, key = web.token("admin"), {"idempotency-key": "k1"}
    token = web.post("/v1/tokens", admin, WANTED, headers=key).json["token"]
    again = web.post("/v1/tokens", admin, WANTED, headers=key)
    assert (again.status, again.code) == (409, "already_answered")
    held = web.run(lambda tx: repr(tx.rows("SELECT * FROM idempotency")))
    assert token not in held


@pytest.mark.parametrize("key", ["", "k" * 201, "a\tb", "ключ", "clé"])
def test_a_key_that_is_no_printable_text_is_refused(web: Web, key: str) -> None:
    reply = web.post(DEV, web.token("deployer"), DEPLOY, headers={"idempotency-key": key})
    assert (reply.status, reply.json["error"]["field"]) == (422, "Idempotency-Key")


@pytest.mark.requirement("DP-Q28")
def test_a_protected_environment_takes_uncommitted_changes_only_where_they_are_meant(web: Web) -> None:
    token, dirty = web.token("maintainer"), {**DEPLOY, "source": {"commit": "abc", "dirty": True}}
    refused = web.post(PROD, token, dirty)
    assert (refused.status, refused.code, refused.json["error"]["field"]) == (422, "uncommitted", "source.dirty")
    assert refused.json["error"]["next"] == "kilter deploy --allow-dirty"
    assert web.get(PROD, token).status == 404, "nothing was accepted"
    assert web.post(PROD, token, {**dirty, "allow_dirty": True}).status == 202
    assert web.post(DEV, token, dirty).status == 202


def test_the_trail_names_actor_deploy_and_overrides(web: Web) -> None:
    """DP-Q74."""
    body = {**DEPLOY, "source": {"commit": "abc", "dirty": True}, "allow_dirty": True}
    accepted = web.post(PROD, web.token("maintainer", actor="ann"), body).json
    [entry] = web.get(f"/v1/audit?deploy_id={accepted['deploy_id']}", web.token("admin")).json["entries"]
    assert (entry["actor"], entry["action"], entry["project"], entry["env"]) == ("ann", "deploy", "acme/shop", "prod")
    assert (entry["status"], entry["overrides"]) == (202, ["dirty"])


def test_the_trail_has_what_is_asked_for_before_it_is_carried_out(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """DP-Q74: a server that dies over it leaves a row that says so."""
    admin, seen = web.token("admin", "*/*", actor="ann"), list[Any]()

    def insert(tx: Tx, *_: object, **__: object) -> None:
        seen.extend(audit.page(tx, filters={"action": "token-create"}, before=None, limit=9))
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(tokens, "insert", insert)
    assert create(web, admin).status == 500
    assert [(entry.actor, entry.status) for entry in seen] == [("ann", 0)]
    [entry] = web.get("/v1/audit?action=token-create", admin).json["entries"]
    assert (entry["status"], entry["code"], entry["project"]) == (500, "internal", None)


def test_the_trail_keeps_names_that_nobody_can_have_short(web: Web) -> None:
    long = "x" * 500
    assert web.post(f"/v1/projects/{long}/{long}/envs/{long}/deploys", web.token("deployer"), DEPLOY).status == 404
    [entry] = web.get("/v1/audit?action=deploy", web.token("admin", "*/*")).json["entries"]
    assert (entry["project"], entry["env"]) == (f"{long[:64]}/{long[:64]}", long[:64])


def test_the_trail_says_where_a_deploy_was_canceled(web: Web) -> None:
    """DP-Q74: the address has only the deploy's id."""
    token = web.token("deployer")
    web.post(DEV, token, DEPLOY)
    waiting = web.post(DEV, token, DEPLOY).json["deploy_id"]
    assert web.post(f"/v1/deploys/{waiting}/cancel", token).status == 202
    [entry] = web.get("/v1/audit?action=deploy-cancel&project=acme/shop&env=dev", web.token("admin")).json["entries"]
    assert (entry["status"], entry["deploy_id"]) == (202, waiting)


def test_the_trail_of_the_platform_itself_is_for_who_sees_all_of_it(web: Web) -> None:
    create(web, web.token("admin", "*/*", actor="root"), scopes=[{"project": "acme/*"}])
    assert web.get("/v1/audit?action=token-create", web.token("admin", "acme/*")).json["entries"] == []
    assert len(web.get("/v1/audit?action=token-create", web.token("admin", "*/*")).json["entries"]) == 1


def test_the_trail_of_an_environment_is_for_who_reaches_it(web: Web) -> None:
    """DP-Q74: also on the portal's page."""
    everywhere, previews = web.token("admin", "*/*"), web.token("admin", "acme/shop", "pr-*")
    for env in ("prod", "pr-7"):
        assert web.post(f"/v1/projects/acme/shop/envs/{env}/deploys", everywhere, DEPLOY).status == 202
    entries = web.get("/v1/audit", previews).json["entries"]
    assert [entry["env"] for entry in entries] == ["pr-7"]
    assert web.get("/v1/audit?env=prod", previews).json["entries"] == []
    page = signed_in(web, previews).get("/audit").text
    assert "acme/shop pr-7" in page
    assert "acme/shop prod" not in page


def test_the_trail_is_searched_by_each_of_what_it_says(web: Web) -> None:
    """DP-Q74."""
    everywhere = web.token("admin", "*/*", actor="root")
    for actor, project, env in (("ann", "acme/shop", "dev"), ("bob", "acme/shop", "test"), ("ann", "acme/blog", "dev")):
        body = {**DEPLOY, "image": DEPLOY["image"].replace("acme/shop", project)}
        reply = web.post(f"/v1/projects/{project}/envs/{env}/deploys", web.token("deployer", actor=actor), body)
    web.post("/v1/projects/globex/shop/push-credentials", everywhere, {"env": "dev"})
    found = {
        query: [
            (entry["actor"], entry["project"], entry["env"], entry["action"])
            for entry in web.get(f"/v1/audit?{query}", everywhere).json["entries"]
        ]
        for query in ("project=acme/shop", "env=dev", "actor=bob", "action=push-credentials")
    }
    ann, bob = ("ann", "acme/shop", "dev", "deploy"), ("bob", "acme/shop", "test", "deploy")
    blog, pushed = ("ann", "acme/blog", "dev", "deploy"), ("root", "globex/shop", None, "push-credentials")
    assert {query: set(entries) for query, entries in found.items()} == {
        "project=acme/shop": {ann, bob},
        "env=dev": {ann, blog},
        "actor=bob": {bob},
        "action=push-credentials": {pushed},
    }
    one = web.get(f"/v1/audit?deploy_id={reply.json['deploy_id']}", everywhere).json["entries"]
    assert [entry["project"] for entry in one] == ["acme/blog"]


def test_the_trail_of_a_project_is_for_who_sees_it(web: Web) -> None:
    """DP-Q74: what is done to no environment of it, too."""
    assert web.post("/v1/projects/acme/shop/push-credentials", web.token("deployer"), {"env": "dev"}).status == 201
    for project, number in (("acme/shop", 1), ("acme/blog", 0)):
        assert len(web.get("/v1/audit", web.token("admin", project, "pr-*")).json["entries"]) == number


def test_the_trail_is_turned_page_by_page(web: Web) -> None:
    token, admin = web.token("deployer"), web.token("admin")
    for number in range(5):
        web.now = NOON + number * MINUTE
        web.post(DEV, token, DEPLOY)
    first = web.get("/v1/audit?limit=3&project=acme/shop", admin).json
    assert len(first["entries"]) == 3
    assert web.get("/v1/audit?limit=3&project=acme/shop&cursor=", admin).json == first
    second = web.get(f"/v1/audit?limit=3&project=acme/shop&cursor={first['cursor']}", admin).json
    assert len({entry["id"] for entry in first["entries"] + second["entries"]}) == 5
    assert second["cursor"] is None


def test_a_client_that_is_too_old_is_told_so(webs: Webs) -> None:
    web = webs(replace(SETTINGS, min_cli="0.3.0"))
    token = web.token("viewer")
    for agent, status in (
        ("kilter/0.2.9", 426),
        ("kilter/0.10.0", 200),
        ("kilter/0.3", 200),
        ("curl/8", 200),
        (f"kilter/{'9' * 5000}", 200),
    ):
        assert web.get("/v1/info", token, headers={"user-agent": agent}).status == status, agent


def test_info_says_what_a_client_must_know(web: Web) -> None:
    info = web.get("/v1/info", web.token("viewer")).json
    assert info["cluster_domain"] == "apps.example.com"
    assert info["default_registry"] == "registry.example.com"
    assert info["protected_envs"] == ["prod"]
    assert info["services"] == ["postgres"]
    assert info["service_versions"] == {"postgres": ["16", "17"]}
    assert info["binds_platform"] is True
    assert info["limits"] == {"body_bytes": 4194304, "ready_timeout_seconds": 3600}


@pytest.mark.requirement("S2")
@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "/v1/tokens", {"actor": "mallory", "role": "admin", "scopes": [{"project": "acme/*"}]}),
        ("POST", "/v1/projects/acme/shop/envs/dev/deploys", DEPLOY),
        ("DELETE", "/v1/projects/acme/shop/envs/dev", {"confirm": "acme/shop/dev"}),
    ],
)
def test_a_token_that_is_revoked_while_the_body_comes_changes_nothing(
    web: Web, method: str, url: str, body: object
) -> None:
    token = web.token("admin", actor="mallory")
    text = msgspec.json.encode(body)

    def parts() -> Iterator[bytes]:
        yield text[:5]
        web.store._run(tokens.delete, token_format.parse(token).id)  # type: ignore[union-attr]
        web.now += 2 * SECOND
        yield text[5:]

    reply = web(method, url, token, content=parts(), headers={"content-type": "application/json"})
    assert (reply.status, reply.code) == (401, "not_logged_in")
    assert [each.actor for each in web.run(tokens.listed)] == []


def test_a_body_that_comes_slowly_without_a_token_is_answered_too(web: Web) -> None:
    """Nobody's token can have ended meanwhile."""

    def parts() -> Iterator[bytes]:
        yield b'{"client_name":'
        web.now += 2 * SECOND
        yield b'"laptop"}'

    reply = web("POST", "/v1/device/codes", content=parts(), headers={"content-type": "application/json"})
    assert reply.status == 200
