"""What a request may look like: limits before reading, one reading of every body, faults with their path."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from starlette.requests import Request
from unit.server.orders import IMAGE
from unit.server.web import APP, DEPLOY, SETTINGS, Reply, Web, Webs

from kilter.server import bodies
from kilter.server.refusals import Unavailable

URL = "/v1/projects/acme/shop/envs/dev/deploys"
LIMIT = 4 * 1024 * 1024


class Never:
    """A body that must not be read."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("the body was read")


class Endless:
    """A body without an end, which counts what was taken of it."""

    PART = b" " * 65536

    def __init__(self) -> None:
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self.given += 1
            yield self.PART


def refused(web: Web, body: object) -> tuple[int, str, str | None]:
    reply = web.post(URL, web.token("deployer"), body)
    return reply.status, reply.code, reply.json["error"]["field"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"role": "admin"}, "unknown_field", "role"),
        ({"namespace": "kube-system"}, "unknown_field", "namespace"),
        ({"app": {"port": 1, "owner": "me"}}, "unknown_field", "app.owner"),
        ({"app": {"port": 0}}, "invalid", "app.port"),
        ({"app": {"port": "8080"}}, "invalid", "app.port"),
        ({"app": {}}, "invalid", "app.port"),
        ({"image": "shop:latest"}, "invalid", "image"),
        ({"app": {"port": 1, "processes": {"worker": {"command": []}}}}, "invalid", "app.processes.worker.command"),
        ({"app": {"port": 1, "processes": {"worker": {"x": 1}}}}, "unknown_field", "app.processes.worker.x"),
        (
            {"app": {"port": 1, "processes": {"worker": {"command": ["x"], "probes": {"x": 1}}}}},
            "unknown_field",
            "app.processes.worker.probes.x",
        ),
        ({"app": {"port": 1, "processes": {"A_b": {"command": ["x"]}}}}, "invalid", "app.processes"),
        ({"app": {"port": 1, "services": [{"name": "db"}]}}, "invalid", "app.services[0].kind"),
        ({"app": {"port": 1, "profile": {"bases": "x"}}}, "unknown_field", "app.profile.bases"),
        ({"app": {"port": 1, "profile": {"base": "x"}}}, "invalid", "app.profile.base"),
        ({"timeout": "0s"}, "invalid", "timeout"),
        ({"timeout": "1.5h"}, "invalid", "timeout"),
    ],
)
def test_a_fault_is_answered_with_the_path_of_its_field(
    shared_web: Web, change: dict[str, object], code: str, field: str
) -> None:
    """S6: unknown fields are 422, wherever they stand."""
    assert refused(shared_web, {**DEPLOY, **change}) == (422, code, field)


def test_a_body_that_is_no_object_is_answered_without_a_field(shared_web: Web) -> None:
    assert refused(shared_web, []) == (422, "invalid", None)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"image": NaN}',
        b'{"image": Infinity}',
        b'{"image": "a", "image": "b"}',
        b'{"app": {"port": 1, "port": 2}}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" + b"9" * 5000 + b"]",
        b"",
    ],
)
def test_what_readers_would_understand_differently_is_no_json(shared_web: Web, body: bytes) -> None:
    """S11."""
    reply = shared_web("POST", URL, shared_web.token("deployer"), content=[body])
    assert (reply.status, reply.code) == (400, "bad_request")
    assert len(reply.body) < 1000


@pytest.mark.requirement("S11", "S12")
def test_a_key_that_stands_twice_is_found_in_one_look_and_told_of_in_short(shared_web: Web) -> None:
    last = "k" * 5000
    keys = [*(f'"{number:x}":0' for number in range(50_000)), f'"{last}":0', f'"{last}":0']
    token, before = shared_web.token("deployer"), time.process_time()
    reply = shared_web("POST", URL, token, content=["{{{}}}".format(",".join(keys)).encode()])
    assert (reply.status, reply.code) == (400, "bad_request")
    assert f"the key '{'k' * 64}' stands twice" in reply.text
    assert time.process_time() - before < 1


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 400])
def test_a_body_that_is_announced_too_large_is_not_read(shared_web: Web, length: str) -> None:
    """S11."""
    reply = shared_web("POST", URL, shared_web.token("deployer"), content=Never(), headers={"content-length": length})
    assert (reply.status, reply.code) == (413, "too_large")
    assert reply.headers["connection"] == "close"


def test_a_body_of_unknown_length_is_read_no_further_than_the_limit(shared_web: Web) -> None:
    """S11: chunked."""
    parts = Endless()
    reply = shared_web(
        "POST", URL, shared_web.token("deployer"), content=parts, headers={"transfer-encoding": "chunked"}
    )
    assert (reply.status, reply.code) == (413, "too_large")
    assert parts.given <= LIMIT // len(Endless.PART) + 1


@pytest.mark.requirement("S11", "S12")
@pytest.mark.parametrize(("path", "field"), [("codes", "client_name"), ("tokens", "device_code")])
def test_a_body_without_a_token_may_be_small_alone(shared_web: Web, path: str, field: str) -> None:
    url, body = f"/v1/device/{path}", json.dumps({field: "x"}).encode()
    fits = shared_web("POST", url, content=[body + b" " * (8192 - len(body))])
    assert fits.status != 413
    reply = shared_web("POST", url, content=Never(), headers={"content-length": "8193"})
    assert (reply.status, reply.json["error"]["details"]) == (413, {"limit_bytes": 8192})


@pytest.mark.requirement("S12")
def test_of_large_bodies_two_are_read_at_once(
    shared_web: Web, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As values they take much more memory than the server's pod has for many."""
    body, token = json.dumps(DEPLOY).encode(), shared_web.token("deployer")
    lock, at_once, seen, parsed = threading.Lock(), [0], list[int](), bodies.parsed
    pair = threading.Barrier(2)

    def slow(text: bytes) -> object:
        with lock:
            at_once[0] += 1
            seen.append(at_once[0])
        pair.wait(30)  # for the other one, however busy the machine is
        time.sleep(0.01)  # in which a third one would come
        with lock:
            at_once[0] -= 1
        return parsed(text)

    async def many() -> list[Reply]:
        large = [body + b" " * bodies.THREAD_FROM]
        return await asyncio.gather(*(shared_web.send("POST", URL, token, content=large) for _ in range(6)))

    monkeypatch.setattr(bodies, "parsed", slow)
    assert [reply.status for reply in runner.run(many())] == [202] * 6
    assert max(seen) == 2


@pytest.mark.requirement("S12")
def test_a_body_that_does_not_come_whole_in_time_is_given_up_with_its_connection(
    shared_web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stream(_: Request) -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    monkeypatch.setattr(Request, "stream", stream)
    monkeypatch.setattr(bodies, "SECONDS", 0.01)
    reply = shared_web.post(URL, shared_web.token("deployer"), DEPLOY)
    assert (reply.status, reply.code, reply.headers["connection"]) == (408, "request_timeout", "close")


def test_a_body_of_exactly_the_limit_is_read(shared_web: Web) -> None:
    body = json.dumps(DEPLOY).encode()
    reply = shared_web("POST", URL, shared_web.token("deployer"), content=[body + b" " * (LIMIT - len(body))])
    assert reply.status == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-encoding": "gzip"},
    ],
)
def test_only_plain_json_is_taken(shared_web: Web, headers: dict[str, str]) -> None:
    """S11, S14: no forms, no text, no bombs."""
    reply = shared_web("POST", URL, shared_web.token("deployer"), json=DEPLOY, headers=headers)
    assert (reply.status, reply.code) == (415, "wrong_media_type")


def test_a_call_that_takes_no_body_says_so(shared_web: Web) -> None:
    given: tuple[dict[str, object], ...] = (
        {"json": {"force": True}},
        {"content": iter([b"{}"]), "headers": {"transfer-encoding": "chunked"}},
    )
    for body in given:
        reply = shared_web("DELETE", "/v1/whoami", shared_web.token("viewer"), **body)
        assert (reply.status, reply.code) == (422, "invalid")


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("?limit=0", "invalid", "limit"),
        ("?limit=1000000000", "invalid", "limit"),
        ("?limit=-1", "invalid", "limit"),
        ("?limit=1&limit=2", "invalid", "limit"),
        ("?sort=name", "unknown_field", "sort"),
        (f"?{'x' * 5000}=1", "unknown_field", "x" * 64),
        ("?cursor=" + "x" * 200, "invalid", "cursor"),
    ],
)
def test_a_query_is_checked_like_a_body(shared_web: Web, query: str, code: str, field: str) -> None:
    """S20."""
    reply = shared_web.get(f"/v1/projects{query}", shared_web.token("viewer"))
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (422, code, field)
    assert len(reply.body) < 1000


def test_a_query_where_none_is_known_is_refused(shared_web: Web) -> None:
    assert shared_web.get("/v1/whoami?verbose=1", shared_web.token("viewer")).code == "unknown_field"


def test_an_unknown_field_is_told_of_in_short(shared_web: Web) -> None:
    reply = shared_web.post(URL, shared_web.token("deployer"), {**DEPLOY, "x" * 300_000: 1})
    assert (reply.status, reply.code, len(reply.body) < 1000) == (422, "unknown_field", True)


@pytest.mark.requirement("S1")
@pytest.mark.parametrize("query", ["access={}", "access={}&access=", "{}", "{}=1"])
def test_a_token_in_the_address_is_refused_and_not_repeated(shared_web: Web, query: str) -> None:
    token = shared_web.token("viewer")
    reply = shared_web.get(f"/v1/whoami?{query.format(token)}", token)
    assert (reply.status, reply.code) == (400, "token_in_url")
    assert token not in reply.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/whoami/",
        "/v1/unknown",
        "/nothing",
        "/v1/projects/acme/shop/envs/prod/",
        "/V1/info",
        "/v1/info\n",
        "/healthz\n",
    ],
)
def test_what_no_route_is_for_does_not_exist(shared_web: Web, path: str) -> None:
    """S7: no alias by case, trailing slash or line feed."""
    reply = shared_web.get(path, shared_web.token("admin"))
    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/.git/\nconfig", 404), ("PUT", "/v1/info", 405)])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_what_no_route_is_for_has_its_line_in_the_log(
    shared_web: Web, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int, accept: str
) -> None:
    """Or nobody sees who looks for doors; the path stands there as it was asked for."""
    with caplog.at_level("INFO", "kilter.server"):
        reply = shared_web(method, path, headers={"accept": accept})
    facts = [record.facts for record in caplog.records]  # type: ignore[attr-defined]
    assert [(each["method"], each["path"], each["status"]) for each in facts] == [(method, path, status)]
    assert facts[0]["request"] == reply.headers["x-request-id"]
    assert facts[0]["ms"] >= 0


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS"])
def test_other_methods_are_not_allowed(shared_web: Web, method: str) -> None:
    reply = shared_web(method, "/v1/whoami", shared_web.token("admin"))
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert reply.headers["allow"] == "DELETE, GET"


@pytest.mark.parametrize("env", ["Prod", "prod_1", "pr--1", "-prod", "p" * 33, "%2e%2e"])
def test_an_environment_outside_the_grammar_is_refused(shared_web: Web, env: str) -> None:
    """DP-Q37, S7: with the character that is wrong."""
    reply = shared_web.post(f"/v1/projects/acme/shop/envs/{env}/deploys", shared_web.token("admin"), DEPLOY)
    assert (reply.status, reply.code, reply.json["error"]["field"]) == (422, "invalid", "env")


def test_every_answer_has_a_number_and_is_not_to_be_kept(shared_web: Web) -> None:
    good, bad = shared_web.get("/v1/whoami", shared_web.token("viewer")), shared_web.get("/v1/whoami")
    for reply in (good, bad, shared_web.get("/nowhere")):
        assert reply.headers["x-request-id"].startswith("req-")
        assert reply.headers["cache-control"] == "no-store"
    assert bad.json["error"]["request_id"] == bad.headers["x-request-id"]
    assert bad.json["error"]["next"] == "kilter login --server <url> --token -"


def test_what_is_refused_is_no_fault_of_the_servers_and_asks_for_no_login_nor_another_try(
    shared_web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    viewer = shared_web.token("viewer")
    refusals = shared_web.post(URL, viewer, DEPLOY), shared_web.get("/v1/deploys/none", viewer)
    assert [reply.status for reply in refusals] == [403, 404]
    assert [set(reply.headers) & {"www-authenticate", "retry-after", "connection"} for reply in refusals] == [set()] * 2
    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []


def test_headers_that_pretend_to_be_somebody_change_nothing(shared_web: Web) -> None:
    """S13."""
    headers = {"x-forwarded-user": "admin", "x-user-id": "1", "x-request-id": "mine", "host": "evil.example.com"}
    reply = shared_web.get("/v1/whoami", shared_web.token("viewer"), headers=headers)
    assert reply.json["role"] == "viewer"
    assert reply.headers["x-request-id"] != "mine"


def test_a_fault_of_the_servers_own_tells_only_a_number(
    shared_web: Web, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S22."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("password=canary in /etc/secret")

    token = shared_web.token("viewer")
    monkeypatch.setattr(shared_web.store, "look", broken)
    reply = shared_web.get("/v1/whoami", token)
    assert (reply.status, reply.code) == (500, "internal")
    assert "canary" not in reply.text
    assert "RuntimeError" not in reply.text
    assert reply.json["error"]["request_id"] in str([getattr(record, "facts", "") for record in caplog.records])


def test_a_store_that_is_away_is_503_and_says_when_to_ask_again(
    shared_web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S22."""
    token = shared_web.token("viewer")

    async def away(*_: object, **__: object) -> None:
        raise Unavailable("connection to 10.0.0.7 refused")

    for way in ("look", "run"):
        monkeypatch.setattr(shared_web.store, way, away)
    reply = shared_web.get("/v1/whoami", token)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "unavailable", "5")
    assert "10.0.0.7" not in reply.text
    [warning] = [record.facts for record in caplog.records if record.levelname == "WARNING"]  # type: ignore[attr-defined]
    assert (warning["request"], "10.0.0.7" in warning["error"]) == (reply.headers["x-request-id"], True)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
    assert shared_web.get("/readyz").status == 503
    assert shared_web.get("/healthz").text == "ok"


def test_a_store_that_lost_its_tables_is_not_ready(web: Web) -> None:
    """S22: a database that came back empty answers, and holds nothing."""
    assert web.get("/readyz").status == 200
    web.run(lambda tx: tx.execute("ALTER TABLE tokens RENAME TO lost"))
    assert web.get("/readyz").status == 503
    assert web.get("/healthz").text == "ok"


@pytest.mark.parametrize("repository", ["registry.example.com/acme/shop", "registry.example.com/acme/shop/web"])
def test_a_tag_beside_the_digest_is_refused(shared_web: Web, repository: str) -> None:
    """A port is none."""
    digest = IMAGE.partition("@")[2]
    assert refused(shared_web, {**DEPLOY, "image": f"{repository}:1.4.2@{digest}"}) == (422, "invalid", "image")
    elsewhere = f"docker.io:5000/acme/shop@{digest}"
    assert refused(shared_web, {**DEPLOY, "image": elsewhere}) == (422, "registry_not_allowed", "image")


def test_an_image_from_elsewhere_is_refused(shared_web: Web) -> None:
    for repository in ("registry.example.com/acme/other", "registry.example.com/acme/shopping", "docker.io/acme/shop"):
        image = f"{repository}@{IMAGE.partition('@')[2]}"
        assert refused(shared_web, {**DEPLOY, "image": image}) == (422, "registry_not_allowed", "image")


def test_images_come_from_where_the_platform_lets_them_come_from_too(webs: Webs) -> None:
    web = webs(replace(SETTINGS, extra_registries=("ghcr.io/acme/", "docker.io/library/redis")))
    token, digest = web.token("deployer"), IMAGE.partition("@")[2]
    for repository, status in (
        ("ghcr.io/acme/shop", 202),
        ("docker.io/library/redis", 202),
        ("docker.io/library/redis/x", 202),
        ("registry.example.com/acme/shop", 202),
        ("ghcr.io/acmes/shop", 422),
        ("evil.example.com/ghcr.io/acme/shop", 422),
        ("docker.io/library/redis2", 422),
        ("registry.example.com/acme/other", 422),
    ):
        reply = web.post(URL, token, {**DEPLOY, "image": f"{repository}@{digest}"})
        assert reply.status == status, repository


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"secrets": {}}, "secrets"),
        ({"secrets": {"a": "b"}}, "secrets"),
        ({"prune_secrets": True}, "prune_secrets"),
        ({"app": {"port": 1, "appSecrets": ["a"]}}, "app.appSecrets"),
        ({"app": {"port": 1, "allowFrom": ["acme/web"]}}, "app.allowFrom"),
        ({"app": {"port": 1, "patches": [{"patch": "kind: Service"}]}}, "app.patches"),
        ({"migration": {"run": True}}, "migration"),
        ({"migration": {"skip_check": True}}, "migration"),
        ({"seeds": {"run": True}}, "seeds"),
        ({"seeds": {"reseed": ["a"]}}, "seeds"),
        ({"bootstrap": True}, "bootstrap"),
    ],
)
def test_what_is_to_come_is_refused_and_never_ignored(shared_web: Web, change: dict[str, object], field: str) -> None:
    assert refused(shared_web, {**DEPLOY, **change}) == (422, "not_yet", field)


def test_parts_that_ask_for_nothing_are_no_reason_to_refuse(shared_web: Web) -> None:
    body = {**DEPLOY, "migration": {"run": False}, "seeds": {"run": False, "entries": []}}
    assert shared_web.post(URL, shared_web.token("deployer"), body).status == 202


def test_a_service_that_nobody_provides_is_refused_with_what_there_is(shared_web: Web) -> None:
    """DP-Q20."""
    body = {**DEPLOY, "app": {"port": 1, "services": [{"name": "queue", "kind": "temporal"}]}}
    reply = shared_web.post(URL, shared_web.token("deployer"), body)
    assert (reply.code, reply.json["error"]["field"]) == ("invalid", "app.services")
    assert "temporal" in reply.json["error"]["message"]
    assert reply.json["error"]["details"] == {"provided": ["postgres"]}


def test_an_external_service_needs_its_secret(shared_web: Web) -> None:
    """DP-Q20."""
    service = {"name": "queue", "kind": "temporal", "mode": "external"}
    field = "app.services[0].secretName"
    assert refused(shared_web, {**DEPLOY, "app": {"port": 1, "services": [service]}}) == (422, "invalid", field)


@pytest.mark.parametrize(
    "service",
    [
        {"name": "db", "kind": "postgres", "version": "16"},
        {"name": "queue", "kind": "temporal", "mode": "external", "secretName": "queue", "values": {"image": "x"}},
        {"name": "mine", "kind": "homemade", "mode": "external", "secretName": "mine", "version": "1"},
    ],
)
def test_services_of_the_platform_in_its_versions_and_anybodys_with_a_secret_are_taken(
    shared_web: Web, service: dict[str, object]
) -> None:
    """DP-Q20."""
    body = {**DEPLOY, "app": {"port": 1, "services": [service]}}
    reply = shared_web.post(URL, shared_web.token("deployer"), body)
    assert reply.status == 202, reply.text


def test_two_services_of_one_name_are_refused(shared_web: Web) -> None:
    """The cluster answers 500 to such a KilterApp, as if it were at fault itself."""
    services = [{"name": "db", "kind": "postgres"}, {"name": "db", "kind": "postgres"}]
    body = {**DEPLOY, "app": {"port": 1, "services": services}}
    assert refused(shared_web, body) == (422, "invalid", "app.services[1].name")


def test_a_version_of_a_service_that_the_catalog_does_not_have_is_refused_with_those_it_has(shared_web: Web) -> None:
    services = [{"name": "db", "kind": "postgres", "version": "9"}]
    reply = shared_web.post(URL, shared_web.token("deployer"), {**DEPLOY, "app": {"port": 1, "services": services}})
    assert (reply.code, reply.json["error"]["field"]) == ("invalid", "app.services[0].version")
    assert reply.json["error"]["details"] == {"versions": ["16", "17"]}


def test_an_image_among_the_values_of_a_service_is_refused_as_one_from_elsewhere_is(shared_web: Web) -> None:
    services = [{"name": "db", "kind": "postgres", "values": {"image": "docker.io/evil/miner:latest"}}]
    reply = shared_web.post(URL, shared_web.token("deployer"), {**DEPLOY, "app": {"port": 1, "services": services}})
    assert (reply.code, reply.json["error"]["field"]) == ("invalid", "app.services[0].values")
    assert "services.db.values.image cannot be set on a platform" in reply.json["error"]["message"]


@pytest.mark.requirement("DP-Q20")
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"maxMemory": 64}, "services.cache.values.maxMemory does not fit the chart of redis: there is no such value"),
        ({"maxMemoryMiB": "64"}, "services.cache.values.maxMemoryMiB does not fit the chart of redis"),
        ({"env": {"A": 1}}, "services.cache.values.env.A does not fit the chart of redis"),
        ({"maxMemoryMiB": 64, "env": {"A": "1", "B": None}, "other": None}, ""),
    ],
)
def test_values_that_the_chart_of_a_service_does_not_take_are_refused_before_anything_is_carried_out(
    webs: Webs, values: dict[str, object], said: str
) -> None:
    """The operator would find them by a helm that fails, after the deploy was accepted."""
    web = webs(replace(SETTINGS, services=("postgres", "redis")))
    services = [{"name": "cache", "kind": "redis", "values": values}]
    reply = web.post(URL, web.token(), {**DEPLOY, "app": {**APP, "services": services}})
    if said:
        assert (reply.code, reply.json["error"]["field"]) == ("invalid", "app.services[0].values")
        assert reply.json["error"]["message"].startswith(said)
    else:
        assert reply.status == 202


@pytest.mark.requirement("DP-Q5")
def test_an_image_that_no_node_could_run_is_refused(shared_web: Web) -> None:
    reply = shared_web.post(URL, shared_web.token("deployer"), {**DEPLOY, "platform": "linux/s390x"})
    assert (reply.code, reply.json["error"]["field"]) == ("invalid", "platform")
    assert reply.json["error"]["details"] == {"platforms": ["linux/amd64"]}
    assert refused(shared_web, {**DEPLOY, "platform": "windows/amd64"}) == (422, "invalid", "platform")
