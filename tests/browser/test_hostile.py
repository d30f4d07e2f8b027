"""What others wrote is text: names, messages, addresses, lines of logs (P1, P3)."""

import pytest
from browser.conftest import Tab, Tabs
from browser.live import Live
from browser.scenery import Past, record, say
from playwright.sync_api import expect

from kilter.api.kilterapp_status import Failure, Release, Workload
from kilter.render.names import Slot
from kilter.server import clock
from kilter.server.store import audit, deploys
from kilter.server.store.audit import Attempt
from kilter.server.store.engine import Tx

CORPUS = (
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "\"><svg onload='window.hit = 1'>",
    "'-window.hit=1-'",
    "{{ 7 * 7 }}{% include 'base.html' %}",
    "</pre></title></textarea><script>window.hit = 1</script>",
    "<a hx-get='/audit' hx-trigger='load'>x</a>",
    "<b hx-on:click='window.hit = 1' hx-trigger='load[window.hit=1]'>x</b>",
    "\u202etxt.exe\u0000\u001b[31m",
    "<style>body{display:none}</style>",
    "javascript:window.hit=1",
)
ALL = " ".join(CORPUS)
SHOP = Slot("acme", "shop", "dev")


def poison(tx: Tx, now: int) -> str:
    failure = Failure(phase="RollingOut", reason=ALL, message=ALL, object=ALL, log_tail=CORPUS)
    more = {
        "warnings": CORPUS,
        "url": "javascript:window.hit=1",
        "internal_url": "data:text/html,<script>window.hit=1</script>",
        "workloads": (Workload(name=ALL, desired=1),),
    }
    record(tx, Past(SHOP, 2, actor=CORPUS[1]), now)
    deploy_id = record(tx, Past(SHOP, 1, actor=CORPUS[1], failure=failure, more=more), now)
    release = Release(number=2, image=ALL, deploy_id=ALL, commit=ALL, at=clock.to_datetime(now))
    say(tx, deploys.found(tx, deploy_id), "Failed", now, failure=failure, release=release, **more)
    for number, word in enumerate(CORPUS):
        audit.begin(tx, Attempt(f"aud-{number}", now, word, "t", word, "r", word, word, word))
    tx.execute("UPDATE deploys SET actor = ?, url = ?", ALL, "javascript:window.hit=1")
    return deploy_id


def inert(tab: Tab) -> None:
    """Look for anything of it that came alive."""
    tab.page.wait_for_timeout(100)
    assert tab.page.evaluate("window.hit") is None
    found = tab.page.evaluate(
        """() => [...document.querySelectorAll("main *")].flatMap((each) => [...each.attributes])
            .filter((each) => each.name.startsWith("on") || each.name.startsWith("hx-on")
                || (["href", "src", "action", "formaction"].includes(each.name)
                    && /^\\s*(javascript|data):/i.test(each.value)))
            .map((each) => each.name + "=" + each.value)"""
    )
    assert found == []
    alive = tab.page.locator(
        "main script, main img, main style, main iframe, main svg[onload], main [hx-trigger^=load]"
    )
    assert alive.count() == 0


def test_foreign_text_is_text_on_every_page(tabs: Tabs, live: Live) -> None:
    deploy_id = live.run(poison, clock.now())
    live.cluster.lines = [f"pod {word}" for word in CORPUS] + ["pod\r\x1b]0;x\x07"]
    tab = tabs(live.token("admin", actor=CORPUS[1]))
    env = "/projects/acme/shop/envs/dev"
    for path in ("/", "/projects/acme/shop", env, f"{env}/logs", f"/deploys/{deploy_id}", "/audit", "/account"):
        assert tab.goto(path).status == 200, path
        inert(tab)
    tab.goto(f"/deploys/{deploy_id}")
    for word in CORPUS[:8]:
        expect(tab.page.get_by_role("status")).to_contain_text(word)
    tab.shoot("hostile-light")


@pytest.mark.parametrize("word", CORPUS)
def test_foreign_text_in_an_address_is_text(tabs: Tabs, live: Live, word: str) -> None:
    from urllib.parse import quote

    tab = tabs(live.token("admin"))
    quoted = quote(word, safe="")
    for path in (f"/?q={quoted}", f"/audit?actor={quoted}", f"/sign-in?next={quoted}", f"/deploys/{quoted}"):
        assert tab.goto(path).status in (200, 404, 422), path
        inert(tab)


def test_foreign_text_that_comes_while_somebody_looks_is_text(tabs: Tabs, live: Live) -> None:
    token = live.token("deployer", actor="ann")
    deploy_id = live.deploy(token, "acme", "shop", "dev")
    live.applied(deploy_id)
    tab = tabs(token)
    tab.goto(f"/deploys/{deploy_id}")
    failure = Failure(phase="RollingOut", reason="Bad", message=ALL, log_tail=CORPUS)

    def fail(tx: Tx) -> None:
        say(tx, deploys.found(tx, deploy_id), "Failed", clock.now(), failure=failure)

    live.run(fail)
    live.loop.call_soon_threadsafe(live.app.state.services.hub.tell, [deploy_id])
    expect(tab.page.get_by_role("status")).to_contain_text(CORPUS[0])
    inert(tab)


def test_a_form_of_another_place_is_refused(tabs: Tabs, live: Live) -> None:
    """S14: the browser sends no cookie with it, and where it would, says where it comes from."""
    tab = tabs(live.token("admin"))
    other = f"http://localhost:{live.socket.getsockname()[1]}"  # another site to the browser, the same server
    tab.page.goto(f"{other}/sign-in")
    tab.page.evaluate(
        """(url) => {
            const form = document.createElement("form");
            Object.assign(form, {method: "post", action: url});
            document.body.append(form);
        }""",
        f"{live.url}/sign-out",
    )
    tab.page.evaluate("document.forms[document.forms.length - 1].submit()")
    tab.page.wait_for_timeout(300)
    tab.goto("/")
    expect(tab.page.get_by_role("heading", name="Projects")).to_be_visible()
    assert any("form-action" in complaint for complaint in tab.complaints), "our own pages send forms to nobody else"
    tab.complaints.clear()


def test_the_policy_stops_what_would_still_run(tabs: Tabs, live: Live) -> None:
    tab = tabs(live.token("viewer"))
    tab.goto("/")
    tab.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.hit = 1";
            document.body.append(script);
            document.body.setAttribute("style", "display: none");
        }"""
    )
    assert tab.page.evaluate("window.hit") is None
    expect(tab.page.get_by_role("heading", name="Projects")).to_be_visible()
    assert len(tab.complaints) == 2
    tab.complaints.clear()
