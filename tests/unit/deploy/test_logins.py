import json
from pathlib import Path

import pytest

from kilter.deploy import logins, session
from kilter.deploy.logins import Login, server_address
from kilter.errors import BadInput, NotAllowed

ONE, OTHER = Login("https://one.example", "kilter_a", "ada"), Login("https://other.example", "kilter_b", "bob")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.mark.requirement("DP-4", "DP-Q8")
def test_the_last_login_is_the_current_one_and_the_file_is_private(environment: dict[str, str]) -> None:
    file = logins.file_of(environment)
    logins.add(file, ONE)
    logins.add(file, OTHER)
    assert logins.current(environment) == OTHER
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.requirement("DP-5")
def test_after_a_logout_nobody_is_logged_in(environment: dict[str, str]) -> None:
    file = logins.file_of(environment)
    logins.add(file, ONE)
    logins.remove(file, ONE)
    with pytest.raises(NotAllowed, match="not logged in"):
        logins.current(environment)


def test_a_logout_leaves_other_servers_logged_in_and_makes_none_of_them_the_current_one(
    environment: dict[str, str],
) -> None:
    file = logins.file_of(environment)
    logins.add(file, ONE)
    logins.add(file, OTHER)
    assert session.log_out(environment, everything=False).left == (ONE.server,)
    with pytest.raises(NotAllowed, match="you are not logged in") as caught:
        logins.current(environment)
    assert caught.value.why == "this machine is logged in to https://one.example"
    assert caught.value.hint.startswith("set KILTER_SERVER to the one that you mean, or run `kilter login")
    assert logins.current(environment | {"KILTER_SERVER": ONE.server}) == ONE


def test_a_logout_is_from_the_server_that_other_verbs_are_about(environment: dict[str, str]) -> None:
    file = logins.file_of(environment)
    logins.add(file, ONE)
    logins.add(file, OTHER)
    assert session.log_out(environment | {"KILTER_SERVER": "one.example/"}, everything=False).gone == (ONE,)
    assert logins.current(environment) == OTHER
    elsewhere = environment | {"KILTER_SERVER": "https://else.example"}
    assert session.log_out(elsewhere, everything=False).gone == ()
    assert session.log_out(elsewhere, everything=True).gone == (OTHER,)


@pytest.mark.requirement("DP-Q7")
def test_the_environment_goes_before_the_file(environment: dict[str, str]) -> None:
    logins.add(logins.file_of(environment), ONE)
    given = environment | {"KILTER_SERVER": "https://ci.example/", "KILTER_TOKEN": "kilter_ci"}
    assert logins.current(given) == Login("https://ci.example", "kilter_ci")
    with pytest.raises(NotAllowed, match="not logged in to"):
        logins.current(environment | {"KILTER_SERVER": "https://else.example"})


def test_a_token_never_shows_in_what_is_printed_of_a_login() -> None:
    assert "kilter_a" not in repr(ONE)


def test_white_space_around_a_token_is_none_of_it(environment: dict[str, str]) -> None:
    logins.add(logins.file_of(environment), Login(ONE.server, "kilter_a\n"))
    assert logins.current(environment).token == "kilter_a"
    assert logins.current(environment | {"KILTER_TOKEN": "\t kilter_ci\r\n"}).token == "kilter_ci"
    assert logins.current(environment | {"KILTER_TOKEN": " \n"}).token == "kilter_a", "that is none"


@pytest.mark.parametrize("token", ["kilter_ SECRET", "kilter_\nSECRET", "“kilter_SECRET”", "kilter_\udcffSECRET"])
def test_what_is_no_token_is_refused_and_not_shown(environment: dict[str, str], token: str) -> None:
    given = {"KILTER_SERVER": ONE.server, "KILTER_TOKEN": token}
    with pytest.raises(BadInput, match="a character that no token has") as named:
        logins.current(environment | given)
    logins.add(logins.file_of(environment), Login(ONE.server, "kilter_SECRETé"))
    with pytest.raises(BadInput, match="a character that no token has") as kept:
        logins.current(environment)
    for error in (named.value, kept.value):
        assert "SECRET" not in f"{error.what} {error.why} {error.hint} {error.details}"


def test_a_damaged_file_is_named_and_left_alone(environment: dict[str, str]) -> None:
    file = logins.file_of(environment)
    file.parent.mkdir(parents=True)
    file.write_text("{")
    with pytest.raises(BadInput, match=r"credentials\.json"):
        logins.current(environment)
    assert file.read_text() == "{"


@pytest.mark.parametrize("one", [{"token": None}, {"token": 1}, {}, {"token": "kilter_SECRET", "minted": "SECRET"}])
def test_a_login_of_a_wrong_form_is_a_damage_and_not_shown(environment: dict[str, str], one: dict[str, object]) -> None:
    written(environment, {"version": 1, "current": ONE.server, "servers": {ONE.server: one}})
    with pytest.raises(BadInput, match=r"credentials\.json") as caught:
        logins.current(environment)
    assert "SECRET" not in f"{caught.value.what} {caught.value.why}"


def test_what_a_newer_kilter_wrote_beside_a_login_is_passed_over_and_kept(environment: dict[str, str]) -> None:
    newer = {"token": "kilter_a", "actor": "ada", "token_id": "t-1"}
    file = written(environment, {"version": 2, "current": ONE.server, "servers": {ONE.server: newer}, "theme": "dark"})
    assert logins.current(environment) == ONE
    logins.add(file, OTHER)
    logins.remove(file, OTHER)
    told = json.loads(file.read_text())
    assert (told["version"], told["theme"], told["servers"]) == (2, "dark", {ONE.server: newer})


def test_a_login_that_took_the_place_of_a_forgotten_one_is_kept(environment: dict[str, str]) -> None:
    file = logins.file_of(environment)
    newer = Login(ONE.server, "kilter_new", "ada")
    logins.add(file, newer)
    logins.remove(file, ONE)
    assert logins.current(environment) == newer


def written(environment: dict[str, str], content: object) -> Path:
    file = logins.file_of(environment)
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kilter.example.com", "https://kilter.example.com"),
        ("https://kilter.example.com/", "https://kilter.example.com"),
        ("http://kilter.localhost:31080", "http://kilter.localhost:31080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        (f"https://{'a' * 63}.example.com.", f"https://{'a' * 63}.example.com."),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert server_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://kilter.example.com",
        "ftp://x",
        "https://me:pw@x.example",
        "https://",
        "https://x:port",
        "https://[::1",
        "https://kilter..example.com",
        "https://münchen..de",
        "https://foo bar.example",
        "https://foo\u00a0bar.example",
        f"https://{'a' * 64}.example.com",
        "",
    ],
)
def test_an_address_that_would_leak_or_lead_nowhere_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        server_address(text)
