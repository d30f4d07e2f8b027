"""What happens while somebody looks: the timeline moves, logs come in, a deploy waits and is cancelled."""

import re
from collections.abc import Callable
from pathlib import Path

from browser.conftest import Tab, Tabs
from browser.live import Live
from browser.scenery import condition
from playwright.sync_api import Browser, expect

from kilter.api.kilterapp_status import Failure, Release

IMAGE = "registry.example.com/acme/shop@sha256:" + "a" * 64


def test_the_timeline_of_a_deploy_moves_without_being_loaded_again(tabs: Tabs, live: Live) -> None:
    token = live.token("deployer", actor="ann")
    deploy_id = live.deploy(token, "acme", "shop", "dev")
    name = live.applied(deploy_id)
    tab = tabs(token)
    tab.goto(f"/deploys/{deploy_id}")
    tab.page.evaluate("window.isTheSame = true; document.getElementById('sentence').isTheSame = true")
    steps = tab.page.locator(".timeline .phase")
    expect(steps).to_have_text(["Pending"])
    live.report(name, phase="Publishing")
    expect(steps).to_have_text(["Pending", "Publishing"])
    live.report(name, phase="RollingOut", conditions=(condition("1 of 2 pods are ready"),))
    expect(steps).to_have_text(["Pending", "Publishing", "RollingOut"])
    sentence = tab.page.get_by_role("status")
    expect(sentence).to_have_text("RollingOut: 1 of 2 pods are ready")
    expect(tab.page.locator(".timeline [aria-current=step] .phase")).to_have_text("RollingOut")
    tab.shoot("deploy-running-light")
    release = Release(number=1, image=IMAGE, deploy_id=deploy_id)
    live.report(name, phase="Ready", release=release, url="https://shop-dev.apps.example.com")
    expect(sentence).to_have_text(re.compile(r"Release 1 answered at \S+ \S+ UTC\."))
    expect(tab.page.locator(".title .badge")).to_have_text("done")
    expect(tab.page.locator("[data-since]")).to_have_count(0)
    same = "[window.isTheSame, document.getElementById('sentence').isTheSame]"
    assert tab.page.evaluate(same) == [True, True], "the live region must stay the same element to be heard"


def test_a_failure_is_told_as_it_happens(tabs: Tabs, live: Live) -> None:
    token = live.token("deployer", actor="ann")
    deploy_id = live.deploy(token, "acme", "shop", "dev")
    name = live.applied(deploy_id)
    tab = tabs(token, phone=True)
    tab.goto(f"/deploys/{deploy_id}")
    failure = Failure(phase="RollingOut", reason="ImagePullBackOff", message="the image cannot be pulled")
    live.report(name, phase="Failed", failure=failure)
    expect(tab.page.get_by_role("status")).to_have_text("Failed while RollingOut: the image cannot be pulled")
    expect(tab.page.get_by_text("ImagePullBackOff")).to_be_visible()
    expect(tab.page.locator(".title .badge")).to_have_text("failed")


def test_news_that_could_not_be_fetched_is_fetched_later(tabs: Tabs, live: Live) -> None:
    token = live.token("deployer", actor="ann")
    deploy_id = live.deploy(token, "acme", "shop", "dev")
    name = live.applied(deploy_id)
    tab = tabs(token)
    tab.goto(f"/deploys/{deploy_id}")
    expect(tab.page.locator(".timeline .phase")).to_have_text(["Pending"])
    tab.page.context.set_offline(True)
    live.report(name, phase="Publishing")
    tab.page.wait_for_timeout(300)
    tab.page.context.set_offline(False)
    expect(tab.page.locator(".timeline .phase")).to_have_text(["Pending", "Publishing"], timeout=15000)
    tab.complaints.clear()  # of being offline


def test_what_a_gateway_without_a_server_answers_takes_nothing_off_a_page(tabs: Tabs, live: Live) -> None:
    """While the server is replaced; the stream of a deploy is opened again too, which browsers do not do then."""
    token = live.token("deployer", actor="ann")
    deploy_id = live.deploy(token, "acme", "shop", "dev")
    name = live.applied(deploy_id)
    tab = tabs(token)
    away: list[str | Callable[[str], bool]] = ["**/events?*", lambda url: url.endswith(f"/deploys/{deploy_id}")]
    tab.page.route(away[0], lambda route: route.fulfill(status=503, body="no available server"))
    tab.goto(f"/deploys/{deploy_id}")
    tab.page.route(away[1], lambda route: route.fulfill(status=503, body="no available server"))
    tab.page.wait_for_timeout(500)
    steps = tab.page.locator(".timeline .phase")
    expect(steps).to_have_text(["Pending"])
    for each in away:
        tab.page.unroute(each)
    live.report(name, phase="Publishing")
    expect(steps).to_have_text(["Pending", "Publishing"], timeout=15000)
    live.report(name, phase="RollingOut")
    expect(steps).to_have_text(["Pending", "Publishing", "RollingOut"], timeout=15000)
    tab.complaints.clear()  # of 503


def test_lines_that_cannot_be_followed_stay_as_they_are(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    live.cluster.lines = ["shop-1 first", "shop-2 second"]
    tab = tabs(live.token("viewer"))
    tab.page.route("**/logs/stream?*", lambda route: route.fulfill(status=429))
    tab.goto("/projects/acme/shop/envs/dev/logs")
    follow = tab.page.get_by_role("button", name="Follow")
    follow.click()
    expect(tab.page.locator("#log-state")).to_have_text("The lines cannot be followed right now; try again later.")
    expect(tab.page.locator("#log p")).to_have_count(2)
    expect(follow).to_have_attribute("aria-pressed", "false")
    tab.complaints.clear()  # of 429


def test_who_waits_sees_for_whom_and_may_cancel(tabs: Tabs, live: Live) -> None:
    ann, bob = live.token("deployer", actor="ann"), live.token("deployer", actor="bob")
    first = live.deploy(ann, "acme", "shop", "dev")
    name = live.applied(first)
    second = live.deploy(bob, "acme", "shop", "dev")
    tab = tabs(bob)
    tab.goto(f"/deploys/{second}")
    sentence = tab.page.get_by_role("status")
    expect(sentence).to_have_text("Queued: one deploy is before it; ann's is at work (Pending).")
    tab.shoot("deploy-queued-light")
    tab.page.get_by_role("button", name="Cancel this deploy").click()
    expect(sentence).to_have_text("bob cancelled it while it was queued")
    expect(tab.page.get_by_role("button", name="Cancel this deploy")).to_have_count(0)
    entry = live.api("GET", f"/v1/audit?deploy_id={second}&action=deploy-cancel", live.token())["entries"][0]
    assert (entry["actor"], entry["status"]) == ("bob", 202)
    assert live.cluster.objects[name].spec.deploy_id == first


def test_a_stale_page_that_cancels_too_late_is_told_so(tabs: Tabs, live: Live) -> None:
    """P4."""
    token = live.token("deployer", actor="ann")
    first = live.deploy(token, "acme", "shop", "dev")
    name = live.applied(first)
    second = live.deploy(token, "acme", "shop", "dev")
    tab = tabs(token, java_script_enabled=False)
    tab.goto(f"/deploys/{second}")
    live.report(name, phase="Reconciling")
    live.applied(second)
    with tab.page.expect_navigation() as leaving:
        tab.page.get_by_role("button", name="Cancel this deploy").click()
    assert leaving.value is not None
    assert leaving.value.status == 409
    expect(tab.page.get_by_text("only a queued deploy can be cancelled")).to_be_visible()


def test_logs_are_followed_line_by_line(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    live.cluster.lines = ["shop-1 first", "shop-2 second"]
    tab = tabs(live.token("viewer"))
    tab.goto("/projects/acme/shop/envs/dev/logs")
    lines = tab.page.locator("#log p")
    expect(lines).to_have_text(["shop-1 first", "shop-2 second"])
    follow = tab.page.get_by_role("button", name="Follow")
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(lines).to_have_count(2)
    live.print_line("shop-1 third")
    live.print_line("shop-1 <b onclick=alert(1)>fourth</b> \x1b[31m")
    expect(lines).to_have_text([*["shop-1 first", "shop-2 second", "shop-1 third"], re.compile("<b onclick.*␛")])
    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "false")


def test_of_very_many_lines_the_last_ones_are_kept(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    """P3."""
    tab = tabs(live.token("viewer"))
    tab.goto("/projects/acme/shop/envs/dev/logs")
    tab.page.get_by_role("button", name="Follow").click()
    for number in range(10_000):
        live.print_line(f"shop-1 line {number}")
    lines = tab.page.locator("#log p")
    expect(lines.last).to_have_text("shop-1 line 9999", timeout=15000)
    expect(lines).to_have_count(2000)
    expect(lines.first).to_have_text("shop-1 line 8000")
    at_end = tab.page.evaluate("(box => box.scrollHeight - box.scrollTop - box.clientHeight < 40)(log)")
    assert at_end, "who looks at the end stays there"


def held(tab: Tab, browser: Browser) -> int:
    """Return how many MiB the largest of the browser's tabs holds, without what is to be given back anyway."""
    tab.page.context.new_cdp_session(tab.page).send("HeapProfiler.collectGarbage")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [Path(f"/proc/{each['id']}/status").read_text() for each in processes if each["type"] == "renderer"]
    return max(int(re.findall(r"VmRSS:\s+(\d+) kB", text)[0]) for text in pages) // 1024


def test_a_tab_stays_small_whatever_the_pods_print(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    """P3: 300 MB; the rows of all these lines would be more."""
    tab = tabs(live.token("viewer"))
    tab.goto("/projects/acme/shop/envs/dev/logs")
    hostile = "<b onclick=alert(1)>\x1b[31m" * 3
    live.cluster.lines = [f"shop-1 {hostile} {number}" for number in range(100_000)]
    tab.page.get_by_role("button", name="Follow").click()
    lines = tab.page.locator("#log p")
    expect(lines.last).to_have_text(re.compile(" 99999$"), timeout=120_000)
    expect(lines).to_have_count(2000)
    assert held(tab, tabs.browser) < 300


def test_tiles_are_found_by_typing(tabs: Tabs, live: Live, furnished: dict[str, str]) -> None:
    tab = tabs(live.token("viewer", "acme/*"))
    tab.goto("/")
    expect(tab.page.locator(".tile")).to_have_count(4)
    tab.page.get_by_label("Find a project").type("mail")
    expect(tab.page.locator(".tile h2")).to_have_text(["acme/mailer"])
    expect(tab.page.get_by_role("status")).to_have_text("1 project shown.")
