import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes import press_ctrl_c
from integration.deploy.server import serving
from integration.deploy.test_attach import DEPLOY, ENV, ENVIRONMENT, ONE

from kilter.deploy import client as client_module
from kilter.deploy import follow as following
from kilter.deploy.client import Client
from kilter.deploy.follow import Follower, answers
from kilter.deploy.logins import Login
from kilter.errors import Busy, Failed, KilterError, NotAllowed, NotFound, NotReady, TimedOut
from kilter.progress import Recorder

PATH = "GET__/v1/deploys/d-1/events"
WHERE = "--project acme/shop --env dev"
AT = "2026-01-01T00:00:05Z"


def stream(*told: dict[str, Any]) -> str:
    return "".join(f"id: {number}\nevent: x\ndata: {json.dumps(event)}\n\n" for number, event in enumerate(told, 1))


def phase(name: str, message: str = "") -> dict[str, Any]:
    return {"type": "phase", "at": AT, "phase": name, "message": message}


DONE = {"type": "done", "at": AT, "release": 3, "url": "http://shop.localhost"}
FAILURE = {"phase": "RollingOut", "reason": "ImagePullBackOff", "message": "no such image", "logTail": ["line"]}
HOLDER = {"deploy_id": "d-0", "actor": "bob", "phase": "Publishing", "since": "2026-01-01T00:00:00Z"}


def follow(table: Any, progress: Recorder, limit: float = 20.0) -> Any:
    with Client(Login(table.address, "t")) as client:
        return Follower(client, progress, "d-1", time.monotonic() + limit, WHERE).run()


@pytest.mark.requirement("DP-21")
def test_phases_are_told_with_their_durations_until_the_end() -> None:
    progress = Recorder()
    queued = {"type": "queued", "at": AT, "queue": {"position": 1, "holder": HOLDER}}
    with serving(**{PATH: [(200, stream(queued, phase("Publishing"), phase("RollingOut"), DONE))]}) as table:
        assert follow(table, progress).url == "http://shop.localhost"
    told = "\n".join(progress.lines)
    assert "waiting for d-0 by bob (Publishing, since 5.0s)" in told
    assert told.index("✓ Publishing (") < told.index("✓ RollingOut (")


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({}, "`kilter status --project acme/shop --env dev` tells what serves; mend it and deploy again"),
        ({"reason": "Deleted"}, "nothing that kilter knows of serves there; deploy again"),
        ({"reason": "Missing"}, "nothing that kilter knows of serves there; deploy again"),
        ({"phase": "Deleting", "reason": "Conflict"}, "delete it again"),
    ],
)
def test_a_failure_comes_with_what_serves_and_what_to_do(changes: dict[str, str], hint: str) -> None:
    failed = {"type": "failed", "at": AT, "failure": {**FAILURE, **changes}}
    with serving(**{PATH: [(200, stream(failed))]}) as table, pytest.raises(NotReady) as caught:
        follow(table, Recorder())
    assert hint in str(caught.value.hint)


def release(number: int) -> dict[str, Any]:
    return {"number": number, "image": "i", "deploy_id": f"d-{number}", "commit": "", "at": None}


@pytest.mark.parametrize(
    ("serves", "ready", "hint"),
    [
        (None, 0, "nothing serves there now; mend it and deploy again"),
        (0, 0, "release 0 serves on; mend it and deploy again"),
        (0, 1, "release 0 serves on, and pods of this one beside it; mend it and deploy again"),
        (1, 3, "pods of this very release serve, although not all of it came up; mend it and deploy again"),
    ],
)
def test_after_a_failure_the_environment_is_asked_what_serves(serves: int | None, ready: int, hint: str) -> None:
    standing = {
        **ENVIRONMENT,
        "phase": "Failed",
        "release": release(1),
        "serving": None if serves is None else release(serves),
        "workloads": [{"name": "shop", "desired": 3, "ready": ready}],
    }
    events = [(200, stream({"type": "failed", "at": AT, "failure": FAILURE}))]
    answers: dict[str, list[tuple[int, Any]]] = {PATH: events, ONE: [(200, DEPLOY)], ENV: [(200, standing)]}
    with serving(**answers) as table, pytest.raises(NotReady) as caught:
        follow(table, Recorder())
    assert caught.value.hint == f"{hint} (this was d-1)"


def test_ctrl_c_while_the_environment_is_asked_leaves_the_failure_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "environment", press_ctrl_c)
    events: list[tuple[int, Any]] = [(200, stream({"type": "failed", "at": AT, "failure": FAILURE}))]
    with serving(**{PATH: events, ONE: [(200, DEPLOY)]}) as table, pytest.raises(NotReady, match="no such image"):
        follow(table, Recorder())


def test_a_lost_stream_is_taken_up_where_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY", 0.05)
    monkeypatch.setattr(client_module, "PAUSES", ())
    with serving(**{PATH: [(200, stream(phase("Publishing"))), (503, {}), (200, stream(DONE))]}) as table:
        follow(table, Recorder())
    assert [headers.get("Last-Event-ID") for _, headers, _ in table.asked] == [None, "1", "1"]


def test_a_connection_that_stays_lost_is_told_once_and_again_when_it_is_lost_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "RETRY", 0.01)
    monkeypatch.setattr(client_module, "PAUSES", ())
    away: list[tuple[int, Any]] = [(503, {})] * 3
    progress = Recorder()
    begun = (200, stream(phase("Publishing")))
    with serving(**{PATH: [*away, begun, *away, (200, stream(DONE))]}) as table:
        follow(table, progress)
    assert len([line for line in progress.lines if "lost the connection" in line]) == 2


def test_a_server_that_takes_no_more_requests_for_now_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY", 0.05)
    busy = {"error": {"code": "too_many", "message": "not now"}}
    progress = Recorder()
    with serving(**{PATH: [(429, busy), (200, stream(DONE))]}) as table:
        assert follow(table, progress).release == 3
    assert any(line.endswith("not now; the deploy goes on, asking again") for line in progress.lines)


@pytest.mark.requirement("DP-Q41")
@pytest.mark.parametrize(("status", "kind"), [(401, NotAllowed), (403, NotAllowed), (404, NotFound), (302, Failed)])
def test_who_may_not_follow_any_more_hears_that_the_deploy_goes_on(status: int, kind: type[KilterError]) -> None:
    refused = {"error": {"code": "x", "message": "the token is over", "next": "kilter login"}}
    with serving(**{PATH: [(status, refused)]}) as table, pytest.raises(kind, match="the token is over") as caught:
        follow(table, Recorder())
    assert caught.value.why == "d-1 was accepted and goes on"
    assert caught.value.hint == "kilter login; `kilter deploy --follow d-1` follows it again"


def test_what_a_newer_server_tells_is_passed_over() -> None:
    progress = Recorder()
    news = (phase("Verifying"), phase("Verifying", "still"), {"type": "cost", "at": AT})
    with serving(**{PATH: [(200, stream(phase("Publishing"), *news, DONE))]}) as table:
        assert follow(table, progress).release == 3
    assert sum("more than this kilter understands" in line for line in progress.lines) == 1
    assert any("✓ Publishing (" in line for line in progress.lines)


def test_an_end_that_a_newer_server_tells_is_an_end_all_the_same() -> None:
    """Else the last event would be asked for again until the time is up."""
    event = {"type": "failed", "at": AT, "failure": {**FAILURE, "phase": "Verifying"}}
    text = f"id: 1\nevent: failed\ndata: {json.dumps(event)}\n\n"
    with serving(**{PATH: [(200, text)]}) as table, pytest.raises(Failed, match=r"d-1 has ended \(failed\)") as caught:
        follow(table, Recorder())
    assert "Verifying" in caught.value.why
    assert caught.value.hint.startswith(f"`kilter releases {WHERE}`")


@pytest.mark.requirement("DP-Q45")
def test_a_failure_is_the_platforms_own_sentence_with_the_last_log_lines() -> None:
    failed = {"type": "failed", "at": AT, "failure": FAILURE}
    with serving(**{PATH: [(200, stream(failed))]}) as table, pytest.raises(NotReady, match="no such image") as caught:
        follow(table, Recorder())
    assert caught.value.details == ("line",)
    assert caught.value.why == "RollingOut: ImagePullBackOff"


@pytest.mark.requirement("DP-Q66")
def test_a_superseded_deploy_names_the_newer_one() -> None:
    told = {"type": "superseded", "at": AT, "by": "d-2"}
    with serving(**{PATH: [(200, stream(told))]}) as table, pytest.raises(Busy, match="d-2") as caught:
        follow(table, Recorder())
    assert caught.value.hint == "`kilter deploy --follow d-2` follows it"


@pytest.mark.requirement("DP-Q41")
def test_the_limit_ends_the_wait_and_says_how_to_go_on() -> None:
    with serving(**{PATH: [(200, stream(phase("RollingOut")))]}) as table, pytest.raises(TimedOut) as caught:
        follow(table, Recorder(), limit=0.0)
    assert "d-1" in caught.value.what
    assert "`kilter deploy --follow d-1`" in caught.value.hint


def test_who_waits_in_vain_is_told_what_the_platform_said_last() -> None:
    said = [phase("Deleting"), *(phase("Deleting", each) for each in ("the commit waits", "x stands in the way"))]
    with serving(**{PATH: [(200, stream(*said))]}) as table, Client(Login(table.address, "t")) as client:
        follower = Follower(client, Recorder(), "d-1", time.monotonic() + 20.0, WHERE)
        follower._read()
        follower.limit = 0.0
        with pytest.raises(TimedOut) as caught:
            follower.run()
    assert caught.value.why == "it was accepted and goes on without you; the last it said: x stands in the way"


def test_a_stream_that_only_says_that_it_lives_is_left_when_the_time_is_up() -> None:
    with serving(**{PATH: [(200, ": alive\n\n" * 3)]}) as table, pytest.raises(TimedOut):
        follow(table, Recorder(), limit=0.0)
    assert len(table.asked) == 1


@pytest.mark.requirement("DP-8", "DP-10")
def test_only_an_answer_of_the_new_release_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY", 0.05)
    old, new = ({"_headers": {"kilter-release": name}} for name in ("d-0", "d-1"))
    with serving(**{"GET__/": [(200, old), (200, new)]}) as table:
        assert answers(table.address, "d-1", time.monotonic() + 20, WHERE, never).startswith("200")
    assert len(table.asked) == 2
    with serving(**{"GET__/": [(200, old)]}) as table, pytest.raises(NotReady, match="not answered by the new release"):
        answers(table.address, "d-1", time.monotonic(), WHERE, never)


def never() -> bool:
    return False


@pytest.mark.requirement("DP-8", "DP-10")
def test_a_release_that_a_newer_one_replaced_meanwhile_is_no_fault_of_the_network() -> None:
    def unknown() -> bool:
        raise Failed("the platform does not say")

    with serving(**{"GET__/": [(200, {"_headers": {"kilter-release": "d-2"}})]}) as table:
        assert answers(table.address, "d-1", time.monotonic(), WHERE, lambda: True) == ""
        with pytest.raises(NotReady):
            answers(table.address, "d-1", time.monotonic(), WHERE, unknown)


@pytest.mark.requirement("DP-8", "DP-10")
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_that_has_nobody_to_ask_is_no_answer_whatever_its_header_says(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RETRY", 0.05)
    named = {"_headers": {"kilter-release": "d-1"}}
    with serving(**{"GET__/": [(status, named), (500, named)]}) as table:
        assert answers(table.address, "d-1", time.monotonic() + 20, WHERE, never).startswith("500"), (
            "that is the app's own affair"
        )
    with serving(**{"GET__/": [(status, named)]}) as table, pytest.raises(NotReady) as caught:
        answers(table.address, "d-1", time.monotonic(), WHERE, never)
    assert f"the last answer: {status}, from release d-1" in caught.value.why
    assert f"`kilter logs {WHERE}`" in caught.value.hint


@pytest.mark.requirement("DP-8", "DP-10")
@pytest.mark.parametrize("head", ["Content-Encoding: gzip", "Content-Type: text/event-stream"])
def test_the_body_of_the_answer_is_the_apps_own_affair(head: str) -> None:
    """One that cannot be read, and one that never comes."""
    with socket.create_server(("127.0.0.1", 0)) as app:
        address = f"http://127.0.0.1:{app.getsockname()[1]}"

        def serve() -> socket.socket:
            taken = app.accept()[0]
            taken.recv(4096)
            taken.sendall(f"HTTP/1.1 200 OK\r\nkilter-release: d-1\r\n{head}\r\n\r\nno gzip".encode())
            return taken

        with ThreadPoolExecutor() as pool:
            open_still = pool.submit(serve)
            began = time.monotonic()
            assert answers(address, "d-1", time.monotonic() + 20, WHERE, never) == "200 OK"
            assert time.monotonic() - began < 5
            open_still.result().close()
