"""Words and figures on the pages, and the files that are served with them."""

import hashlib
import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from unit.server.orders import IMAGE, SHOP, order, reported
from unit.server.portal.conftest import signed_in
from unit.server.web import DEPLOY, Web

from kilter.api.access import AuditEntry
from kilter.api.deploys import Deploy, Holder, Queue, Step
from kilter.api.kilterapp_status import Failure, Release, Status, Workload
from kilter.api.words import PHASES, DeployState, Phase, Role
from kilter.server.portal import deploys, look, static, trail
from kilter.server.portal import logs as portal_logs
from kilter.server.portal.visit import BY_NAME, Visit
from kilter.server.refusals import Refused, not_found
from kilter.server.routes import audit as audit_routes
from kilter.server.store import audit, environments, events, progress
from kilter.server.store import deploys as store

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOURCE = {"commit": "a" * 40, "dirty": False}


def deploy(**changes: Any) -> Deploy:
    fixed: dict[str, Any] = {
        "deploy_id": "dep-1", "org": "acme", "app": "shop", "env": "dev", "operation": "deploy", "sequence": 7,
        "release": 7, "state": "running", "phase": "Publishing", "steps": (), "actor": "ann", "image": None,
        "source": None, "url": "https://shop.example.com", "failure": None, "superseded_by": None, "queue": None,
        "created_at": NOON, "finished_at": None,
    }  # fmt: skip
    return Deploy(**(fixed | changes))


HOLDER = Holder(deploy_id="dep-0", actor="bob", phase="Publishing", since=NOON)
FAILURE = Failure(phase="RollingOut", reason="Bad", message="it does not start")


@pytest.mark.parametrize(
    ("found", "awaited", "sentence"),
    [
        (deploy(), "", "Publishing."),
        (deploy(), "waiting for Git", "Publishing: waiting for Git"),
        (deploy(state="queued", queue=Queue(position=0, holder=None)), "", "It is next."),
        (
            deploy(state="queued", queue=Queue(position=2, holder=HOLDER)),
            "",
            "Queued: 2 deploys are before it; bob's is at work (Publishing).",
        ),
        (deploy(state="done", finished_at=NOON), "", "Release 7 answered at 2026-06-01 12:00:00 UTC."),
        (deploy(state="done", finished_at=NOON, url=None), "", "Release 7 became ready at 2026-06-01 12:00:00 UTC."),
        (deploy(state="done", operation="delete", release=None), "", "dev is deleted."),
        (deploy(state="failed", failure=FAILURE), "x", "Failed while RollingOut: it does not start"),
        (deploy(state="canceled", failure=FAILURE), "", "it does not start"),
        (deploy(state="superseded"), "", "A newer deploy took its place."),
    ],
)
def test_how_a_deploy_is_is_said_in_one_sentence(found: Deploy, awaited: str, sentence: str) -> None:
    assert deploys.sentence(found, awaited) == sentence


def test_the_timeline_is_on_one_scale() -> None:
    at = [NOON + timedelta(seconds=seconds) for seconds in (0, 10, 10, 40)]
    steps = (
        Step(phase="Pending", started_at=at[0], finished_at=at[1]),
        Step(phase="Publishing", started_at=at[1], finished_at=at[2]),
        Step(phase="RollingOut", started_at=at[2], finished_at=None),
    )
    found = deploys.bars(deploy(steps=steps), at[3])
    assert [(bar.left, bar.width, bar.seconds) for bar in found] == [(0, 25, 10), (25, 1, 0), (25, 75, 30)]
    assert [bar.is_over for bar in found] == [True, True, False]
    assert deploys.bars(deploy(), at[3]) == []
    assert all(bar.left + bar.width <= 100 for bar in deploys.bars(deploy(steps=steps), NOON - timedelta(days=1)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\x1b[31mb", "a␛[31mb"), ("a\tb\n", "a\tb\n"), ("\u202egnp", "\ufffdgnp"), ("\r", "␍")],
)
def test_what_a_terminal_would_obey_is_seen(text: str, shown: str) -> None:
    """P3."""
    assert look.shown(text) == shown


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil", "", None, "http://[", "HTTPS", "https:x"]
)
def test_only_web_addresses_become_links(url: str | None) -> None:
    """P1."""
    assert not look.web(url)
    assert "<a" not in link(url)
    assert ">shop.example.com/?from=http://x</a>" in link("https://shop.example.com/?from=http://x")


def link(url: str | None) -> str:
    """Return what a page has of an address."""
    return look.environment().from_string('{% import "parts.html" as parts %}{{ parts.link(url) }}').render(url=url)


def test_the_name_of_who_is_signed_in_turns_nothing_around(portal: Web) -> None:
    """P3."""
    page = signed_in(portal, portal.token("viewer", actor="\u202enna")).get("/account").text
    assert "\u202e" not in page
    assert page.count("\ufffdnna") == 2


def test_moments_and_every_word_have_a_look() -> None:
    ages = {0: "just now", 59: "just now", 60: "1 min ago", 3599: "59 min ago", 7200: "2 h ago", 200000: "2 d ago"}
    assert {seconds: look.ago(NOON, NOON + timedelta(seconds=seconds)) for seconds in ages} == ages
    assert look.ago(NOON, NOON - timedelta(hours=1)) == "just now", "clocks differ"
    ends = {"good": {"Ready", "done"}, "bad": {"Failed", "failed"}, "past": {"canceled", "superseded"}}
    words = {*PHASES, *get_args(DeployState)}
    assert {tone: {word for word in words if look.tone(word) == tone} for tone in ends} == ends


def test_files_are_kept_by_their_content_and_only_those_that_there_are(portal: Web) -> None:
    address = static.address("portal.css")
    reply = portal.get(address)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert portal.get("/static/portal.css").headers["cache-control"] == "no-cache"
    for path in ("/static/../door.py", "/static/%2e%2e/door.py", "/static//etc/passwd", "/static/", "/static/x.css"):
        assert portal.get(path).status == 404


def test_files_of_others_are_as_they_were_published() -> None:
    folder = static.FOLDER / "vendor"
    notice = (folder / "NOTICE.txt").read_text()
    said = dict(re.findall(r"^  (\S+\.(?:js|css)) .*(?:\n  \S.*)*?\n  sha256 (\w+)$", notice, re.MULTILINE))
    present = {file.name for file in folder.iterdir() if file.suffix in (".js", ".css")}
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in present} == said
    assert {"htmx.LICENSE", "uPlot.LICENSE"} <= {file.name for file in folder.iterdir()}


def test_lines_are_shown_of_the_workloads_that_the_page_offers_and_of_no_others(web: Web) -> None:
    """LC-Q32."""
    app = {
        **DEPLOY["app"],
        "processes": {"worker": {"command": ["work"]}},
        "services": [{"name": "cache", "kind": "postgres"}],
    }
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), {**DEPLOY, "app": app})
    browser = signed_in(web, web.token("viewer"))
    for process in ("", "shop", "worker", "shop-worker"):
        page = browser.get(f"/projects/acme/shop/envs/dev/logs?process={process}&since=&lines=200")
        assert (page.status, "have printed nothing yet" in page.text) == (200, True)
    assert "have printed nothing in the last 5m" in browser.get("/projects/acme/shop/envs/dev/logs?since=5m").text
    workloads = tuple(Workload(name=name, desired=1) for name in ("shop", "shop-worker", "cache"))
    record = web.run(store.latest, SHOP)
    assert record is not None
    release = Release(number=1, image=IMAGE, deploy_id=record.id)
    web.run(environments.record_status, SHOP, Status(phase="Ready", release=release, workloads=workloads), web.now)
    offered = browser.get("/projects/acme/shop/envs/dev/logs").text
    assert [f">{each.name}</option>" in offered for each in workloads] == [True, True, False], (
        "a service has no logs here"
    )
    refused = browser.get("/projects/acme/shop/envs/dev/logs?process=wrker")
    assert refused.status == 422
    assert "has no process &#39;wrker&#39;; did you mean &#39;worker&#39;?" in refused.text


@pytest.mark.parametrize(("lines", "size"), [(2, 10**6), (10**6, 22)])
def test_a_page_shows_the_last_lines_and_keeps_no_others(
    web: Web, monkeypatch: pytest.MonkeyPatch, lines: int, size: int
) -> None:
    """P3."""
    monkeypatch.setattr(portal_logs, "SHOWN", lines)
    monkeypatch.setattr(portal_logs, "SHOWN_SIZE", size)
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    web.run(environments.record_status, SHOP, Status(namespace="acme-shop-dev"), web.now)
    web.cluster.lines = [f"shop-1 {word}" for word in ("first", "then", "last")]
    page = signed_in(web, web.token("viewer")).get("/projects/acme/shop/envs/dev/logs")
    assert ("The last 2 lines." in page.text, "first</bdi>" in page.text) == (True, False)
    assert page.text.index("then</bdi>") < page.text.index("last</bdi>")


def test_pages_work_without_script(web: Web) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    held = web.run(store.latest, SHOP)
    web.run(store.accept, order(), web.now)
    waiting = web.run(store.latest, SHOP)
    assert waiting.sequence == held.sequence + 1
    browser = signed_in(web, web.token("maintainer", actor="ann"))
    page = browser.get(f"/deploys/{waiting.id}")
    assert "Cancel this deploy" in page.text
    assert browser.post(f"/deploys/{waiting.id}/cancel").headers["location"] == f"/deploys/{waiting.id}"
    assert "ann cancelled it while it was queued" in browser.get(f"/deploys/{waiting.id}").text
    assert browser.post(f"/deploys/{waiting.id}/cancel").status == 409
    asked = browser.get("/projects/acme/shop/envs/dev/delete").text
    assert all(word in asked for word in ("pods", "Secrets", "volumes", "database")), "what goes is said first"
    wrong = browser.post("/projects/acme/shop/envs/dev/delete", {"confirm": "dev", "database": "keep"})
    assert (wrong.status, "letter for letter" in wrong.text) == (422, True)
    for kept in ('name="confirm"', 'value="dev"', 'value="keep" checked'):
        assert kept in wrong.text, "the form is there again, as it was filled in"
    refused = browser.post("/projects/acme/shop/envs/dev/delete", {"confirm": "acme/shop/dev"})
    assert (refused.status, 'name="confirm"' in refused.text) == (409, False)


@pytest.mark.parametrize(
    ("role", "env", "offered"),
    [
        ("viewer", "dev", False),
        ("deployer", "dev", False),
        ("maintainer", "dev", True),
        ("maintainer", "prod", False),
        ("admin", "prod", True),
    ],
)
def test_the_form_of_a_deletion_is_for_who_may_send_it(web: Web, role: Role, env: str, offered: bool) -> None:
    """DP-Q72."""
    path = f"/projects/acme/shop/envs/{env}"
    reply = web.post(f"/v1{path}/deploys", web.token("maintainer"), {**DEPLOY, "source": SOURCE})
    assert reply.status == 202, reply.text
    browser = signed_in(web, web.token(role))
    assert (f'href="{path}/delete"' in browser.get(path).text) is offered
    assert browser.get(f"{path}/delete").status == (200 if offered else 403)


def test_a_deploy_shows_what_was_said_of_it(web: Web) -> None:
    path, source = "/v1/projects/acme/shop/envs/dev/deploys", {**SOURCE, "message": "New <b>greeting</b>"}
    accepted = web.post(path, web.token("deployer"), {**DEPLOY, "source": source}).json
    page = signed_in(web, web.token("viewer")).get(f"/deploys/{accepted['deploy_id']}").text
    assert "<dt>Message</dt><dd><bdi>New &lt;b&gt;greeting&lt;/b&gt;</bdi></dd>" in page


@pytest.mark.parametrize("typed", ["{}", " {} "])
def test_the_code_of_a_device_is_taken_as_people_type_it(web: Web, typed: str) -> None:
    code = web.post("/v1/device/codes", "", {"client_name": "laptop"}).json
    browser = signed_in(web, web.token("viewer", actor="ann"))
    browser.get("/device")
    unknown = browser.post("/device", {"code": "XXXX-XXXX"})
    assert (unknown.status, "No device waits with this code" in unknown.text) == (404, True)
    written = typed.format(code["user_code"].lower().replace("-", " "))
    approved = browser.post("/device", {"code": written})
    assert "<bdi>laptop</bdi></strong> is now logged in as <bdi>ann</bdi>" in approved.text
    assert web.post("/v1/device/tokens", "", {"device_code": code["device_code"]}).status == 200


def test_a_project_shows_the_deploys_of_all_its_environments_newest_first(web: Web) -> None:
    for env in ("dev", "pr-1", "dev", "pr-1"):
        web.now += 60_000_000
        web.post(f"/v1/projects/acme/shop/envs/{env}/deploys", web.token("deployer"), DEPLOY)
    page = signed_in(web, web.token("viewer")).get("/projects/acme/shop").text
    assert re.findall(r'class="unseen"> of ([\w-]+)<', page) == ["pr-1", "dev", "pr-1", "dev"]


def test_an_environment_leads_to_its_older_deploys_and_back_to_the_newest(web: Web) -> None:
    path = "/projects/acme/shop/envs/dev"
    for _ in range(2):
        web.post(f"/v1{path}/deploys", web.token("deployer"), DEPLOY)
    browser = signed_in(web, web.token("viewer"))
    newest, newest_of_all = browser.get(f"{path}?limit=1").text, f'<a href="{path}">Newest</a>'
    older = re.search(r'href="([^"]+)">Older', newest)
    assert older is not None
    assert newest_of_all not in newest
    assert newest_of_all in browser.get(html.unescape(older[1])).text


@pytest.mark.parametrize(("refusal", "status"), [(not_found(), 200), (Refused("forbidden", "not any more"), 403)])
def test_a_project_is_shown_though_one_of_its_environments_has_just_gone(
    web: Web, monkeypatch: pytest.MonkeyPatch, refusal: Refused, status: int
) -> None:
    for env in ("dev", "pr-1"):
        web.post(f"/v1/projects/acme/shop/envs/{env}/deploys", web.token("deployer"), DEPLOY)
    browser = signed_in(web, web.token("viewer"))
    real = Visit.document

    async def document(visit: Visit, kind: Any, name: str, path: Any = None, **more: Any) -> Any:
        if name.endswith("/envs/{env}/deploys") and path["env"] == "pr-1":
            raise refusal
        return await real(visit, kind, name, path, **more)

    monkeypatch.setattr(Visit, "document", document)
    page = browser.get("/projects/acme/shop")
    assert page.status == status
    assert re.findall(r'class="unseen"> of ([\w-]+)<', page.text) == (["dev"] if status == 200 else [])


def test_how_long_a_deploy_takes_is_told_by_those_that_came_to_a_good_end(web: Web) -> None:
    path = "/v1/projects/acme/shop/envs/dev/deploys"
    for _ in range(3):
        web.post(path, web.token("deployer"), DEPLOY)
    waiting = web.run(store.latest, SHOP)
    held = web.run(progress.claim, web.now)
    web.now += 60_000_000
    web.run(store.cancel, waiting.id, "ann", web.now)
    browser = signed_in(web, web.token("viewer"))
    assert "data-took" not in browser.get("/projects/acme/shop").text
    ready = reported("acme-shop-dev", SHOP, held.id, held.sequence, "Ready")
    web.run(progress.observe, ready, web.settings.cluster_domain, web.now)
    assert re.findall(r'data-took="([\d.]+)"', browser.get("/projects/acme/shop").text) == ["60.0"]


@pytest.mark.parametrize(("enforced", "told"), [(None, False), (True, False), (False, True)])
def test_that_no_network_policy_is_enforced_is_said_where_that_is_known(
    web: Web, enforced: bool | None, told: bool
) -> None:
    """DP-Q57."""
    web.services.policies.enforced = enforced
    assert ("enforces no network policies" in signed_in(web, web.token("viewer")).get("/").text) is told


@pytest.mark.parametrize(("role", "offered"), [("viewer", False), ("deployer", True)])
def test_taking_a_deploy_out_of_the_queue_is_offered_to_who_may_deploy(web: Web, role: Role, offered: bool) -> None:
    """DP-Q72."""
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    waiting = web.run(store.latest, SHOP)
    assert ("Cancel this deploy" in signed_in(web, web.token(role)).get(f"/deploys/{waiting.id}").text) is offered
    web.run(progress.claim, web.now)
    assert "Cancel this deploy" not in signed_in(web, web.token(role)).get(f"/deploys/{waiting.id}").text, "too late"


@pytest.mark.parametrize(
    ("status", "code", "result"),
    [
        (0, None, ("no answer", "bad")),
        (202, None, ("done", "good")),
        (403, "forbidden", ("forbidden", "past")),
        (422, "wrong_confirmation", ("wrong confirmation", "past")),
        (503, "unavailable", ("unavailable", "bad")),
        (500, None, ("500", "bad")),
    ],
)
def test_what_became_of_a_call_is_said_in_words(status: int, code: str | None, result: tuple[str, str]) -> None:
    """DP-Q74."""
    entry = AuditEntry(
        id="aud-1", at=NOON, actor="ann", token_id="tok", action="deploy", project=None, env=None, deploy_id=None,
        status=status, code=code, overrides=(), request_id="req-1",
    )  # fmt: skip
    assert trail.outcome(entry) == result


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(("chosen", "told"), [("keep", "keep"), ("drop", "drop"), ("", "drop"), (None, "drop")])
def test_a_delete_that_is_accepted_leads_to_where_it_is_followed(web: Web, chosen: str | None, told: str) -> None:
    """And does with the database what was chosen; that of an ephemeral environment goes where nothing was."""
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    web.run(store.cancel, web.run(store.latest, SHOP).id, "ann", web.now)
    browser = signed_in(web, web.token("maintainer"))
    fields = {"confirm": "acme/shop/dev"} | ({} if chosen is None else {"database": chosen})
    reply = browser.post("/projects/acme/shop/envs/dev/delete", fields)
    ending = web.run(store.latest, SHOP)
    assert (ending.operation, ending.spec.database_on_delete) == ("delete", told)
    assert (reply.status, reply.headers.get("location")) == (303, f"/deploys/{ending.id}")


def test_of_a_deletion_that_fails_it_is_said_to_delete_again_and_not_to_deploy(web: Web) -> None:
    token = web.token("maintainer")
    web.post("/v1/projects/acme/shop/envs/dev/deploys", token, DEPLOY)
    web.run(store.cancel, web.run(store.latest, SHOP).id, "ann", web.now)
    assert web("DELETE", "/v1/projects/acme/shop/envs/dev", token, json={"confirm": "acme/shop/dev"}).status == 202
    ending = web.run(progress.claim, web.now)
    failure = Failure(phase=ending.phase, reason="Conflict", message="it was made anew")
    web.run(progress.refused, ending.id, failure, web.now)
    page = signed_in(web, token).get(f"/deploys/{ending.id}").text
    assert "The environment is still there; mend it and delete it again." in page
    assert "kilter deploy" not in page


def test_on_its_way_out_an_environment_says_what_it_waits_for_and_not_to_deploy(web: Web) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    failure = Failure(phase="Deleting", reason="NoFlux", message="Flux is gone")
    release = Release(number=1, image=IMAGE, deploy_id="dep-1")
    web.run(environments.record_status, SHOP, Status(phase="Deleting", failure=failure, release=release), web.now)
    page = signed_in(web, web.token("viewer")).get("/projects/acme/shop/envs/dev").text
    assert "Failed while Deleting: Flux is gone" in page
    assert "kilter deploy" not in page


def test_the_stream_goes_on_from_what_the_page_shows(web: Web) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    held = web.run(store.latest, SHOP)
    web.run(store.cancel, held.id, "ann", web.now)
    browser = signed_in(web, web.token("viewer"))
    whole = browser.get(f"/deploys/{held.id}/events", accept="text/event-stream")
    assert "event: failed" in whole.text
    assert browser.get(f"/deploys/{held.id}/events?after=1").text == ""
    assert browser.get(f"/deploys/{held.id}/events", last_event_id="1").text == ""


def test_a_deploy_that_much_was_said_of_is_shown_as_it_is_now(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 3)
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    held = web.run(progress.claim, web.now)
    for number in range(9):
        web.run(progress.enter, held, "RollingOut", f"{number} of 9 pods are ready", web.now)
    page = signed_in(web, web.token("viewer")).get(f"/deploys/{held.id}").text
    assert "RollingOut: 8 of 9 pods are ready" in page
    assert '/events?after=10"' in page, "what came before is not sent again"


def test_the_tiles_that_are_fetched_again_give_way_to_a_search(portal: Web) -> None:
    """Else an answer that was asked for before the search comes after it, and shows all projects under its words."""
    page = signed_in(portal, portal.token("viewer")).get("/").text
    syncs = {
        each["id"]: each["sync"] for each in re.finditer(r'<\w+ id="(?P<id>\w+)"[^>]*hx-sync="(?P<sync>[^"]+)"', page)
    }
    assert syncs == {"q": "replace", "tiles": "#q:abort"}


@pytest.mark.parametrize(
    "path", ["/", "/?q=sho&x=1", "/projects/acme/shop", "/projects/acme/shop/envs/dev", "/account"]
)
def test_pages_show_what_the_token_reaches(portal: Web, path: str) -> None:
    page = signed_in(portal, portal.token("viewer", "acme/*")).get(path)
    assert page.status == 200
    assert "globex" not in page.text


def test_every_route_that_a_page_asks_is_one_of_the_api() -> None:
    asked = set[str]()
    for file in static.FOLDER.parent.glob("*.py"):
        text = file.read_text().replace("{PROJECT}", "/v1/projects/{org}/{app}")
        text = text.replace("{ENV}", "/v1/projects/{org}/{app}/envs/{env}").replace(
            "{DEPLOY}", "/v1/deploys/{deploy_id}"
        )
        asked |= set(re.findall(r'"((?:GET|POST|DELETE) /v1/[^"]+)"', text))
    assert asked
    assert asked <= set(BY_NAME)


def luminance(colour: str) -> float:
    """Return how light a colour is, as WCAG 2.2 reckons."""
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("way", ["light", "dark"])
def test_every_word_can_be_read(way: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for what shows the focus."""
    sheet = (static.FOLDER / "portal.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", sheet, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): #(\w+);", light + (dark if way == "dark" else "")))

    def contrast(text: str, ground: str) -> float:
        low, high = sorted((luminance(colours[text]), luminance(colours[ground])))
        return (high + 0.05) / (low + 0.05)

    plain = [(text, ground) for text in ("ink", "quiet", "link", "bad") for ground in ("ground", "sheet", "faint")]
    toned = [(tone, f"{tone}-ground") for tone in ("good", "bad", "working", "past", "warn")]
    others = [("ink", "bad-ground"), ("ink", "warn-ground"), ("on-main", "main"), ("sheet", "bad"), ("warn", "sheet")]
    too_faint = {pair: contrast(*pair) for pair in plain + toned + others if contrast(*pair) < 4.5}
    assert too_faint == {}
    assert all(contrast("focus", ground) >= 3 for ground in ("ground", "sheet"))


def test_the_trail_leads_on_where_the_newest_entries_are_all_of_others(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DP-Q74: the server looks through so many at once."""
    monkeypatch.setattr(audit, "PAGE_LIMIT", 1)
    monkeypatch.setattr(audit_routes, "ROUNDS", 2)
    own, others = web.token("admin", "globex/*"), web.token("admin", "acme/*")
    image = DEPLOY["image"].replace("acme/shop", "globex/blog")
    assert web.post("/v1/projects/globex/blog/envs/dev/deploys", own, {**DEPLOY, "image": image}).status == 202
    for _ in range(2):
        web.now += 1_000_000
        assert web.post("/v1/projects/acme/shop/envs/dev/deploys", others, DEPLOY).status == 202
    browser = signed_in(web, own)
    first = browser.get("/audit").text
    assert "Nothing for you is among the entries that were looked through" in first
    assert "No change was asked for" not in first
    older = re.search(r'href="(/audit\?[^"]+)">Older', first)
    assert older is not None
    assert "globex/blog" in browser.get(html.unescape(older[1])).text


@pytest.mark.parametrize(
    ("phase", "reason", "serving", "told"),
    [
        ("RollingOut", "CrashLoop", ("dep-1",), True),
        ("RollingOut", "CrashLoop", (), False),
        ("Ready", "NotRunning", ("dep-1",), False),
        ("Ready", "NotServing", ("dep-1",), False),
    ],
)
def test_of_a_failed_environment_it_is_said_that_it_serves_meanwhile_where_its_pods_do(
    web: Web, phase: Phase, reason: str, serving: tuple[str, ...], told: bool
) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    failure = Failure(phase=phase, reason=reason, message="0 of 1 pods are ready")
    release = Release(number=1, image=IMAGE, deploy_id="dep-1")
    status = Status(phase="Failed", failure=failure, release=release, last_good_release=release, serving=serving)
    web.run(environments.record_status, SHOP, status, web.now)
    page = signed_in(web, web.token("viewer")).get("/projects/acme/shop/envs/dev").text
    assert "0 of 1 pods are ready" in page
    assert ("; release 1 serves meanwhile" in page) is told
    assert ("No release serves right now." in page) is (not serving or reason == "NotServing")
    assert ("Failed while" in page) is (phase != "Ready")


@pytest.mark.requirement("DP-Q28")
@pytest.mark.parametrize("dirty", [True, False])
def test_wherever_a_release_is_told_by_its_commit_its_uncommitted_changes_are_too(web: Web, dirty: bool) -> None:
    body = {**DEPLOY, "source": {**SOURCE, "dirty": dirty}}
    number = web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), body).json["deploy_id"]
    release = Release(number=1, image=IMAGE, deploy_id=number, commit=str(SOURCE["commit"]))
    status = Status(phase="Ready", release=release, last_good_release=release, serving=(number,))
    web.run(environments.record_status, SHOP, status, web.now)
    browser = signed_in(web, web.token("viewer"))
    for page in ("/", "/projects/acme/shop", "/projects/acme/shop/envs/dev", f"/deploys/{number}"):
        found = re.sub("<[^>]*>", "", browser.get(page).text)
        assert re.search("a{12,40} and uncommitted changes", found) is not None if dirty else "uncommitted" not in found
