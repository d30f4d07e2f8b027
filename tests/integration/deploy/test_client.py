import socket
import ssl
from pathlib import Path

import pytest
from harness.certificates import certified
from integration.deploy.server import HANGS_UP, Table, serving

from kilter.api.access import WhoAmI
from kilter.deploy import client as client_module
from kilter.deploy.client import Client, events, split
from kilter.deploy.logins import Login
from kilter.deploy.refusals import Unanswered, may_be_done
from kilter.errors import BadInput, Busy, Failed, KilterError, NotAllowed, NotFound, PlanNeeded, Unreachable

ME = {"actor": "ada", "role": "viewer", "scopes": [], "token_id": "t", "expires_at": "2030-01-01T00:00:00Z"}


def ask(address: str) -> WhoAmI:
    with Client(Login(address, "kilter_x")) as client:
        return client.get("/v1/whoami", WhoAmI)


def test_a_name_below_localhost_is_this_machine_and_the_token_goes_in_a_header() -> None:
    with serving(**{"GET__/v1/whoami": [(200, ME)]}) as table:
        assert ask(table.address).actor == "ada"
    asked, headers, _ = table.asked[0]
    assert headers["Authorization"] == "Bearer kilter_x"
    assert headers["Host"].startswith("kilter.localhost:")
    assert "kilter_x" not in asked


@pytest.mark.parametrize("proxy", ["http://proxy:abc", "ftp://proxy", "socks5://proxy:1080"])
def test_a_proxy_that_cannot_be_used_is_told_of_and_nobody_is_asked(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(BadInput, match="a proxy of your environment cannot be used") as caught:
        ask("https://kilter.invalid")
    assert caught.value.why
    assert "NO_PROXY" in caught.value.hint


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, NotAllowed, 5),
        (403, NotAllowed, 5),
        (404, NotFound, 6),
        (409, Busy, 3),
        (422, BadInput, 2),
        (423, Busy, 3),
        (428, PlanNeeded, 8),
        (500, Unreachable, 12),
        (503, Unreachable, 12),
        (302, Failed, 1),
    ],
)
def test_every_status_becomes_an_error_with_its_exit_code(
    status: int, kind: type[KilterError], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    body = {"error": {"code": "x", "message": "the reason", "field": "app.port", "next": "kilter login"}}
    with serving(**{"GET__/v1/whoami": [(status, body)]}) as table, pytest.raises(kind, match="the reason") as caught:
        ask(table.address)
    assert caught.value.exit_code == code
    assert caught.value.hint == "kilter login"
    assert "field: app.port" in caught.value.details


@pytest.mark.parametrize(
    ("status", "body", "hint"),
    [
        (401, {"error": {"code": "not_logged_in", "message": "no"}}, "`kilter login"),
        (403, {"error": {"code": "forbidden", "message": "no"}}, "`kilter whoami`"),
        (404, {"error": {"code": "not_found", "message": "no"}}, "`kilter apps`"),
        (426, {"error": {"code": "cli_too_old", "message": "no"}}, "update kilter"),
        (404, "<html>no such page</html>", "is it a kilter-server?"),
        (502, "<html>bad gateway</html>", "try again later"),
    ],
)
def test_a_refusal_that_names_no_next_step_gets_one(
    status: int, body: object, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with serving(**{"GET__/v1/whoami": [(status, body)]}) as table, pytest.raises(KilterError) as caught:
        ask(table.address)
    assert hint in caught.value.hint


@pytest.mark.requirement("F28")
@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_question_is_asked_again_while_the_server_is_replaced(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with serving(**{"GET__/v1/whoami": [(status, ""), (status, ""), (200, ME)]}) as table:
        assert ask(table.address).actor == "ada"


@pytest.mark.requirement("F28")
def test_a_stream_is_opened_again_while_the_server_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with serving(**{"GET__/v1/x": [(502, ""), (200, "data: 1\n\n")]}) as table:
        client = Client(Login(table.address, "t"))
        with client, client.stream("/v1/x") as lines:
            assert [each.data for each in events(lines)] == ["1"]


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("https://sso.example.com/in?rd=SECRET", "it redirects to sso.example.com: log in to that address, or past"),
        ("//user:SECRET@kilter.example.com:8443/", "it redirects to kilter.example.com:8443: log in"),
        ("/login?SECRET", "is it a kilter-server?"),
        ("https://[SECRET", "is it a kilter-server?"),
    ],
)
def test_a_redirect_is_an_error_that_names_the_host_alone(location: str, hint: str) -> None:
    there = {"_headers": {"Location": location}}
    with serving(**{"GET__/v1/whoami": [(302, there)]}) as table:
        with pytest.raises(Failed, match="answered 302") as asked:
            ask(table.address)
        client = Client(Login(table.address, "t"))
        with client, pytest.raises(Failed, match="answered 302") as opened, client.stream("/v1/whoami"):
            pass
    for error in (asked.value, opened.value):
        assert error.hint.startswith(hint)
        assert "SECRET" not in f"{error.what} {error.why} {error.hint} {error.details}"


def test_what_is_no_stream_is_not_taken_for_one_that_ended() -> None:
    page = {"_headers": {"Content-Type": "text/html"}}
    with (
        serving(**{"GET__/v1/x": [(200, page)]}) as table,
        Client(Login(table.address, "t")) as client,
        pytest.raises(Failed, match="does not understand") as caught,
        client.stream("/v1/x"),
    ):
        pass
    assert caught.value.why == "it is text/html, and no stream of events"


def test_where_there_is_nothing_to_stream_the_stream_is_over_at_once() -> None:
    with (
        serving(**{"GET__/v1/x": [(200, "")]}) as table,
        Client(Login(table.address, "t")) as client,
        client.stream("/v1/x") as lines,
    ):
        assert list(lines) == []


def garbled(status: int = 200) -> tuple[int, object]:
    """Return an answer that says it is compressed, and is not."""
    return status, {"_headers": {"Content-Encoding": "gzip"}}


def test_what_cannot_be_decompressed_is_none_of_a_kilter_servers() -> None:
    with (
        serving(**{"GET__/v1/whoami": [garbled()]}) as table,
        pytest.raises(Failed, match="does not understand") as caught,
    ):
        ask(table.address)
    assert "decompressing" in caught.value.why


def test_a_stream_that_cannot_be_decompressed_is_lost() -> None:
    head = {"Content-Encoding": "gzip", "Content-Type": "text/event-stream"}
    with (
        serving(**{"GET__/v1/x": [(200, {"_headers": head})]}) as table,
        Client(Login(table.address, "t")) as client,
        pytest.raises(Unreachable),
        client.stream("/v1/x") as lines,
    ):
        list(lines)


@pytest.mark.parametrize(("status", "kind"), [(200, Failed), (403, NotAllowed)])
def test_what_is_no_utf_8_is_none_of_a_kilter_servers(status: int, kind: type[KilterError]) -> None:
    said = b'{"error": {"code": "x", "message": "\xff"}, "actor": "\xff"}'
    with serving(**{"GET__/v1/whoami": [(status, said)]}) as table, pytest.raises(kind):
        ask(table.address)


@pytest.mark.requirement("F28")
@pytest.mark.parametrize("answer", [(202, "<html>"), (202, '{"actor": "a'), (202, b'{"actor": "\xff"}'), garbled(202)])
def test_a_success_that_cannot_be_read_leaves_it_open_what_was_carried_out(
    answer: tuple[int, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = posted([answer], monkeypatch)[1]
    assert isinstance(found, KilterError)
    assert "does not understand" in found.what
    assert may_be_done(found)
    with serving(**{"DELETE__/v1/x": [answer]}) as table, Client(Login(table.address, "t")) as client:
        with pytest.raises(KilterError, match="does not understand") as caught:
            client.delete("/v1/x", WhoAmI)
        assert may_be_done(caught.value)


@pytest.mark.parametrize("named", ["missing.pem", "rubbish.pem"])
def test_a_file_of_authorities_that_cannot_be_read_is_named(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rubbish.pem").write_text("x")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / named))
    with pytest.raises(BadInput, match="SSL_CERT_FILE") as caught:
        ask("https://kilter.localhost:1")
    assert str(tmp_path / named) in caught.value.what
    assert caught.value.why


def test_an_address_that_names_no_host_is_not_laid_on_a_proxy() -> None:
    with pytest.raises(BadInput, match="is no address of a server"):
        ask("https://-ü.example")


def test_a_page_in_place_of_plain_text_is_not_taken_for_it() -> None:
    with serving(**{"GET__/v1/x": [(200, "<html>")]}) as table, Client(Login(table.address, "t")) as client:
        with pytest.raises(Failed, match="does not understand") as caught:
            client.text("/v1/x")
        assert caught.value.why == "it is text/html, and no plain text"


def test_what_a_proxy_refuses_to_pass_on_was_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSES", ())
    with serving(**{"CONNECT__kilter.invalid:443": [(407, "")]}) as table:
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{table.address.rpartition(':')[2]}")
        with (
            Client(Login("https://kilter.invalid", "t")) as client,
            pytest.raises(Unreachable, match="does not answer") as caught,
        ):
            client.post("/v1/x", WhoAmI, {})
    assert len(table.asked) == 1
    assert not may_be_done(caught.value)


def test_only_a_newline_ends_a_line_of_a_stream() -> None:
    with (
        serving(**{"GET__/v1/x": [(200, "data: a\u2028b\u2029c\u0085d\r\n\r\ndata: e\n\n")]}) as table,
        Client(Login(table.address, "t")) as client,
        client.stream("/v1/x") as lines,
    ):
        assert [each.data for each in events(lines)] == ["a\u2028b\u2029c\u0085d", "e"]


def test_a_line_of_a_stream_may_come_in_pieces() -> None:
    assert list(split(["da", "ta: 1\r", "\n\nda", "ta: 2"])) == ["data: 1", "", "data: 2"]


def test_what_is_deleted_is_not_deleted_again_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with serving(**{"DELETE__/v1/x": [(502, ""), (200, ME)]}) as table, Client(Login(table.address, "t")) as client:
        with pytest.raises(Unreachable, match="answered 502"):
            client.delete("/v1/x")
        assert len(table.asked) == 1


def test_what_an_error_lists_is_told_as_words() -> None:
    error = {"code": "invalid", "message": "no", "details": {"known": ["shop", "worker"], "left": [], "deep": {"a": 1}}}
    with serving(**{"GET__/v1/whoami": [(422, {"error": error})]}) as table, pytest.raises(BadInput) as caught:
        ask(table.address)
    assert caught.value.details == ("known: shop, worker", "left: none")


def test_what_is_no_kilter_server_is_said_to_be_none() -> None:
    with serving(**{"GET__/v1/whoami": [(200, "<html>")]}) as table, pytest.raises(Failed, match="does not understand"):
        ask(table.address)


@pytest.mark.requirement("DP-Q10")
def test_tls_below_localhost_goes_by_the_name_and_by_the_authority_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certified(tmp_path, "kilter.localhost")
    asked_for: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.certificate, made.key)
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with serving(tls, **{"GET__/v1/whoami": [(200, ME)]}) as table:
        with pytest.raises(Unreachable, match="does not answer") as caught:
            ask(table.address)
        assert "SSL_CERT_FILE" in caught.value.hint
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        assert ask(table.address).actor == "ada"
    assert asked_for == ["kilter.localhost"] * 2
    assert [headers["Authorization"] for _, headers, _ in table.asked] == ["Bearer kilter_x"]


@pytest.mark.parametrize(
    ("why", "hint"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006)", "renew"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, certificate is not valid",
            "other",
        ),
        ("[SSL: TLSV1_UNRECOGNIZED_NAME] tlsv1 unrecognized name (_ssl.c:1006)", "other names"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "SSL_CERT_FILE"),
        ("[Errno 111] Connection refused", "try again later"),
    ],
)
def test_a_certificate_that_no_trust_helps_is_for_the_administrator(why: str, hint: str) -> None:
    assert hint in Client(Login("https://kilter.localhost", "kilter_x"))._unreachable(OSError(why)).hint


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match="does not answer"):
            ask(address)


def test_posts_carry_a_key_of_their_own() -> None:
    with serving(**{"POST__/v1/device/tokens": [(200, ME)]}) as table, Client(Login(table.address, "")) as client:
        for _ in range(2):
            client.post("/v1/device/tokens", WhoAmI, {"a": 1})
    keys = {headers["Idempotency-Key"] for _, headers, _ in table.asked}
    assert len(keys) == 2
    assert all("Authorization" not in headers for _, headers, _ in table.asked)


BUSY = {"error": {"code": "in_progress", "message": "not answered yet"}}


def posted(answers: list[tuple[int, object]], monkeypatch: pytest.MonkeyPatch) -> tuple[Table, WhoAmI | KilterError]:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with serving(**{"POST__/v1/x": answers}) as table, Client(Login(table.address, "t")) as client:
        try:
            return table, client.post("/v1/x", WhoAmI, {"a": 1})
        except KilterError as error:
            return table, error


@pytest.mark.requirement("F28")
@pytest.mark.parametrize(
    "lost",
    [[(HANGS_UP, "")], [(502, "")], [(503, ""), (504, "")], [(HANGS_UP, ""), (409, BUSY)]],
)
def test_a_post_whose_answer_is_lost_is_sent_again_with_the_same_key(
    lost: list[tuple[int, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, found = posted([*lost, (200, ME)], monkeypatch)
    assert isinstance(found, WhoAmI)
    assert len(table.asked) == len(lost) + 1
    assert len({headers["Idempotency-Key"] for _, headers, _ in table.asked}) == 1


@pytest.mark.requirement("F28")
@pytest.mark.parametrize(
    ("answers", "kind", "asked"),
    [
        ([(HANGS_UP, "")], Unanswered, 3),
        ([(502, "")], Unanswered, 3),
        ([(HANGS_UP, ""), (503, "")], Unanswered, 3),
        ([(HANGS_UP, ""), (409, BUSY)], Unanswered, 3),
        ([(503, "")], Unreachable, 3),
        ([(409, BUSY)], Busy, 1),
        ([(500, "")], Unreachable, 1),
        ([(HANGS_UP, ""), (422, "")], BadInput, 2),
        ([(401, "")], NotAllowed, 1),
    ],
)
def test_whether_a_post_may_have_been_carried_out_is_known_after_the_last_try(
    answers: list[tuple[int, object]], kind: type[KilterError], asked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, found = posted(answers, monkeypatch)
    assert type(found) is kind
    assert len(table.asked) == asked
    assert may_be_done(found) is (kind is Unanswered)


@pytest.mark.requirement("F28")
@pytest.mark.parametrize("lost", [(HANGS_UP, ""), (502, "")])
@pytest.mark.parametrize(("status", "code"), [(302, 1), (401, 5), (403, 5), (404, 6), (429, 3), (500, 12)])
def test_a_refusal_that_does_not_decide_leaves_it_open_whether_the_first_try_came_through(
    lost: tuple[int, object], status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = posted([lost, (status, "")], monkeypatch)[1]
    assert isinstance(found, KilterError)
    assert (found.exit_code, may_be_done(found)) == (code, True)


def test_what_may_be_made_twice_is_asked_for_with_a_new_key_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server does not keep an answer that holds a secret: to the same key it could only say so."""
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    answers: list[tuple[int, object]] = [(HANGS_UP, ""), (200, ME)]
    with serving(**{"POST__/v1/x": answers}) as table, Client(Login(table.address, "t")) as client:
        client.post("/v1/x", WhoAmI, {}, renews=True)
    assert len({headers["Idempotency-Key"] for _, headers, _ in table.asked}) == 2


def test_without_a_login_nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are a token's: who has none would have it carried out twice."""
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with (
        serving(**{"POST__/v1/x": [(HANGS_UP, "")]}) as table,
        Client(Login(table.address, "")) as client,
        pytest.raises(Unanswered),
    ):
        client.post("/v1/x", WhoAmI, {})
    assert len(table.asked) == 1


def test_what_nobody_was_there_to_take_was_not_carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable) as caught:
            Client(Login(f"http://127.0.0.1:{taken.getsockname()[1]}", "t")).post("/v1/x", WhoAmI, {})
    assert type(caught.value) is Unreachable


def test_a_stream_is_read_event_by_event_and_comments_are_left_out() -> None:
    lines = ["id: 1", "event: phase", 'data: {"a":', "data: 1}", "", ": alive", "", "data:x", ""]
    found = list(events(iter(lines)))
    assert [(each.id, each.name, each.data) for each in found] == [("1", "phase", '{"a":\n1}'), ("", "message", "x")]
