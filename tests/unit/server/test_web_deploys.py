"""From an accepted deploy to its end, over HTTP, with a cluster in memory."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from unit.server.orders import IMAGE, MINUTE, NOON, order
from unit.server.web import DEPLOY, SETTINGS, Reply, Web, Webs

from kilter.api.deploys import Deploy, DeployAccepted, Event, PhaseEvent
from kilter.api.environments import Environment
from kilter.api.kilterapp import labels
from kilter.api.kilterapp_status import Condition, Failure, Release, Workload
from kilter.api.words import ConditionType
from kilter.render.names import Slot
from kilter.server import app, clock, elsewhere, readers
from kilter.server.call import Answer, Call
from kilter.server.dispatch import AGAIN, Dispatcher
from kilter.server.follow import Follower
from kilter.server.hub import DISPATCH, Hub
from kilter.server.refusals import Unavailable
from kilter.server.routes import deploys as deploy_routes
from kilter.server.routes import environments as env_routes
from kilter.server.routes import events as event_routes
from kilter.server.routes import projects as project_routes
from kilter.server.routes.deploys import accept_once
from kilter.server.seams import LogQuery
from kilter.server.settings import Settings
from kilter.server.store import audit, deploys, events
from kilter.server.store.engine import Tx
from kilter.server.store.sqlite import SqliteTx

DEV = "/v1/projects/acme/shop/envs/dev"
NAME = "acme-shop-dev"
WITH_WORKERS = {
    **DEPLOY["app"],
    "processes": {"worker": {"command": ["work"]}, "nightly": {"command": ["tidy"], "schedule": "0 3 * * *"}},
}


def deploy(web: Web, token: str = "", **changes: Any) -> DeployAccepted:
    reply = web.post(f"{DEV}/deploys", token or web.token("maintainer", actor="ann"), {**DEPLOY, **changes})
    assert reply.status == 202, reply.text
    return msgspec.json.decode(reply.body, type=DeployAccepted)


def dispatch(web: Web) -> bool:
    return web.runner.run(Dispatcher(web.services).step())


def follow(web: Web) -> None:
    """Record everything that the cluster has told so far."""

    async def story() -> None:
        follower = Follower(web.services)
        while not web.cluster.changes.empty():
            await follower.record(web.cluster.changes.get_nowait())

    web.runner.run(story())


def report(web: Web, phase: Any, **status: Any) -> None:
    web.cluster.report(NAME, phase=phase, **status)
    follow(web)


def look(web: Web, accepted: DeployAccepted) -> Deploy:
    reply = web.get(f"/v1/deploys/{accepted.deploy_id}", web.token("viewer"))
    return msgspec.json.decode(reply.body, type=Deploy)


def stream(web: Web, accepted: DeployAccepted, last: str = "", token: str = "") -> list[tuple[int, Event]]:
    headers = {"last-event-id": last} if last else {}
    reply = web.get(f"/v1/deploys/{accepted.deploy_id}/events", token or web.token("viewer"), headers=headers)
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no", "or a proxy would hold it back"
    return read_events(reply.text)


def read_events(text: str) -> list[tuple[int, Event]]:
    found = []
    for block in text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            event = msgspec.json.decode(fields["data"], type=Event)
            assert fields["event"] == event.__struct_config__.tag
            found.append((int(fields["id"]), event))
    return found


def names(events: list[tuple[int, Event]]) -> list[str]:
    return [str(event.__struct_config__.tag) for _, event in events]


def test_an_accepted_deploy_has_number_release_address_and_place(web: Web) -> None:
    accepted = deploy(web)
    assert (accepted.sequence, accepted.release, accepted.url) == (1, 1, "https://shop-dev.apps.example.com")
    assert accepted.queue.position == 0
    assert deploy(web).queue.holder is not None


def test_a_deploy_is_accepted_with_a_look_and_a_transaction(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look lets the token in; the transaction records the deploy, its answer and its row of the trail.

    A transaction waits for a disk, and each statement for the network, but for those that go with the end.
    """
    token = web.token("maintainer")
    deploy(web, token)
    statements = list[str]()
    kept = list[str]()
    transactions = list[object]()

    def noting(call: Callable[..., Any], which: int, found: list[Any]) -> Callable[..., Any]:
        def noted(*given: Any, **more: Any) -> Any:
            found.append(given[which])
            return call(*given, **more)

        return noted

    monkeypatch.setattr(SqliteTx, "rows", noting(SqliteTx.rows, 1, statements))
    monkeypatch.setattr(SqliteTx, "execute", noting(SqliteTx.execute, 1, statements))
    monkeypatch.setattr(SqliteTx, "later", noting(SqliteTx.later, 1, kept))
    monkeypatch.setattr(web.store, "run", noting(web.store.run, 0, transactions))
    assert web.post(f"{DEV}/deploys", token, DEPLOY, headers={"idempotency-key": "one"}).status == 202
    assert (len(transactions), len(statements), len(kept)) == (1, 5, 4)


def test_deploys_are_carried_out_when_those_who_wait_for_an_acceptance_have_it(web: Web) -> None:
    deploy(web)

    async def story() -> tuple[int, bool]:
        with web.services.rush.waiting():
            step = asyncio.ensure_future(Dispatcher(web.services).step())
            for _ in range(10):
                await asyncio.sleep(0)
            meanwhile = len(web.cluster.applied)
        return meanwhile, await step

    assert web.runner.run(story()) == (0, True)
    assert len(web.cluster.applied) == 1


def test_whoever_waits_for_an_acceptance_counts_as_waiting(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[bool]()

    def looked(tx: Tx, call: Call, accept: deploy_routes.Accept) -> Answer | Response:
        over = call.services.rush.over()
        try:
            over.send(None)
            found.append(True)
        except StopIteration:
            found.append(False)
        over.close()
        return accept_once(tx, call, accept)

    monkeypatch.setattr(deploy_routes, "accept_once", looked)
    deploy(web)
    assert found == [True]


def test_a_deploy_that_cannot_be_recorded_in_the_trail_is_not_accepted(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DP-Q74: no change without its row."""
    token, finish, told = web.token("maintainer"), audit.finish, list[int]()

    def cut(tx: Tx, attempt: audit.Attempt, outcome: audit.Outcome) -> None:
        told.append(outcome.status)
        if outcome.status == 202:
            raise Unavailable("the database was restarted")
        finish(tx, attempt, outcome)

    monkeypatch.setattr(audit, "finish", cut)
    assert web.post(f"{DEV}/deploys", token, DEPLOY).status == 503
    assert told == [202, 503]
    assert web.get(f"{DEV}/deploys", token).status == 404
    assert not dispatch(web)


@pytest.mark.requirement("DP-Q74")
@pytest.mark.parametrize("url", [f"{DEV}/deploys", DEV], ids=["deploy", "delete"])
@pytest.mark.parametrize(
    ("whose", "content", "headers", "answer"),
    [
        (("viewer", "acme/*"), b"{}", {}, (403, "forbidden")),
        (("maintainer", "globex/*"), b"{}", {}, (404, "not_found")),
        (("maintainer", "acme/*"), b"{", {}, (400, "bad_request")),
        (("maintainer", "acme/*"), b"{}", {"content-type": "text/plain"}, (415, "wrong_media_type")),
        (("maintainer", "acme/*"), b"{}", {"content-length": "9" * 9}, (413, "too_large")),
        (("maintainer", "acme/*"), b'{"x": 1}', {}, (422, "unknown_field")),
    ],
    ids=["role", "project", "json", "type", "size", "field"],
)
def test_what_is_refused_before_it_is_looked_at_is_in_the_trail_once(
    web: Web, url: str, whose: Any, content: bytes, headers: dict[str, str], answer: tuple[int, str]
) -> None:
    method = "DELETE" if url == DEV else "POST"
    reply = web(method, url, web.token(*whose), content=[content], headers=headers)
    [entry] = web.get("/v1/audit", web.token("admin", "*/*")).json["entries"]
    assert (reply.status, reply.code) == (entry["status"], entry["code"]) == answer
    assert (entry["project"], entry["env"]) == ("acme/shop", "dev")


def test_who_leaves_before_the_body_is_whole_is_in_the_trail_as_having_left(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    """DP-Q74: it is no failure of the server."""

    def leaving() -> Iterator[bytes]:
        yield b"{"
        raise ClientDisconnect

    headers = {"content-type": "application/json"}
    with caplog.at_level("INFO", "kilter.server"):
        web("POST", f"{DEV}/deploys", web.token("maintainer"), content=leaving(), headers=headers)
    assert [record.facts["status"] for record in caplog.records] == [499]  # type: ignore[attr-defined]
    [entry] = web.get("/v1/audit", web.token("admin", "*/*")).json["entries"]
    assert (entry["status"], entry["code"]) == (499, None)


def test_a_deploy_is_as_old_as_its_acceptance_however_slowly_its_body_comes(web: Web) -> None:
    """What ended meanwhile is older: a late word of it must not end this one."""
    text = msgspec.json.encode(DEPLOY)

    def slowly() -> Iterator[bytes]:
        yield text[:5]
        web.now += 20 * clock.SECOND
        yield text[5:]

    reply = web(
        "POST",
        f"{DEV}/deploys",
        web.token("maintainer"),
        content=slowly(),
        headers={"content-type": "application/json"},
    )
    accepted = msgspec.json.decode(reply.body, type=DeployAccepted)
    assert look(web, accepted).created_at == clock.to_datetime(NOON + 20 * clock.SECOND)


def test_what_was_committed_stays_in_the_trail_though_its_answer_was_lost(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DP-Q74, F28: the database commits, and the connection is cut before it says so."""
    run, key = web.store.run, {"idempotency-key": "one"}

    async def cut(work: Any, *args: Any, **more: Any) -> Any:
        done = await run(work, *args, **more)
        if work is accept_once:
            raise Unavailable("the connection was cut")
        return done

    token = web.token("maintainer")
    monkeypatch.setattr(web.store, "run", cut)
    assert web.post(f"{DEV}/deploys", token, DEPLOY, headers=key).status == 503
    monkeypatch.undo()
    again = web.post(f"{DEV}/deploys", token, DEPLOY, headers=key)
    deploy_id = again.json["deploy_id"]
    assert [each["deploy_id"] for each in web.get(f"{DEV}/deploys", token).json["deploys"]] == [deploy_id]
    entries = web.get("/v1/audit?action=deploy", web.token("admin", "*/*")).json["entries"]
    assert [(each["status"], each["deploy_id"]) for each in entries] == [(202, deploy_id)] * 2


def test_the_cluster_gets_one_object_with_the_spec_of_the_request(web: Web) -> None:
    """DP-13, DP-14, CT-20."""
    for _ in range(2):
        deploy(
            web, app={"port": 9000, "vars": {"A": "b"}}, source={"commit": "abc"}, timeout="20m", platform="linux/amd64"
        )
        dispatch(web)
        report(web, "Ready")
    assert [name for name, _ in web.cluster.applied] == [NAME, NAME]
    _, spec = web.cluster.applied[-1]
    assert (spec.org, spec.app, spec.env, spec.class_) == ("acme", "shop", "dev", "ephemeral")
    assert (spec.image, spec.port, spec.vars, spec.source.commit) == (IMAGE, 9000, {"A": "b"}, "abc")
    assert spec.platform == "linux/amd64"
    assert (spec.actor, spec.sequence, spec.timeouts.ready) == ("ann", 2, "20m")
    assert labels(spec)["kilter.dev/class"] == "ephemeral"


def test_the_limit_of_readiness_is_capped_and_the_client_is_told(web: Web) -> None:
    """DP-Q39."""
    assert deploy(web, timeout="20m").ready_timeout == "20m"
    assert deploy(web, timeout="5h").ready_timeout == "3600s"
    assert deploy(web).ready_timeout is None


def test_an_internal_app_has_no_address(web: Web) -> None:
    """DP-50."""
    assert deploy(web, app={"port": 80, "public": False}).url is None


def test_a_deploy_is_followed_from_queue_to_done(web: Web) -> None:
    first, second = deploy(web), deploy(web)
    assert look(web, second).queue.position == 1  # type: ignore[union-attr]
    dispatch(web)
    assert not dispatch(web)
    report(web, "Provisioning")
    report(web, "Reconciling")
    assert dispatch(web)
    report(web, "Provisioning")
    assert look(web, first).state == "superseded"
    for phase in ("Publishing", "Reconciling", "RollingOut", "Ready"):
        web.now += MINUTE
        report(web, phase)
    done = look(web, second)
    assert (done.state, done.phase, done.release, done.queue) == ("done", "Ready", 2, None)
    assert [step.phase for step in done.steps][-1] == "RollingOut"
    assert names(stream(web, second)) == ["queued", *["phase"] * 5, "done"]
    assert names(stream(web, first)) == ["phase", "phase", "phase", "superseded"]


def test_more_events_than_are_read_at_once_are_told_all_and_without_a_wait(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = deploy(web)
    dispatch(web)
    for phase in ("Provisioning", "Publishing", "Ready"):
        report(web, phase)
    whole = stream(web, accepted)
    assert len(whole) > 2
    monkeypatch.setattr(events, "BATCH", 1)
    monkeypatch.setattr(event_routes, "ASK_ALIVE", 0.01)
    text = web.get(f"/v1/deploys/{accepted.deploy_id}/events", web.token("viewer")).text
    assert read_events(text) == whole
    assert "still here" not in text


def test_a_stream_is_taken_up_where_it_broke(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    for phase in ("Provisioning", "Publishing", "Ready"):
        report(web, phase)
    whole = stream(web, accepted)
    assert [number for number, _ in whole] == list(range(1, len(whole) + 1))
    assert stream(web, accepted, "2") == whole[2:]
    assert stream(web, accepted, str(len(whole))) == []


@pytest.mark.parametrize("last", ["-1", "x", "9" * 20, "1.0"])
def test_a_number_that_is_none_is_refused(web: Web, last: str) -> None:
    accepted = deploy(web)
    reply = web.get(f"/v1/deploys/{accepted.deploy_id}/events", web.token("viewer"), headers={"last-event-id": last})
    assert (reply.status, reply.json["error"]["field"]) == (422, "Last-Event-ID")


def test_an_open_stream_gets_news_at_once_and_ends_with_the_deploy(web: Web) -> None:
    accepted = deploy(web)
    token = web.token("viewer")

    async def story() -> str:
        open_stream = asyncio.create_task(web.send("GET", f"/v1/deploys/{accepted.deploy_id}/events", token))
        await asyncio.sleep(0)
        await Dispatcher(web.services).step()
        web.cluster.report(NAME, phase="Ready")
        await Follower(web.services).record(web.cluster.changes.get_nowait())
        async with asyncio.timeout(2):
            return (await open_stream).text

    assert names(read_events(web.runner.run(story()))) == ["phase", "done"]


def test_an_open_stream_hears_of_what_another_server_records(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "EVERY", 0.01)
    accepted, token = deploy(web), web.token("viewer")
    other = replace(web.services, hub=Hub())

    async def story() -> list[str]:
        hearing = asyncio.create_task(elsewhere.hear(web.services))
        url = f"/v1/deploys/{accepted.deploy_id}/events"
        streams = [asyncio.create_task(web.send("GET", url, token)) for _ in range(2)]
        await asyncio.sleep(0.02)
        await Dispatcher(other).step()
        web.cluster.report(NAME, phase="Ready")
        await Follower(other).record(web.cluster.changes.get_nowait())
        async with asyncio.timeout(2):
            texts = [(await each).text for each in streams]
        hearing.cancel()
        return texts

    for text in web.runner.run(story()):
        assert names(read_events(text)) == ["phase", "done"]


def test_a_stream_ends_when_its_token_does_or_the_server(web: Web) -> None:
    """S2."""
    accepted, token = deploy(web), web.token("viewer")

    async def story(end: Any) -> None:
        open_stream = asyncio.create_task(web.send("GET", f"/v1/deploys/{accepted.deploy_id}/events", token))
        await asyncio.sleep(0.01)
        await end()
        async with asyncio.timeout(2):
            await open_stream

    async def revoke() -> None:
        await web.send("DELETE", "/v1/whoami", token)
        web.services.hub.tell([accepted.deploy_id])

    web.runner.run(story(revoke))
    token = web.token("viewer")

    async def stop() -> None:
        web.services.stop()

    web.runner.run(story(stop))


def test_a_reader_who_leaves_is_forgotten(web: Web) -> None:
    """F42."""
    accepted, token = deploy(web), web.token("viewer")
    web.get(f"/v1/deploys/{accepted.deploy_id}/events", token, until=lambda _: True)
    assert web.services.hub.waiting() == 0


def test_a_failure_is_told_with_its_reason(web: Web) -> None:
    """DP-Q45."""
    accepted = deploy(web)
    dispatch(web)
    failure = Failure(phase="RollingOut", reason="ImagePullBackOff", message="no such image", object="Pod/shop-1")
    report(web, "Failed", failure=failure)
    found = look(web, accepted)
    assert (found.state, found.phase, found.failure) == ("failed", "Failed", failure)
    assert names(stream(web, accepted)) == ["phase", "failed"]


def test_who_waits_for_a_deploy_that_the_cluster_refuses_hears_of_it_at_once(web: Web) -> None:
    """DP-Q65."""
    _, _, third = deploy(web), deploy(web), deploy(web)
    web.cluster.refusal, token = "field port is owned by kubectl-edit", web.token("viewer")

    async def story() -> str:
        url = f"/v1/deploys/{third.deploy_id}/events"
        open_stream = asyncio.create_task(web.send("GET", url, token, until=lambda body: body.count(b"event: ") == 2))
        await asyncio.sleep(0)
        await Dispatcher(web.services).step()
        async with asyncio.timeout(2):
            return (await open_stream).text

    assert names(read_events(web.runner.run(story()))) == ["queued", "queued"]


def test_what_the_cluster_refuses_for_good_ends_the_deploy(web: Web) -> None:
    accepted = deploy(web)
    web.cluster.refusal = "field port is owned by kubectl-edit"
    assert dispatch(web)
    failure = look(web, accepted).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("Conflict", "field port is owned by kubectl-edit")


def test_a_delete_that_the_cluster_refuses_for_good_ends_and_keeps_nobody_out(web: Web) -> None:
    deploy(web)
    dispatch(web)
    report(web, "Ready")
    reply = web("DELETE", DEV, web.token("maintainer"), json={"confirm": "acme/shop/dev"})
    web.cluster.refusal = "the rules of the CRD forbid it"
    assert dispatch(web)
    ended = web.get(f"/v1/deploys/{reply.json['deploy_id']}", web.token("viewer")).json
    assert (ended["state"], ended["failure"]["message"]) == ("failed", "the rules of the CRD forbid it")
    assert deploy(web).queue.position == 0


def test_a_spec_that_no_cluster_keeps_is_refused_with_its_largest_part(web: Web) -> None:
    """etcd takes 1.5 MiB, with all that the API server adds."""
    fitting, large = ({f"V{number}": "x" * 65_000 for number in range(count)} for count in (15, 17))
    app: dict[str, Any] = {"port": 80, "processes": {"worker": {"command": ["w" * 1_000] * 9}}}
    assert deploy(web, app={**app, "vars": fitting}).sequence == 1
    app["vars"] = large
    reply = web.post(f"{DEV}/deploys", web.token("maintainer"), {**DEPLOY, "app": app})
    error = reply.json["error"]
    assert (reply.status, error["code"], error["field"]) == (413, "too_large", "app.vars")
    assert error["details"]["limit_bytes"] == 1048576
    assert "vars" in error["message"]


def test_a_cluster_that_is_away_costs_time_and_nothing_else(web: Web) -> None:
    """F30: accepted is accepted."""
    accepted = deploy(web)
    web.cluster.away = True
    with pytest.raises(Unavailable):
        dispatch(web)
    assert look(web, accepted).state == "running"
    web.cluster.away = False
    web.now += AGAIN
    assert not dispatch(web)
    web.now += 1
    assert dispatch(web)
    assert [spec.deploy_id for _, spec in web.cluster.applied] == [accepted.deploy_id]


def test_who_follows_a_deploy_hears_at_once_that_it_left_the_queue(web: Web) -> None:
    """Not only when the cluster has taken it, which may take a while."""
    accepted = deploy(web)
    web.cluster.away = True
    with web.services.hub.listen(accepted.deploy_id) as listener:
        with pytest.raises(Unavailable):
            dispatch(web)
        assert web.runner.run(listener.wait(1.0))


def test_what_the_cluster_says_wakes_who_follows_the_deploy_and_who_hands_over_the_next(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    hub = web.services.hub
    with hub.listen(accepted.deploy_id) as follower, hub.listen(DISPATCH) as dispatcher:
        report(web, "Reconciling")
        assert web.runner.run(follower.wait(1.0))
        assert web.runner.run(dispatcher.wait(1.0))


def test_a_server_that_died_between_claim_and_write_is_replaced(web: Web) -> None:
    """F28."""
    accepted = deploy(web)

    async def die(name: str, spec: Any) -> None:
        raise asyncio.CancelledError

    web.cluster.apply, alive = die, web.cluster.apply  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        dispatch(web)
    web.cluster.apply = alive  # type: ignore[method-assign]
    web.now += MINUTE
    assert dispatch(web)
    assert look(web, accepted).state == "running"


def test_only_a_waiting_deploy_is_cancelled(web: Web) -> None:
    first, second = deploy(web), deploy(web)
    dispatch(web)
    token = web.token("deployer", actor="bob")
    assert web.post(f"/v1/deploys/{first.deploy_id}/cancel", token).code == "too_late"
    reply = web.post(f"/v1/deploys/{second.deploy_id}/cancel", token)
    assert (reply.status, reply.json["state"]) == (202, "canceled")
    assert "bob" in reply.json["failure"]["message"]
    assert names(stream(web, second)) == ["queued", "failed"]


def test_whoever_waits_hears_of_a_cancellation_at_once(web: Web) -> None:
    _, second, third = deploy(web), deploy(web), deploy(web)
    with ExitStack() as stack:
        topics = (second.deploy_id, third.deploy_id, DISPATCH)
        listeners = [stack.enter_context(web.services.hub.listen(topic)) for topic in topics]
        assert web.post(f"/v1/deploys/{second.deploy_id}/cancel", web.token("deployer")).status == 202
        assert [web.runner.run(each.wait(1.0)) for each in listeners] == [True] * 3


def test_a_deploy_to_a_protected_environment_is_taken_back_by_maintainers(web: Web) -> None:
    """DP-Q28, DP-Q72: as it was asked for."""
    prod, maintainer = f"{DEV.removesuffix('dev')}prod/deploys", web.token("maintainer")
    web.post(prod, maintainer, DEPLOY)
    url = f"/v1/deploys/{web.post(prod, maintainer, DEPLOY).json['deploy_id']}/cancel"
    reply = web.post(url, web.token("deployer"))
    assert (reply.status, reply.json["error"]["details"]["needed_role"]) == (403, "maintainer")
    assert web.post(url, maintainer).status == 202


def test_the_platform_may_let_the_newest_of_what_waits_take_the_place_of_the_others(webs: Webs) -> None:
    web = webs(replace(SETTINGS, replace_waiting_envs=("pr-*", "dev")))
    for env, state in (("dev", "superseded"), ("pr-7", "superseded"), ("test", "queued")):
        url = f"{DEV.removesuffix('dev')}{env}/deploys"
        _, second, third = (web.post(url, web.token("deployer"), DEPLOY).json["deploy_id"] for _ in range(3))
        states = [web.get(f"/v1/deploys/{each}", web.token("viewer")).json["state"] for each in (second, third)]
        assert states == [state, "queued"], env


def test_addresses_have_the_scheme_and_the_port_of_the_platform(webs: Webs) -> None:
    web = webs(replace(SETTINGS, scheme="http", public_port=8080))
    assert deploy(web).url == "http://shop-dev.apps.example.com:8080"


def test_deploys_are_listed_newest_first_page_by_page(web: Web) -> None:
    token = web.token("maintainer")
    for _ in range(5):
        deploy(web, token)
    first = web.get(f"{DEV}/deploys?limit=3", token).json
    second = web.get(f"{DEV}/deploys?limit=3&cursor={first['cursor']}", token).json
    assert [each["sequence"] for each in first["deploys"] + second["deploys"]] == [5, 4, 3, 2, 1]
    assert (len(first["deploys"]), second["cursor"]) == (3, None)
    assert web.get(f"{DEV}/deploys?limit=5", token).json["cursor"] is None
    assert web.get(f"{DEV}/deploys?limit=4", token).json["cursor"] == "2"
    assert web.get(f"{DEV}/deploys?limit=3&cursor=1", token).json == {"deploys": [], "cursor": None}


def test_an_environment_shows_what_was_last_seen_and_who_is_at_work(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    release = Release(number=1, image=IMAGE, deploy_id=accepted.deploy_id, commit="abc")
    report(web, "RollingOut", namespace=NAME, url="https://x", internal_url="http://shop.x.svc:80", release=release)
    waiting = deploy(web)
    found = msgspec.json.decode(web.get(DEV, web.token("viewer")).body, type=Environment)
    assert (found.phase, found.namespace, found.url, found.env_class) == ("RollingOut", NAME, "https://x", "ephemeral")
    assert found.release is not None
    assert (found.release.commit, found.serving) == ("abc", None)
    assert found.lock is not None
    assert (found.lock.holder, found.lock.actor, found.lock.kind) == (waiting.deploy_id, "ann", "deploy")


@pytest.mark.requirement("DP-Q52", "DP-Q61")
def test_a_release_says_what_it_is_made_of(web: Web) -> None:
    processes = {**WITH_WORKERS["processes"], "admin": {"command": ["admin"], "port": 9000, "public": True}}
    services = [{"name": "db", "kind": "postgres"}]
    first = deploy(web, app={**WITH_WORKERS, "processes": processes, "services": services})
    dispatch(web)
    good = Release(number=1, image=IMAGE, deploy_id=first.deploy_id)
    report(web, "Ready", release=good, last_good_release=good)
    deploy(web, app={"port": 80, "public": False})
    parts = {
        "hosts": ["shop-dev.apps.example.com", "shop-dev--admin.apps.example.com"],
        "processes": ["worker", "nightly", "admin"],
        "services": ["db"],
    }
    token = web.token("viewer")
    assert web.get(DEV, token).json["release"]["app"] == parts, "what was accepted and is not published does not count"
    report(web, "Failed", release=Release(number=9, image=IMAGE, deploy_id="dep-lost"), last_good_release=good)
    found = web.get(DEV, token).json
    assert (found["release"]["app"], found["serving"]["app"]) == (None, parts)


def test_what_serves_is_the_release_whose_pods_are_ready(web: Web) -> None:
    accepted, second = deploy(web), deploy(web)
    dispatch(web)
    good = Release(number=1, image=IMAGE, deploy_id=accepted.deploy_id)
    broken = Release(number=2, image=IMAGE, deploy_id=second.deploy_id)
    crash = Failure(phase="RollingOut", reason="CrashLoop", message="ends again and again")
    token = web.token("viewer")

    def serving(newest: Release, *deploy_ids: str, failure: Failure = crash) -> int | None:
        report(web, "Failed", release=newest, last_good_release=good, serving=deploy_ids, failure=failure)
        found = web.get(DEV, token).json["serving"]
        return found["number"] if found else None

    report(web, "Ready", release=good, last_good_release=good, serving=())
    assert web.get(DEV, token).json["serving"]["number"] == 1, "it has two minutes to come back"
    assert serving(good) is None, "it was Ready, and none of its pods is ready any more"
    assert serving(broken, good.deploy_id) == 1
    assert serving(broken, good.deploy_id, broken.deploy_id) == 1, "the one that was proven, of both"
    assert serving(broken, broken.deploy_id) == 2, "its web pods run, and a process of it does not"
    lost = Release(number=3, image=IMAGE, deploy_id="dep-lost")
    assert serving(lost, broken.deploy_id) == 2, "one that was never Ready, and is the newest no more"
    assert serving(lost, "dep-foreign") is None
    silent = Failure(phase="Ready", reason="NotServing", message="no route")
    assert serving(good, good.deploy_id, failure=silent) is None, "ready pods to which nothing leads"


def test_of_an_operator_that_does_not_tell_what_serves_the_newest_that_became_ready_is_taken(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    good = Release(number=1, image=IMAGE, deploy_id=accepted.deploy_id)
    token = web.token("viewer")
    report(web, "Failed", release=Release(number=2, image=IMAGE, deploy_id="dep-2"), last_good_release=good)
    found = web.get(DEV, token).json
    assert (found["release"]["number"], found["serving"]["number"]) == (2, 1)
    down = (Workload(name="shop", desired=3, ready=0, restarts=12),)
    report(web, "Failed", release=good, last_good_release=good, workloads=down)
    assert web.get(DEV, token).json["serving"] is None


def test_a_project_is_one_tile_with_its_environments(web: Web) -> None:
    """DP-9, DP-Q70."""
    accepted = deploy(web)
    dispatch(web)
    release = Release(number=1, image=IMAGE, deploy_id=accepted.deploy_id, commit="0123456789abcdef")
    report(web, "Ready", url="https://x", release=release, warnings=("check skipped",))
    web.post("/v1/projects/acme/shop/envs/prod/deploys", web.token("maintainer"), DEPLOY)
    [tile] = web.get("/v1/projects", web.token("viewer")).json["projects"]
    dev, prod = tile["envs"]
    assert (dev["phase"], dev["release"], dev["digest"], dev["commit"]) == ("Ready", 1, "a" * 12, "0123456789ab")
    assert (dev["actor"], dev["last_result"], dev["warnings"]) == ("ann", "done", ["check skipped"])
    assert (prod["env"], prod["phase"], prod["release"]) == ("prod", "Pending", None)
    assert web.get("/v1/projects/acme/shop", web.token("viewer")).json["envs"] == tile["envs"]


def test_projects_are_found_by_name_and_turned_page_by_page(web: Web) -> None:
    token = web.token("maintainer", "*/*")
    for project in ("acme/shop", "acme/blog", "beta/shop2"):
        image = IMAGE.replace("acme/shop", project)
        web.post(f"/v1/projects/{project}/envs/dev/deploys", token, {**DEPLOY, "image": image})
    first = web.get("/v1/projects?limit=2", token).json
    assert [f"{tile['org']}/{tile['app']}" for tile in first["projects"]] == ["acme/blog", "acme/shop"]
    second = web.get(f"/v1/projects?limit=2&cursor={first['cursor']}", token).json
    assert [tile["app"] for tile in second["projects"]] == ["shop2"]
    assert second["cursor"] is None
    assert web.get("/v1/projects?limit=3", token).json["cursor"] is None
    assert len(web.get("/v1/projects?q=shop", token).json["projects"]) == 2
    assert [tile["app"] for tile in web.get("/v1/projects?q=a/shop", token).json["projects"]] == ["shop2"]


@pytest.mark.parametrize("batch", [1, 2, 200])
def test_all_projects_are_found_in_however_many_looks_and_pages(
    web: Web, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Most of what is looked through may be foreign."""
    monkeypatch.setattr(project_routes, "BATCH", batch)
    everywhere, found = web.token("maintainer", "*/*"), list[str]()
    for project in ("acme/api", "acme/shop", "acme/shop1", "beta/shop2", "gamma/shop3"):
        body = {**DEPLOY, "image": IMAGE.replace("acme/shop", project)}
        assert web.post(f"/v1/projects/{project}/envs/dev/deploys", everywhere, body).status == 202
    shops, cursor = web.token("viewer", "*/shop*"), ""
    while cursor is not None:
        page = web.get(f"/v1/projects?limit=1&cursor={cursor}", shops).json
        found += [f"{tile['org']}/{tile['app']}" for tile in page["projects"]]
        cursor = page["cursor"]
    assert found == ["acme/shop", "acme/shop1", "beta/shop2", "gamma/shop3"]
    assert len(web.get("/v1/projects", shops).json["projects"]) == 4


def test_an_environment_is_deleted_only_with_the_right_words(web: Web) -> None:
    """DP-Q25."""
    deploy(web)
    token = web.token("maintainer")
    for confirm in ("acme/shop", "acme/shop/dev ", "ACME/SHOP/DEV"):
        reply = web("DELETE", DEV, token, json={"confirm": confirm})
        assert (reply.status, reply.code, reply.json["error"]["field"]) == (422, "wrong_confirmation", "confirm")


def test_a_delete_is_followed_like_a_deploy_and_leaves_nothing(web: Web) -> None:
    """DP-Q25."""
    deploy(web)
    dispatch(web)
    report(web, "Ready")
    token = web.token("maintainer")
    reply = web("DELETE", DEV, token, json={"confirm": "acme/shop/dev"})
    assert (reply.status, reply.json["database"]) == (202, "drop")
    dispatch(web)
    assert web.cluster.deleted == [(NAME, "drop")]
    assert len(web.cluster.applied) == 1
    web.cluster.vanish(NAME)
    follow(web)
    assert web.get(f"/v1/deploys/{reply.json['deploy_id']}", token).json["state"] == "done"
    assert web.get(DEV, token).status == 404
    assert web.get("/v1/projects", token).json["projects"] == []
    assert web("DELETE", DEV, token, json={"confirm": "acme/shop/dev"}).code == "not_found"


def unmet(kind: ConditionType, said: str) -> Condition:
    since = clock.to_datetime(NOON)
    return Condition(type=kind, status="False", reason="Waits", message=said, last_transition_time=since)


def test_who_follows_a_delete_is_told_what_it_waits_for_and_what_keeps_it_from_going_on(web: Web) -> None:
    """DP-Q25: `status` goes on naming the deploy before it."""
    release = Release(number=1, image=IMAGE, deploy_id=deploy(web).deploy_id)
    dispatch(web)
    report(web, "Ready", release=release)
    before = unmet("Reconciled", "as it was before")
    token = web.token("maintainer")
    reply = web("DELETE", DEV, token, json={"confirm": "acme/shop/dev"})
    deletion = reply.json["deploy_id"]
    dispatch(web)
    for said in ("waiting for the commit", "waiting for the commit", "waiting for Flux"):
        report(web, "Deleting", release=release, conditions=(before, unmet("Ready", said)))
    said = "acme/shop/dev cannot be written: x stands in the way"
    failure = Failure(phase="Deleting", reason="NotRemovable", message=said)
    report(web, "Deleting", release=release, failure=failure, conditions=(before, unmet("Ready", said)))
    told = [event.message for _, event in web.run(events.after, deletion, 0) if isinstance(event, PhaseEvent)]
    assert told == ["", "waiting for the commit", "waiting for Flux", said]
    found = web.get(f"/v1/deploys/{deletion}", token).json
    assert (found["state"], found["phase"]) == ("running", "Deleting")
    web.cluster.vanish(NAME)
    follow(web)
    assert web.get(f"/v1/deploys/{deletion}", token).json["state"] == "done"


def test_an_environment_that_leaves_by_another_hand_tells_no_deploy_of_it(web: Web) -> None:
    accepted = deploy(web)
    dispatch(web)
    report(web, "Ready")
    report(web, "Deleting", conditions=(unmet("Ready", "waiting for the commit"),))
    assert look(web, accepted).state == "done"


def test_a_delete_of_what_the_cluster_never_had_ends_at_once(web: Web) -> None:
    first = deploy(web)
    web.post(f"/v1/deploys/{first.deploy_id}/cancel", web.token("maintainer"))
    reply = web("DELETE", DEV, web.token("maintainer"), json={"confirm": "acme/shop/dev", "database": "keep"})
    dispatch(web)
    assert web.cluster.deleted == []
    assert web.get(f"/v1/deploys/{reply.json['deploy_id']}", web.token("viewer")).json["state"] == "done"


def test_a_protected_environment_is_deleted_by_admins_and_its_database_after_a_second_word(web: Web) -> None:
    """DP-Q25, DP-Q28."""
    url = "/v1/projects/acme/shop/envs/prod"
    web.post(f"{url}/deploys", web.token("maintainer"), DEPLOY)
    dispatch(web)
    web.cluster.report("acme-shop-prod", phase="Ready")
    follow(web)
    words = {"confirm": "acme/shop/prod"}
    assert web("DELETE", url, web.token("maintainer"), json=words).status == 403
    reply = web("DELETE", url, web.token("admin"), json={**words, "database": "drop"})
    assert (reply.code, reply.json["error"]["field"]) == ("wrong_confirmation", "confirm_database")
    kept = web("DELETE", url, web.token("admin"), json=words)
    assert (kept.status, kept.json["database"]) == (202, "keep")


@pytest.mark.requirement("DP-Q25", "DP-Q74")
@pytest.mark.parametrize(("database", "overrides"), [("drop", ["drop_database"]), ("keep", [])])
def test_the_trail_says_whose_word_dropped_a_protected_database(web: Web, database: str, overrides: list[str]) -> None:
    url, admin = "/v1/projects/acme/shop/envs/prod", web.token("admin", actor="root")
    web.post(f"{url}/deploys", web.token("maintainer"), DEPLOY)
    dispatch(web)
    web.cluster.report("acme-shop-prod", phase="Ready")
    follow(web)
    body = {"confirm": "acme/shop/prod", "confirm_database": "acme/shop/prod", "database": database}
    reply = web("DELETE", url, admin, json=body)
    assert (reply.status, reply.json["database"]) == (202, database)
    [entry] = web.get(f"/v1/audit?deploy_id={reply.json['deploy_id']}", admin).json["entries"]
    assert (entry["actor"], entry["action"], entry["overrides"]) == ("root", "env-delete", overrides)
    assert web.get(f"/v1/deploys/{reply.json['deploy_id']}", admin).json["actor"] == "root"


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(
    ("env", "database", "setting", "kept"),
    [
        ("main", "keep", 7, 7),
        ("main", "drop", 7, None),
        ("main", "keep", 0, None),
        ("dev", "keep", 3, 3),
        ("prod", "keep", 7, None),
    ],
)
def test_for_how_many_days_a_database_is_kept_is_told_before_and_after(
    webs: Webs, env: str, database: str, setting: int, kept: int | None
) -> None:
    web = webs(replace(SETTINGS, database_keep_days=setting))
    url, token = f"/v1/projects/acme/shop/envs/{env}", web.token("admin")
    web.post(f"{url}/deploys", token, DEPLOY)
    dispatch(web)
    web.cluster.report(f"acme-shop-{env}", phase="Ready")
    follow(web)
    before = web.get(url, token).json["database_kept_days"]
    assert before == (None if env == "prod" or not setting else setting)
    reply = web("DELETE", url, token, json={"confirm": f"acme/shop/{env}", "database": database})
    assert (reply.status, reply.json["database_kept_days"]) == (202, kept)


def test_a_host_of_somebody_else_is_told_with_a_proposal(web: Web) -> None:
    """DP-Q9."""
    token = web.token("admin", "*/*")
    web.post("/v1/projects/acme/shop/envs/prod/deploys", token, DEPLOY)
    body = {**DEPLOY, "image": IMAGE.replace("acme", "globex")}
    reply = web.post("/v1/projects/globex/shop/envs/prod/deploys", token, body)
    assert (reply.status, reply.code) == (409, "host_taken")
    assert reply.json["error"]["details"]["proposed_app"] == "globex-shop"


OWN_HOSTS = Settings(
    cluster_domain="apps.example.com",
    public_url="https://portal.apps.example.com",
    registry="registry.apps.example.com:5000/images",
    extra_hosts=("deploy-eu.apps.example.com", "web--live.apps.example.com"),
)


@pytest.mark.parametrize(
    ("app", "env", "host"),
    [
        ("kilter", "prod", "kilter.apps.example.com"),
        ("portal", "prod", "portal.apps.example.com"),
        ("registry", "prod", "registry.apps.example.com"),
        ("deploy", "eu", "deploy-eu.apps.example.com"),
        ("web", "prod", "web--live.apps.example.com"),
    ],
)
@pytest.mark.parametrize("public", [True, False])
def test_no_app_is_given_a_host_of_the_platform_itself(webs: Webs, app: str, env: str, host: str, public: bool) -> None:
    """DP-Q9: tokens and passwords of others are sent there."""
    web = webs(OWN_HOSTS)
    section = {"port": 8080, "public": public, "processes": {"live": {"port": 8081, "public": True, "command": ["x"]}}}
    image = IMAGE.replace("registry.example.com/acme/shop", f"{OWN_HOSTS.registry}/globex/{app}")
    reply = web.post(
        f"/v1/projects/globex/{app}/envs/{env}/deploys", web.token("admin", "*/*"), {"image": image, "app": section}
    )
    assert (reply.status, reply.code) == (409, "host_taken")
    error = reply.json["error"]
    assert error["details"] == {"host": host, "proposed_app": f"globex-{app}"}
    assert "belongs to the platform itself; deploy this one as globex/globex-" in error["message"]
    assert web.get(f"/v1/projects/globex/{app}/envs/{env}", web.token("admin", "*/*")).status == 404


def test_other_environments_of_an_app_that_is_called_like_a_part_of_the_platform_have_hosts(
    webs: Webs,
) -> None:
    web = webs(OWN_HOSTS)
    image = IMAGE.replace("registry.example.com/acme/shop", f"{OWN_HOSTS.registry}/globex/kilter")
    body = {"image": image, "app": {"port": 8080}}
    reply = web.post("/v1/projects/globex/kilter/envs/dev/deploys", web.token("admin", "*/*"), body)
    assert (reply.status, reply.json["url"]) == (202, "https://kilter-dev.apps.example.com")


def test_an_environment_that_got_such_a_host_before_can_be_deleted_and_not_deployed(
    webs: Webs,
) -> None:
    web = webs(OWN_HOSTS)
    env, token = "/v1/projects/globex/kilter/envs/prod", web.token("admin", "*/*")
    web.runner.run(web.store.run(deploys.accept, order(Slot("globex", "kilter", "prod")), NOON))
    body = {"image": f"{OWN_HOSTS.registry}/globex/kilter@sha256:{'1' * 64}", "app": {"port": 8080}}
    assert web.post(f"{env}/deploys", token, body).code == "host_taken"
    dispatch(web)
    web.cluster.report("globex-kilter-prod", phase="Ready")
    follow(web)
    assert web("DELETE", env, token, json={"confirm": "globex/kilter/prod"}).status == 202


@pytest.mark.requirement("DP-Q56")
def test_the_host_of_an_app_that_became_internal_is_nobody_elses_until_the_environment_is_deleted(web: Web) -> None:
    theirs = {**DEPLOY, "image": IMAGE.replace("acme", "globex")}
    elsewhere, token = "/v1/projects/globex/shop/envs/dev/deploys", web.token("admin", "*/*")
    for public in (True, False):
        deploy(web, app={**DEPLOY["app"], "public": public})
        dispatch(web)
        report(web, "Ready", url="https://shop-dev.apps.example.com" if public else "")
        assert (web.get(DEV, token).json["url"] is not None) is public
        assert web.post(elsewhere, token, theirs).code == "host_taken"
    assert web("DELETE", DEV, token, json={"confirm": "acme/shop/dev"}).status == 202
    dispatch(web)
    assert web.post(elsewhere, token, theirs).code == "host_taken", "it is not gone yet"
    web.cluster.vanish(NAME)
    follow(web)
    assert web.post(elsewhere, token, theirs).status == 202


def test_lines_of_pods_are_read_from_the_environments_own_namespace(web: Web) -> None:
    """B5, O1: the namespace is the operator's word, the labels are the path's."""
    deploy(web, app=WITH_WORKERS)
    token = web.token("viewer")
    assert web.get(f"{DEV}/logs", token).text == ""
    dispatch(web)
    report(web, "Ready", namespace=NAME)
    web.cluster.lines = ["shop-1 hello", "shop-1 \x1b[31mred"]
    reply = web.get(f"{DEV}/logs?lines=10&since=5m&process=worker", token)
    assert reply.text == "shop-1 hello\nshop-1 \x1b[31mred\n"
    assert reply.headers["content-type"] == "text/plain; charset=utf-8", "or a browser would read markup in it"
    [query] = web.cluster.asked
    assert (query.namespace, query.lines, query.since, query.follow) == (NAME, 10, 300, False)
    assert dict(query.labels) == {"kilter.dev/app": "shop", "kilter.dev/process": "worker"}


@pytest.mark.parametrize("more", ["", "&follow=true"])
def test_lines_of_a_process_that_there_is_not_are_refused_with_those_that_there_are(web: Web, more: str) -> None:
    """LC-Q32."""
    deploy(web, app=WITH_WORKERS)
    for ready in (False, True):
        if ready:
            dispatch(web)
            report(web, "Ready", namespace=NAME)
        reply = web.get(f"{DEV}/logs?process=workr{more}", web.token("viewer"))
        assert (reply.status, reply.code, reply.json["error"]["field"]) == (422, "invalid", "process")
        assert reply.json["error"]["message"] == "acme/shop/dev has no process 'workr'; did you mean 'worker'?"
        assert reply.json["error"]["details"] == {"known": ["shop", "worker", "nightly"]}
    assert web.cluster.asked == []


@pytest.mark.parametrize(
    ("asked", "process"), [("worker", "worker"), ("shop-worker", "worker"), ("shop-nightly", "nightly")]
)
def test_a_process_may_be_asked_for_by_the_name_that_the_cluster_has_for_it(web: Web, asked: str, process: str) -> None:
    """The portal offers the workloads that the operator names."""
    deploy(web, app=WITH_WORKERS)
    dispatch(web)
    report(web, "Ready", namespace=NAME)
    assert web.get(f"{DEV}/logs?process={asked}", web.token("viewer")).status == 200
    assert dict(web.cluster.asked[0].labels)["kilter.dev/process"] == process


def test_a_process_of_the_release_that_serves_is_known_while_a_deploy_without_it_waits(web: Web) -> None:
    first = deploy(web, app=WITH_WORKERS)
    dispatch(web)
    report(web, "Ready", namespace=NAME, release=Release(number=1, image=IMAGE, deploy_id=first.deploy_id))
    deploy(web)
    token = web.token("viewer")
    assert web.get(f"{DEV}/logs?process=worker", token).status == 200
    assert web.get(f"{DEV}/logs?process=jobs", token).json["error"]["details"] == {
        "known": ["shop", "worker", "nightly"]
    }


def test_lines_are_streamed_as_events_and_none_can_pretend_to_be_two(web: Web) -> None:
    deploy(web)
    dispatch(web)
    report(web, "Ready", namespace=NAME)
    web.cluster.lines = ["shop-1 one", "shop-1 two\revent: done"]
    reply = web.get(f"{DEV}/logs?follow=true&process=shop", web.token("viewer"))
    assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.text == "event: log\ndata: shop-1 one\n\nevent: log\ndata: shop-1 two\\revent: done\n\n"
    assert dict(web.cluster.asked[0].labels)["app.kubernetes.io/component"] == "web"


def test_a_revoked_token_ends_the_stream_of_lines(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: also where nothing is printed any more."""
    monkeypatch.setattr(env_routes, "ASK_ALIVE", 0.01)
    deploy(web)
    dispatch(web)
    report(web, "Ready", namespace=NAME)
    ended = list[bool]()

    async def silent(query: LogQuery) -> AsyncIterator[str]:
        try:
            yield "shop-1 one"
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    def revoke(body: bytes) -> bool:
        if b"still here" in body:
            web.store._run(lambda tx: tx.execute("DELETE FROM tokens"))
        return False

    web.cluster.logs = silent  # type: ignore[method-assign]
    reply = web.get(f"{DEV}/logs?follow=true", web.token("viewer"), until=revoke)
    assert "event: log\ndata: shop-1 one\n\n" in reply.text, "before or after the first sign of life"
    web.runner.run(asyncio.sleep(0))
    assert ended == [True]


def with_logs(web: Web, *lines: str | Exception) -> str:
    """Have an environment whose pods print these lines and then nothing more, or fail; returns the logs' address."""
    deploy(web)
    dispatch(web)
    report(web, "Ready", namespace=NAME)

    async def logs(query: LogQuery) -> AsyncIterator[str]:
        for line in lines:
            if isinstance(line, Exception):
                raise line
            yield line
        if query.follow:
            await asyncio.Event().wait()

    web.cluster.logs = logs  # type: ignore[method-assign]
    return f"{DEV}/logs"


@pytest.mark.parametrize(
    ("of_actor", "of_all", "of_followed", "answers"),
    [(1, 9, 9, (429, 429, 200)), (9, 1, 9, (429, 429, 429)), (9, 9, 1, (429, 200, 200))],
)
def test_somebody_reads_a_few_logs_at_once_and_all_together_some_more(
    web: Web, monkeypatch: pytest.MonkeyPatch, of_actor: int, of_all: int, of_followed: int, answers: tuple[int, ...]
) -> None:
    """Each holds connections and memory that others need, too; a further token makes nobody another reader."""
    for name, value in (("OF_ACTOR", of_actor), ("OF_ALL", of_all), ("FOLLOWED", of_followed)):
        monkeypatch.setattr(readers, name, value)
    url, token, again = with_logs(web, "shop-1 one"), web.token("viewer", actor="ann"), web.token("viewer", actor="ann")
    other = web.token("viewer", actor="bob")
    begun = asyncio.Event()

    async def story() -> tuple[list[int], str]:
        leave = asyncio.Event()

        def until(body: bytes) -> bool:
            if body:
                begun.set()
            return leave.is_set()

        first = asyncio.create_task(web.send("GET", f"{url}?follow=true", token, until=until))
        async with asyncio.timeout(5):
            await begun.wait()
            refused = await web.send("GET", f"{url}?follow=true", again)
            found = [
                refused.status,
                (await web.send("GET", url, again)).status,
                (await web.send("GET", url, other)).status,
            ]
        first.cancel()
        await asyncio.wait({first})
        await asyncio.sleep(0)
        return [*found, (await web.send("GET", url, token)).status], refused.code

    assert web.runner.run(story()) == ([*answers, 200], "too_many")


def test_logs_that_cannot_be_had_are_an_answer_of_their_own_and_take_nobodys_place(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "OF_ACTOR", 1)
    url, token = with_logs(web, Unavailable("away")), web.token("viewer")
    assert [web.get(url, token).status for _ in range(2)] == [503, 503]


def test_logs_that_end_early_say_so(web: Web) -> None:
    reply = web.get(with_logs(web, "shop-1 one", Unavailable("away")), web.token("viewer"))
    assert reply.text == "shop-1 one\n(the cluster does not answer any more: lines are missing from here on)\n"


def test_lines_that_are_followed_and_end_early_say_so(web: Web) -> None:
    reply = web.get(f"{with_logs(web, 'shop-1 one', Unavailable('away'))}?follow=true", web.token("viewer"))
    assert reply.text.split("\n\n")[0] == "event: log\ndata: shop-1 one"
    assert reply.text.endswith("data: (the cluster does not answer any more: lines are missing from here on)\n\n")


@pytest.mark.parametrize(("what", "told"), [("events", ""), ("logs", "event: log\ndata: shop-1 one\n\n")])
def test_a_stream_ends_without_a_fault_of_the_server_where_its_store_is_away(
    web: Web, monkeypatch: pytest.MonkeyPatch, what: str, told: str
) -> None:
    for module in (env_routes, event_routes):
        monkeypatch.setattr(module, "ASK_ALIVE", 0.01)
    logs, token = with_logs(web, "shop-1 one"), web.token("viewer")
    url = f"/v1/deploys/{deploy(web).deploy_id}/events" if what == "events" else f"{logs}?follow=true"

    async def away(*_: object, **__: object) -> object:
        raise Unavailable("gone")

    def leave(body: bytes) -> bool:
        if body:
            monkeypatch.setattr(web.store, "run", away)
            monkeypatch.setattr(web.store, "look", away)
        return False

    async def story() -> Reply:
        async with asyncio.timeout(5):
            return await web.send("GET", url, token, until=leave)

    reply = web.runner.run(story())
    assert (reply.status, reply.text.replace(": still here\n\n", "")) == (200, told)


def test_long_logs_are_sent_piece_by_piece_and_whole(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env_routes, "PIECE", 20)
    lines, sizes = [f"shop-1 {number}" for number in range(10)], list[int]()
    url = with_logs(web, *lines)

    def note(body: bytes) -> bool:
        sizes.append(len(body))
        return False

    reply = web.get(url, web.token("viewer"), until=note)
    assert reply.text.splitlines() == lines
    assert len(sizes) < len(lines)
    assert max(after - before for before, after in pairwise(sizes)) <= 20 + len("shop-1 0\n")


@pytest.mark.parametrize("since", ["0s", "1.5h", "yesterday", "-5m"])
def test_lines_are_asked_for_since_a_time_that_is_one(web: Web, since: str) -> None:
    reply = web.get(f"{with_logs(web, 'shop-1 one')}?since={since}", web.token("viewer"))
    assert (reply.status, reply.json["error"]["field"]) == (422, "since")


def test_logs_of_what_is_to_come_are_refused(web: Web) -> None:
    deploy(web)
    assert web.get(f"{DEV}/logs?kind=migration", web.token("viewer")).code == "not_yet"


def test_the_running_application_carries_a_deploy_from_request_to_done(web: Web) -> None:
    """The loops beside the routes, as the process runs them."""

    async def story() -> dict[str, Any]:
        token = web.token_later("maintainer")
        async with web.app.router.lifespan_context(web.app):
            made = await web.send("POST", f"{DEV}/deploys", await token, json=DEPLOY)
            async with asyncio.timeout(2):
                while NAME not in web.cluster.objects:
                    await asyncio.sleep(0.005)
                web.cluster.report(NAME, phase="Ready")
                url = f"/v1/deploys/{made.json['deploy_id']}/events"
                reply = await web.send("GET", url, await web.token_later("viewer"))
        return {"events": names(read_events(reply.text))}

    assert web.runner.run(story()) == {"events": ["phase", "done"]}
    assert web.now == NOON


def test_what_is_accepted_is_carried_out_at_once_and_not_when_somebody_looks_next(web: Web) -> None:
    with web.services.hub.listen(DISPATCH) as listener:
        deploy(web)
        assert web.runner.run(listener.wait(1.0))


@pytest.mark.parametrize("shared", [True, False])
def test_a_server_hears_of_others_where_it_may_have_some(
    web: Web, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """Who follows a deploy here would wait for a sign of life where another server records its phases."""
    heard = list[object]()

    async def hear(services: object) -> None:
        heard.append(services)

    async def live() -> None:
        async with app.background(web.services):
            await asyncio.sleep(0)

    monkeypatch.setattr(app, "hear", hear)
    monkeypatch.setattr(type(web.store), "shared", shared)
    web.runner.run(live())
    assert heard == [web.services] * shared
