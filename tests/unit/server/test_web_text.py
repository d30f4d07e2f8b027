"""What schemathesis and its kin send: texts that are none, numbers out of range, names that an address may not hold."""

from typing import Any

import pytest
from unit.server.orders import IMAGE
from unit.server.web import DEPLOY, Reply, Web

ENV = "/v1/projects/acme/shop/envs/dev"
TOKEN = b'{"actor": "%s", "role": "viewer", "scopes": [{"project": "acme/x"}]}'


def sent(web: Web, method: str, url: str, body: bytes | None = None) -> Reply:
    more: dict[str, Any] = {} if body is None else {"content": [body]}
    return web(method, url, web.token(project="*/*"), **more)


@pytest.mark.requirement("S11")
@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("/v1/tokens", TOKEN % rb"\ud800"),
        ("/v1/tokens", TOKEN % rb"a\u0000"),
        ("/v1/tokens", TOKEN % b"\xed\xa0\x80"),
        ("/v1/tokens", (TOKEN % b"a").decode().encode("utf-16")),
        ("/v1/device/approvals", rb'{"user_code": "\udfff"}'),
        ("/v1/device/approvals", rb'{"user_code": "\u0000"}'),
        ("/v1/device/tokens", rb'{"device_code": "\ud800"}'),
        ("/v1/device/codes", rb'{"\udfff": "x"}'),
        (f"{ENV}/deploys", rb'{"image": "%s", "app": {"port": 1, "vars": {"A": "\ud800"}}}' % IMAGE.encode()),
        (f"{ENV}/deploys", rb'{"image": "%s", "app": {"port": 1, "command": ["\ud800"]}}' % IMAGE.encode()),
        (f"{ENV}/deploys", b'{"image": "%s", "app": {"port": 1e999}}' % IMAGE.encode()),
    ],
)
def test_a_text_that_no_database_keeps_is_refused(shared_web: Web, url: str, body: bytes) -> None:
    reply = sent(shared_web, "POST", url, body)
    assert (reply.status, reply.code) == (400, "bad_request")


def test_characters_beyond_the_first_plane_are_text_however_they_are_written(shared_web: Web) -> None:
    reply = sent(shared_web, "POST", "/v1/tokens", TOKEN % rb"\ud83d\ude00 \\u0000")
    assert reply.json["info"]["actor"] == "\N{GRINNING FACE} \\u0000"


@pytest.mark.parametrize("port", [b"8080.0", b"808e1", b"8.08E3"])
def test_a_whole_number_is_one_however_it_is_written(shared_web: Web, port: bytes) -> None:
    """The document says `integer`, and for JSON Schema 1.0 is one."""
    body = b'{"image": "%s", "app": {"port": %s}}' % (IMAGE.encode(), port)
    assert sent(shared_web, "POST", f"{ENV}/deploys", body).status == 202
    assert sent(shared_web, "POST", f"{ENV}/deploys", body.replace(port, b"8080.5")).code == "invalid"


@pytest.mark.requirement("S20")
@pytest.mark.parametrize(
    "url",
    [
        "/v1/deploys/a\x00",
        "/v1/audit?actor=%00",
        "/v1/audit?cursor=a%00b",
        f"{ENV}/deploys?cursor=9223372036854775808",
        f"{ENV}/deploys?cursor={'9' * 30}",
        f"{ENV}/logs?process=web,app",
        f"{ENV}/logs?process=-",
    ],
)
def test_what_neither_store_nor_cluster_can_be_asked_for_is_refused(shared_web: Web, url: str) -> None:
    reply = sent(shared_web, "GET", url)
    assert (reply.status, reply.code) == (422, "invalid")


@pytest.mark.requirement("S20")
def test_the_portals_addresses_hold_no_nul_either(shared_web: Web) -> None:
    assert shared_web.get("/projects/acme/a\x00").status == 422


def test_the_audit_trail_names_what_was_asked_for_though_it_can_be_no_environment(shared_web: Web) -> None:
    sent(shared_web, "POST", "/v1/projects/acme/shop/envs/0/deploys", str(DEPLOY).replace("'", '"').encode())
    entries = sent(shared_web, "GET", "/v1/audit?env=0").json["entries"]
    assert [(each["env"], each["status"]) for each in entries] == [("0", 422)]


@pytest.mark.requirement("S1")
@pytest.mark.parametrize("url", ["/v1/projects/{}/shop/envs/dev/deploys", "/v1/projects/acme/shop/envs/{}/deploys"])
def test_a_token_in_the_path_is_kept_by_neither_the_log_nor_the_audit_trail(
    shared_web: Web, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    token = shared_web.token(project="*/*")
    with caplog.at_level("INFO", "kilter.server"):
        reply = shared_web.post(url.format(token), token, DEPLOY)
    assert (reply.status, reply.code) == (400, "token_in_url")
    assert token not in reply.text + shared_web.get("/v1/audit", token).text
    assert [record.facts["status"] for record in caplog.records if token not in str(record.facts)] == [400]  # type: ignore[attr-defined]
    assert shared_web.get(f"/projects/acme/{token}").status == 400
