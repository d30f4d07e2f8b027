"""Signing in and out, letting devices in, who sees and does what, and pages without a mouse."""

import pytest
from browser.conftest import Tab, Tabs
from browser.live import Live
from playwright.sync_api import expect

from kilter.server import clock
from kilter.server.store import sessions, tokens


def sign_in(tab: Tab, token: str) -> None:
    tab.page.get_by_label("Your token").fill(token)
    tab.page.get_by_role("button", name="Sign in").click()


def test_a_token_signs_in_and_is_kept_nowhere(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    token = live.token("viewer", "acme/*", actor="ann")
    tab = tabs()
    tab.goto(f"/deploys/{furnished['shop']}?x=1")
    assert tab.page.url.startswith(f"{live.url}/sign-in?next=")
    sign_in(tab, f"  {token}\n")
    assert tab.page.url == f"{live.url}/deploys/{furnished['shop']}?x=1"
    [cookie] = tab.page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == ("kilter", True, "Lax", "/")
    assert token not in str(tab.page.context.storage_state())
    held = live.run(lambda tx: repr([tx.rows("SELECT * FROM sessions"), tx.rows("SELECT * FROM tokens")]))
    assert cookie["value"] not in held
    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
    tab.page.context.add_cookies([{"name": "kilter", "value": cookie["value"], "url": live.url}])
    tab.goto("/")
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert live.api("GET", "/v1/whoami", token)["actor"] == "ann", "signing out leaves the token alone"


def test_a_wrong_token_is_told_off_and_forgotten(tabs: Tabs, live: Live) -> None:
    tab = tabs()
    tab.goto("/sign-in")
    sign_in(tab, "kilter_nonsense")
    expect(tab.page.get_by_role("alert")).to_contain_text("not known here")
    expect(tab.page.get_by_label("Your token")).to_have_value("")
    tab.shoot("sign-in-wrong-light")
    sign_in(tab, live.token("viewer"))
    expect(tab.page.get_by_role("heading", name="Projects")).to_be_visible()


def test_signing_in_leads_nowhere_else(tabs: Tabs, live: Live) -> None:
    """P2."""
    for wanted in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        tab = tabs()
        tab.page.goto(f"{live.url}/sign-in?next={wanted}")
        sign_in(tab, live.token("viewer"))
        assert tab.page.url == f"{live.url}/"


def test_revoking_a_token_ends_its_sessions(tabs: Tabs, live: Live) -> None:
    admin, other = live.token("admin", actor="root"), live.token("viewer", actor="mallory")
    theirs, ours = tabs(other), tabs(admin)
    theirs.goto("/")
    ours.goto("/account")
    row = ours.page.get_by_role("row").filter(has_text="mallory")
    row.get_by_text("Revoke…").click()
    ours.shoot("account-revoke-light")
    row.get_by_role("button", name="Revoke it now").click()
    expect(ours.page.get_by_role("row").filter(has_text="mallory")).to_have_count(0)
    theirs.goto("/")
    expect(theirs.page.get_by_role("heading", name="Sign in")).to_be_visible()
    ours.page.get_by_text("Revoke this token…").click()
    ours.page.get_by_role("button", name="Revoke it and sign out").click()
    expect(ours.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert live.run(lambda tx: tx.rows("SELECT id FROM tokens")) == []
    live.run(sessions.prune, clock.now())
    assert live.run(lambda tx: tx.rows("SELECT digest FROM sessions")) == []


def test_a_device_is_let_in_by_its_code(tabs: Tabs, live: Live) -> None:
    """DP-Q7."""
    code = live.api("POST", "/v1/device/codes", "", {"client_name": "kilter on <i>laptop</i>"})
    tab = tabs()
    tab.page.goto(code["verification_url"])
    sign_in(tab, live.token("deployer", "acme/*", actor="ann"))
    field = tab.page.get_by_label("The code that")
    expect(field).to_be_focused()
    field.fill("BBBB-BBBB")
    field.press("Enter")
    expect(tab.page.get_by_role("alert")).to_contain_text("No device waits")
    field.fill(code["user_code"].lower().replace("-", " "))
    field.press("Enter")
    expect(tab.page.get_by_role("status")).to_contain_text("kilter on <i>laptop</i> is now logged in as ann")
    tab.shoot("device-approved-light")
    token = live.api("POST", "/v1/device/tokens", "", {"device_code": code["device_code"]})["token"]
    who = live.api("GET", "/v1/whoami", token)
    assert (who["actor"], who["role"]) == ("ann", "deployer")


def test_an_environment_is_deleted_by_typing_its_name(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    tab = tabs(live.token("maintainer", "acme/*", actor="ann"))
    tab.goto("/projects/acme/shop/envs/staging")
    tab.page.get_by_role("link", name="Delete…").click()
    name = tab.page.get_by_label("Type acme/shop/staging to confirm")
    name.fill("acme/shop/stagin")
    tab.page.get_by_role("button", name="Delete this environment").click()
    expect(tab.page.get_by_role("alert")).to_have_text("confirm must be acme/shop/staging, letter for letter")
    expect(name).to_have_attribute("aria-invalid", "true")
    tab.shoot("delete-wrong-light")
    assert len(live.run(lambda tx: tx.rows("SELECT env FROM environments WHERE deleted_at IS NULL"))) == 7
    name.fill("acme/shop/staging")
    tab.page.get_by_role("button", name="Delete this environment").click()
    expect(tab.page.get_by_role("heading", name="Deletion of shop in staging")).to_be_visible()
    expect(tab.page.get_by_role("status")).to_have_text("staging is deleted.")
    tab.goto("/projects/acme/shop")
    expect(tab.page.locator("#environments tbody th")).to_have_count(2)


@pytest.mark.parametrize(
    ("role", "env", "offered"),
    [
        ("viewer", "staging", False),
        ("deployer", "staging", False),
        ("maintainer", "staging", True),
        ("maintainer", "prod", False),
        ("admin", "prod", True),
    ],
)
def test_nobody_is_offered_what_they_may_not_do(
    tabs: Tabs, live: Live, furnished: dict[str, str], role: str, env: str, offered: bool
) -> None:
    """DP-Q72. A page that is not offered refuses too, and so does the form behind it."""
    tab = tabs(live.token(role, "acme/*"))  # type: ignore[arg-type]
    path = f"/projects/acme/shop/envs/{env}"
    tab.goto(path)
    expect(tab.page.get_by_role("link", name="Delete…")).to_have_count(1 if offered else 0)
    assert tab.goto(f"{path}/delete").status == (200 if offered else 403)
    if not offered:
        tab.goto("/device")  # any page with a form word
        assert post(tab, f"{path}/delete", {"confirm": f"acme/shop/{env}"}) == 403
        tab.complaints.clear()
    assert live.run(lambda tx: tx.rows("SELECT env FROM environments WHERE deleted_at IS NOT NULL")) == []


def post(tab: Tab, path: str, fields: dict[str, str]) -> int:
    """Send a form by hand from the page that is open, with its form word; returns the status."""
    status = tab.page.evaluate(
        """async ([path, fields]) => {
            const word = document.querySelector("[name=form_word]").value;
            const body = new URLSearchParams({form_word: word, ...fields});
            return (await fetch(path, {method: "POST", body, redirect: "manual"})).status;
        }""",
        [path, fields],
    )
    assert isinstance(status, int)
    return status


def test_a_reader_sees_no_button_and_is_refused(tabs: Tabs, live: Live) -> None:
    deployer = live.token("deployer", "acme/*", actor="ann")
    live.applied(live.deploy(deployer, "acme", "shop", "dev"))
    waiting = live.deploy(deployer, "acme", "shop", "dev")
    tab = tabs(live.token("viewer", "acme/*"))
    tab.goto(f"/deploys/{waiting}")
    expect(tab.page.get_by_role("status")).to_contain_text("Queued")
    expect(tab.page.locator("main button")).to_have_count(0)
    tab.goto("/device")
    assert post(tab, f"/deploys/{waiting}/cancel", {}) == 403
    assert live.api("GET", f"/v1/deploys/{waiting}", deployer)["state"] == "queued"
    tab.complaints.clear()  # of the 403
    assert tab.goto("/audit").status == 403
    expect(tab.page.get_by_text("this needs the role admin")).to_be_visible()


def test_what_is_foreign_looks_like_what_is_missing(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    """S3, DP-Q73."""
    tab = tabs(live.token("admin", "acme/*"))
    foreign = live.run(lambda tx: tx.row("SELECT id FROM deploys WHERE org = 'globex'"))["id"]
    texts = []
    for path in (f"/deploys/{foreign}", "/deploys/dep-none", "/projects/globex/secret-plan", "/projects/acme/none"):
        assert tab.goto(path).status == 404
        texts.append(tab.page.locator("main").inner_text().rpartition("Request")[0])
    assert len(set(texts)) == 1
    tab.goto("/")
    expect(tab.page.locator("body")).not_to_contain_text("globex")


def test_the_way_to_a_release_needs_no_mouse(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    tab = tabs(live.token("viewer", "acme/*"))
    tab.goto("/")
    press, focused = tab.page.keyboard.press, tab.page.locator(":focus")
    press("Tab")
    expect(focused).to_have_text("Skip to content")
    tab.shoot("skip-link-light")
    press("Enter")
    for _ in range(30):
        press("Tab")
        if focused.inner_text() == "acme/shop":
            break
    outline = focused.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    tab.shoot("focus-light")
    press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("acme/shop")
    for _ in range(40):
        press("Tab")
        if focused.inner_text().startswith("Release"):
            break
    press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_contain_text("Release")
    expect(tab.page.get_by_role("navigation", name="Breadcrumbs")).to_be_visible()


def test_pages_have_one_of_what_readers_go_by(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    tab = tabs(live.token("admin"))
    for path in (
        "/",
        "/projects/acme/shop",
        "/projects/acme/shop/envs/prod",
        f"/deploys/{furnished['blog']}",
        "/audit",
    ):
        tab.goto(path)
        found = tab.page.evaluate(
            """() => ({
                main: document.querySelectorAll("main").length,
                h1: document.querySelectorAll("h1").length,
                unnamed: [...document.querySelectorAll("a, button, input:not([type=hidden]), select")].filter(
                    (each) => !(each.innerText || "").trim() && !each.getAttribute("aria-label") && !each.labels?.length
                ).length,
                captions: [...document.querySelectorAll("table:not([aria-hidden] *)")].every((each) => each.caption),
                scopes: [...document.querySelectorAll("th:not([aria-hidden] *)")].every((cell) => cell.scope),
                ids: new Set([...document.querySelectorAll("[id]")].map((each) => each.id)).size
                    === document.querySelectorAll("[id]").length,
                lang: document.documentElement.lang,
            })"""
        )
        assert found == {
            "main": 1, "h1": 1, "unnamed": 0, "captions": True, "scopes": True, "ids": True, "lang": "en",
        }, path  # fmt: skip


def test_a_token_that_is_over_ends_the_session(tabs: Tabs, live: Live) -> None:
    token = live.token("viewer")
    tab = tabs(token)
    tab.goto("/")
    live.run(lambda tx: tx.execute("UPDATE tokens SET expires_at = ?", clock.now()))
    tab.goto("/account")
    expect(tab.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert live.run(tokens.listed)
