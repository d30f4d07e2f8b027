"""Who gets in, which forms are believed, and what every answer says to browsers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from starlette.requests import ClientDisconnect, Request
from unit.server.orders import SHOP
from unit.server.portal.conftest import COOKIE, Browser, signed_in
from unit.server.web import DEPLOY, SETTINGS, Reply, Web

from kilter.api.kilterapp_status import Status
from kilter.api.words import ROLES, Role
from kilter.server.portal import cookies, forms
from kilter.server.portal.door import HEADERS, Page, failed
from kilter.server.portal.table import PAGES
from kilter.server.refusals import Unavailable
from kilter.server.routes import environments as env_routes
from kilter.server.routes import events
from kilter.server.seams import LogQuery
from kilter.server.store import environments, sessions
from kilter.server.store.engine import Tx

CLOSED = [page for page in PAGES if not page.is_open]
PLACE = {"org": "acme", "app": "shop", "env": "dev", "deploy_id": "dep-none", "token_id": "none"}


def name_of(page: Page) -> str:
    return f"{page.method} {page.path}"


@pytest.mark.parametrize("page", CLOSED, ids=name_of)
def test_who_is_not_signed_in_is_led_to_where_that_is_done(portal: Web, page: Page) -> None:
    browser = Browser(portal, {COOKIE: "no-such-session"})
    path = page.path.format(**PLACE)
    reply = browser.get(path) if page.method == "GET" else browser.post(path)
    assert reply.status == 303
    wanted = f"/sign-in?next={path.replace('/', '%2F')}" if page.method == "GET" and path != "/" else "/sign-in"
    assert reply.headers["location"] == wanted


def test_only_the_page_to_sign_in_is_for_who_is_not() -> None:
    assert {name_of(page) for page in PAGES if page.is_open} == {"GET /sign-in", "POST /sign-in"}


def changed(tx: Tx) -> list[object]:
    """Return all that a form could change."""
    texts = ("SELECT * FROM deploys", "SELECT id FROM tokens", "SELECT * FROM audit", "SELECT * FROM device_codes")
    return [tx.rows(text) for text in texts]


@pytest.mark.parametrize("page", [page for page in PAGES if page.method == "POST"], ids=name_of)
def test_a_form_from_elsewhere_changes_nothing(portal: Web, page: Page) -> None:
    """S14, P2: the word, and what the browser says of where the form was; both must be right."""
    browser = signed_in(portal, portal.token("admin", "*/*"))
    before = portal.run(changed)
    for fields in ({"form_word": ""}, {"form_word": "0" * 64}):
        assert browser.post(page.path.format(**PLACE), {"token": "x", **fields}).status == 403
    for site in ("cross-site", "same-site", "none", ""):
        assert browser.post(page.path.format(**PLACE), {"token": "x"}, sec_fetch_site=site).status == 403
    assert portal.run(changed) == before
    assert browser.get("/account").status == 200, "still signed in"


def test_a_form_of_a_browser_that_was_given_none_is_refused(portal: Web) -> None:
    """S14: else a page of another could sign its reader in as somebody else."""
    stranger = Browser(portal, {}, word=cookies.form_word(""))
    assert stranger.post("/sign-in", {"token": portal.token("viewer")}).status == 403
    assert stranger.cookies == {}


@pytest.mark.parametrize(
    ("headers", "believed"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "https://kilter.apps.example.com"}, True),
        ({"origin": "https://evil.apps.example.com"}, False),
        ({"origin": "http://kilter.apps.example.com"}, False),
        ({"origin": "https://kilter.apps.example.com", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_browsers_are_believed_and_silence_is_not(headers: dict[str, str], believed: bool) -> None:
    assert forms.from_here(headers, SETTINGS.url) is believed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/projects/acme/shop?x=1", "/projects/acme/shop?x=1"),
        ("", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("projects", "/"),
        ("/a\r\nb: c", "/"),
    ],
)
def test_where_to_go_next_is_a_place_of_ours(text: str, place: str) -> None:
    """P2."""
    assert forms.place(text) == place


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x" * 8193, 413), (b"&".join(b"a=1" for _ in range(40)), 400), (b"\xff=\xfe", 400), (b"token=%00", 400)],
)
def test_a_form_that_is_none_is_refused(portal: Web, content: bytes, status: int) -> None:
    """S11."""
    headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    reply = portal("POST", "/sign-in", content=[content], headers={**headers, "content-length": str(len(content))})
    assert reply.status == status
    assert portal("POST", "/sign-in", json={"token": "x"}, headers={"sec-fetch-site": "same-origin"}).status == 415


def test_the_cookie_is_bound_to_this_host_and_holds_no_token(portal: Web) -> None:
    token = portal.token("viewer")
    browser = Browser(portal, {})
    form = browser.get("/sign-in?next=%2Faudit")
    assert 'value="/audit"' in form.text
    reply = browser.post("/sign-in", {"token": token, "next": "/audit"})
    assert (reply.status, reply.headers["location"]) == (303, "/audit")
    said = portal("GET", "/sign-in").headers["set-cookie"].lower()
    assert said.startswith("__host-kilter-form=")
    assert {"httponly", "secure", "samesite=lax", "path=/", "max-age=43200"} <= set(said.split("; "))
    assert token not in browser.cookies[COOKIE]
    assert browser.cookies[COOKIE] not in portal.run(lambda tx: repr(tx.rows("SELECT * FROM sessions")))


def test_without_https_the_cookie_has_no_promise_that_browsers_would_refuse() -> None:
    plain = replace(SETTINGS, public_url="http://kilter.local:8080")
    assert (cookies.name_of(plain, "kilter"), cookies.is_secure(plain)) == ("kilter", False)


def test_who_signs_in_goes_on_to_all_of_the_address_that_was_asked_for(portal: Web) -> None:
    reply = Browser(portal, {}).get("/audit?cursor=7&x=%26")
    assert reply.headers["location"] == "/sign-in?next=%2Faudit%3Fcursor%3D7%26x%3D%2526"


def test_a_form_stays_good_while_it_is_open_in_another_tab(portal: Web) -> None:
    browser = Browser(portal, {})
    browser.get("/sign-in")
    word = browser.word
    browser.get("/sign-in")
    assert browser.post("/sign-in", {"token": portal.token("viewer"), "form_word": word}).status == 303


@pytest.mark.parametrize("token", ["", "kilter_x", "kilter_" + "a" * 51])
def test_a_token_that_is_none_signs_nobody_in(portal: Web, token: str) -> None:
    browser = Browser(portal, {})
    browser.get("/sign-in")
    reply = browser.post("/sign-in", {"token": token})
    assert reply.status == 401
    assert COOKIE not in browser.cookies


def test_a_session_ends_with_its_token_its_time_and_its_reader(web: Web) -> None:
    token = web.token("viewer")
    first, second, third = (signed_in(web, token) for _ in range(3))
    assert first.post("/sign-out").headers["location"] == "/sign-in"
    first.cookies[COOKIE] = third.cookies[COOKIE]
    assert first.get("/").status == second.get("/").status == 200
    web.now += 12 * 3600 * 1_000_000
    assert second.get("/").status == 303
    fourth = signed_in(web, token)
    web("DELETE", "/v1/whoami", token)
    assert fourth.get("/").status == 303


@pytest.mark.parametrize(("path", "is_revoked"), [("/sign-out", False), ("/account/revoke", True)])
def test_signing_out_takes_the_cookie_and_revoking_the_token_too(web: Web, path: str, is_revoked: bool) -> None:
    token = web.token("viewer")
    browser, other = signed_in(web, token), signed_in(web, token)
    before = browser.cookies[COOKIE]
    reply = browser.post(path)
    assert (reply.status, reply.headers["location"]) == (303, "/sign-in")
    said = reply.headers["set-cookie"].lower()
    assert said.startswith(f'{COOKIE.lower()}="";')
    assert "max-age=0" in said
    assert "secure" in said, "browsers refuse to change a cookie of this name otherwise"
    assert Browser(web, {COOKIE: before}).get("/").status == 303, "who copied the cookie is out, too"
    assert (web.get("/v1/whoami", token).status, other.get("/").status) == ((401, 303) if is_revoked else (200, 200))


def test_signing_in_again_ends_the_session_before(web: Web) -> None:
    browser = signed_in(web, web.token("viewer", actor="ann"))
    before = browser.cookies[COOKIE]
    browser.get("/account")
    browser.post("/sign-in", {"token": web.token("admin", actor="bob")})
    assert "bob" in browser.get("/").text
    assert Browser(web, {COOKIE: before}).get("/").status == 303
    assert browser.get("/sign-in?next=/audit").headers["location"] == "/audit"


@pytest.mark.parametrize("path", ["/", "/sign-in", "/projects/acme/none", "/deploys/x", "/nothing", "/audit?cursor="])
@pytest.mark.parametrize("role", ["", "viewer"])
def test_every_page_tells_the_browser_what_it_may_not_do(portal: Web, path: str, role: str) -> None:
    """P2, P5: failures and redirects too."""
    browser = signed_in(portal, portal.token("viewer")) if role else Browser(portal, {})
    reply = browser.get(path)
    said = {name.lower(): value for name, value in reply.headers.items()}
    assert {name: said[name.lower()] for name in HEADERS} == HEADERS
    assert (said["cache-control"], said["x-content-type-options"]) == ("no-store", "nosniff")
    policy = said["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    for word in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "connect-src 'self'"):
        assert word in policy.split("; ")
    # Nothing that the policy would have to stop.
    assert re.search(r"<script(?! src)|<style|\sstyle=|\son\w+=|hx-on|hx-vals|js:", reply.text) is None


def test_what_is_foreign_is_answered_as_what_is_missing(portal: Web) -> None:
    """S3, DP-Q73."""
    browser = signed_in(portal, portal.token("admin", "acme/*"))
    foreign = portal.run(lambda tx: tx.row("SELECT id FROM deploys WHERE org = 'globex'"))["id"]
    paths = (f"/deploys/{foreign}", "/deploys/none", "/projects/globex/blog", "/projects/acme/none", "/nothing")
    replies = [browser.get(path) for path in paths]
    assert {reply.status for reply in replies} == {404}
    assert len({re.sub(r"req-\w+", "", reply.text) for reply in replies}) == 1


@pytest.mark.parametrize("role", ROLES)
def test_pages_of_foreign_projects_are_there_for_nobody(portal: Web, role: Role) -> None:
    """DP-Q73: whatever they may do in their own."""
    browser = signed_in(portal, portal.token(role, "acme/*"))
    foreign = portal.run(lambda tx: tx.row("SELECT id FROM deploys WHERE org = 'globex'"))["id"]
    for page in CLOSED:
        if "{org}" in page.path or "{deploy_id}" in page.path:
            path = page.path.format(org="globex", app="blog", env="dev", deploy_id=foreign)
            reply = browser.get(path) if page.method == "GET" else browser.post(path, {"confirm": "globex/blog/dev"})
            assert reply.status == 404, name_of(page)


def test_a_token_in_an_address_is_refused_and_not_repeated(portal: Web) -> None:
    """S1."""
    token = portal.token("viewer")
    reply = Browser(portal, {}).get(f"/sign-in?token={token}")
    assert reply.status == 400
    assert token not in reply.text


def test_a_part_that_is_fetched_again_brings_the_whole_page_when_something_is_wrong(web: Web) -> None:
    browser = signed_in(web, web.token("viewer"))
    assert browser.get("/deploys/none", hx_request="true").headers["hx-refresh"] == "true"

    async def away(*_: object, **__: object) -> object:
        raise Unavailable("gone")

    working, web.store.run = web.store.run, away  # type: ignore[method-assign]
    part, whole = browser.get("/", hx_request="true"), browser.get("/")
    web.store.run = working  # type: ignore[method-assign]
    assert (part.status, part.body) == (204, b""), "what is there stays"
    assert (whole.status, whole.headers["retry-after"]) == (503, "5")
    assert Browser(web, {}).get("/deploys/x/events", accept="text/event-stream").status == 401


def test_a_part_that_is_fetched_again_is_not_replaced_by_the_words_of_a_gateway(portal: Web) -> None:
    """By itself htmx takes an answer of any status for the page, and without the part in it removes that for good."""
    config = re.search(r"""name="htmx-config" content='([^']+)'""", Browser(portal, {}).get("/sign-in").text)
    assert config is not None
    assert json.loads(config[1])["noSwap"] == [204, 304, "4xx", "5xx"]


def test_a_browser_that_left_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    request = Request({"type": "http", "method": "POST", "path": "/sign-in", "headers": [], "query_string": b""})
    assert failed(request, ClientDisconnect(), "req-1").status_code == 499
    assert caplog.records == []


def test_who_asks_the_api_gets_no_page(portal: Web) -> None:
    assert portal.get("/nothing").code == "not_found"
    assert portal.get("/v1/nothing", headers={"accept": "text/html"}).code == "not_found"
    assert portal("PUT", "/", headers={"accept": "text/html"}).headers["allow"] == "GET"


@pytest.mark.requirement("S2")
@pytest.mark.parametrize("how", ["sign-out", "time"])
@pytest.mark.parametrize("what", ["logs", "deploy"])
def test_a_stream_ends_with_its_session(web: Web, monkeypatch: pytest.MonkeyPatch, what: str, how: str) -> None:
    """Also while the token behind it is good."""
    for module in (env_routes, events):
        monkeypatch.setattr(module, "ASK_ALIVE", 0.01)
    accepted = web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY).json
    web.run(environments.record_status, SHOP, Status(namespace="acme-shop-dev"), web.now)

    async def silent(_: LogQuery) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    def end(body: bytes) -> bool:
        if b"still here" in body and how == "time":
            web.now += sessions.LIFETIME
        elif b"still here" in body:
            web.store._run(sessions.end, browser.cookies[COOKIE])
        return False

    monkeypatch.setattr(web.cluster, "logs", silent)
    browser = signed_in(web, web.token("viewer"))
    path = "/projects/acme/shop/envs/dev/logs/stream" if what == "logs" else f"/deploys/{accepted['deploy_id']}/events"

    async def story() -> Reply:
        async with asyncio.timeout(5):
            return await web.send("GET", path, headers={"cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}, until=end)

    reply = web.runner.run(story())
    assert (reply.status, reply.text.count("still here")) == (200, 1)


@pytest.mark.parametrize(("role", "shown"), [("admin", True), ("maintainer", False)])
def test_an_admin_sees_the_tokens_within_reach_and_nobody_else_does(web: Web, role: Role, shown: bool) -> None:
    web.token("viewer", "acme/*", actor="ann")
    web.token("viewer", "globex/*", actor="zoe")
    page = signed_in(web, web.token(role, "acme/*", actor="bob")).get("/account").text
    assert ("ann" in page) is shown
    assert "zoe" not in page


@pytest.mark.parametrize(
    ("role", "project", "status", "is_good"),
    [
        ("admin", "acme/*", 303, False),
        ("admin", "globex/*", 404, True),
        ("maintainer", "acme/*", 403, True),
    ],
)
def test_a_token_is_revoked_by_who_reaches_as_far(
    web: Web, role: Role, project: str, status: int, is_good: bool
) -> None:
    token = web.token("viewer", "acme/*")
    made = web.get("/v1/whoami", token).json["token_id"]
    browser = signed_in(web, web.token(role, project))
    assert browser.post(f"/tokens/{made}/revoke").status == status
    assert web.get("/v1/whoami", token).status == (200 if is_good else 401)
