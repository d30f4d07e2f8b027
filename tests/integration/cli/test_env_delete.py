"""What `kilter env delete` asks, what it sends, and what it says of the database."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import press_ctrl_c
from integration.deploy.server import HANGS_UP, Table, serving

from kilter.cli.main import run
from kilter.deploy import logins
from kilter.deploy.client import Client
from kilter.deploy.logins import Login

NAME = "acme/shop/main"
PATH = "/v1/projects/acme/shop/envs/main"
LINE = ["env", "delete", "main", "--project", "acme/shop"]
DROPPED = "goes: its database, if it has one, with all data in it"
KEPT = "stays: its database, if it has one; a deploy to main takes it up again"
ENVIRONMENT: dict[str, Any] = {
    "org": "acme",
    "app": "shop",
    "env": "main",
    "phase": "Ready",
    "url": "https://shop-main.apps.example.com",
    "workloads": [],
    "warnings": [],
    **dict.fromkeys(("internal_url", "namespace", "release", "serving", "failure", "lock")),
}
WHO = {"actor": "ada", "scopes": [], "token_id": "t", "expires_at": "2030-01-01T00:00:00Z"}
END = 'id: 1\nevent: done\ndata: {"type": "done", "at": "2026-01-01T00:00:05Z", "release": null, "url": null}\n\n'


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """A platform that this machine is logged in to; it keeps databases unless it is told otherwise."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    events: list[tuple[int, Any]] = [(200, END)]
    answers = {"GET__/v1/deploys/d-1/events": events, "GET__/v1/whoami": [(200, {**WHO, "role": "admin"})]}
    with serving(**answers) as found:
        logins.add(logins.file_of({"XDG_CONFIG_HOME": str(tmp_path)}), Login(found.address, "kilter_x"))
        yield found


def has(table: Table, env_class: str, database: str) -> None:
    """Give the platform an environment of that class, and its answer to a deletion."""
    accepted = {"deploy_id": "d-1", "sequence": 2, "database": database, "queue": {"position": 0, "holder": None}}
    table.answers[f"GET {PATH}"] = [(200, {**ENVIRONMENT, "env_class": env_class})]
    table.answers[f"DELETE {PATH}"] = [(202, accepted)]


def sent(table: Table) -> list[Any]:
    return [body for request, _, body in table.asked if request.startswith("DELETE")]


@pytest.mark.requirement("DP-Q25", "DP-Q28")
@pytest.mark.parametrize(
    ("env_class", "options", "database", "twice"),
    [
        ("ephemeral", [], "drop", False),
        ("ephemeral", ["--keep-database"], "keep", False),
        ("ephemeral", ["--drop-database"], "drop", False),
        ("standard", [], "keep", False),
        ("standard", ["--drop-database"], "drop", False),
        ("protected", [], "keep", False),
        ("protected", ["--keep-database"], "keep", False),
        ("protected", ["--drop-database"], "drop", True),
    ],
)
def test_the_database_goes_where_it_is_said_to_and_else_with_an_ephemeral_environment_alone(
    env_class: str, options: list[str], database: str, twice: bool, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, env_class, database)
    assert run([*LINE, "--yes", *options]) == 0
    [body] = sent(table)
    assert (body["confirm"], body["database"]) == (NAME, database)
    assert body.get("confirm_database") == (NAME if twice else None)
    assert capsys.readouterr().out == f"{NAME} is gone\n{DROPPED if database == 'drop' else KEPT}\n"


def test_what_became_of_the_database_is_told_as_the_platform_tells_it(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "standard", "keep")
    assert run([*LINE, "--yes", "--drop-database"]) == 0
    assert capsys.readouterr().out.endswith(f"{KEPT}\n")


@pytest.mark.parametrize("flags", [[], ["-q"]])
def test_no_style_hides_what_goes_from_who_is_asked(
    flags: list[str], table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(table, "ephemeral", "drop")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{NAME}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    assert run([*flags, *LINE]) == 0
    told = " ".join(screen.getvalue().split())
    assert 0 <= told.find("goes: its database") < told.find(f"Type {NAME} to go on:")


@pytest.mark.requirement("DP-Q25")
@pytest.mark.parametrize(("days", "words"), [(7, "7 days"), (1, "1 day")])
def test_a_database_that_is_not_kept_for_good_is_told_of_with_its_days(
    days: int, words: str, table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "standard", "keep")
    for answer in (f"GET {PATH}", f"DELETE {PATH}"):
        [(code, document)] = table.answers[answer]
        table.answers[answer] = [(code, {**document, "database_kept_days": days})]
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{NAME}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    assert run(LINE) == 0
    said = f"stays for {words}: its database, if it has one; a deploy to main until then takes it up again"
    assert capsys.readouterr().out.endswith(f"{said}\n")
    assert said in " ".join(screen.getvalue().split())


def test_keeping_and_dropping_at_once_is_refused_before_the_platform_is_asked(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*LINE, "--yes", "--keep-database", "--drop-database"]) == 2
    assert "contradict" in capsys.readouterr().err
    assert table.asked == []


@pytest.mark.requirement("DP-Q25", "DP-Q28")
@pytest.mark.parametrize(
    ("env_class", "options", "typed", "code"),
    [
        ("standard", ["--drop-database"], [NAME], 0),
        ("protected", [], [NAME], 0),
        ("protected", ["--drop-database"], [NAME, NAME], 0),
        ("protected", ["--drop-database"], [NAME, ""], 130),
        ("protected", ["--drop-database"], ["", NAME], 130),
        ("protected", ["--drop-database"], [NAME, "acme/shop"], 130),
    ],
)
def test_the_name_is_asked_for_twice_before_a_protected_database_goes(
    env_class: str, options: list[str], typed: list[str], code: int, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(table, env_class, "drop" if options else "keep")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in typed)))
    monkeypatch.setattr(sys, "stderr", screen)
    assert run([*LINE, *options]) == code
    assert len(sent(table)) == (code == 0)
    assert (DROPPED if options else KEPT) in screen.getvalue()


@pytest.mark.requirement("DP-Q72", "DP-Q73")
@pytest.mark.parametrize(
    ("env_class", "role", "needed"),
    [
        ("ephemeral", "deployer", "maintainer"),
        ("standard", "viewer", "maintainer"),
        ("protected", "maintainer", "admin"),
    ],
)
def test_who_may_not_delete_is_told_so_before_a_name_is_asked_for(
    env_class: str, role: str, needed: str, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    has(table, env_class, "keep")
    table.answers["GET /v1/whoami"] = [(200, {**WHO, "role": role})]
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(f"{NAME}\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    assert run(LINE) == 5
    assert sent(table) == []
    told = " ".join(screen.getvalue().split())
    assert f"this needs the role {needed}; your token has {role}" in told
    assert "`kilter whoami`" in told
    assert "Type" not in told


def test_nothing_is_deleted_where_nobody_can_be_asked(
    table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "protected", "drop")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{NAME}\n{NAME}\n"))
    assert run([*LINE, "--drop-database"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert sent(table) == []


@pytest.mark.requirement("F28")
@pytest.mark.parametrize(("answer", "may_have"), [((502, ""), True), ((HANGS_UP, ""), True), ((503, ""), False)])
def test_a_deletion_whose_answer_is_lost_is_sent_once_and_may_have_been_accepted(
    answer: tuple[int, str], may_have: bool, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "standard", "keep")
    table.answers[f"DELETE {PATH}"] = [answer]
    assert run([*LINE, "--yes"]) == 12
    said = capsys.readouterr().err
    assert ("the platform may have accepted the deletion all the same" in said) is may_have
    assert ("`kilter status --project acme/shop --env main` tells" in said) is may_have
    assert len(sent(table)) == 1


@pytest.mark.requirement("F28")
def test_a_deletion_that_was_accepted_in_unknown_words_may_have_been_accepted(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "standard", "keep")
    table.answers[f"DELETE {PATH}"] = [(202, "<html>")]
    assert run([*LINE, "--yes"]) == 1
    said = capsys.readouterr().err
    assert "the platform may have accepted the deletion all the same" in said
    assert "`kilter status --project acme/shop --env main` tells" in said


@pytest.mark.requirement("F28")
def test_ctrl_c_while_the_deletion_is_sent_says_that_it_may_be_accepted(
    table: Table, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    has(table, "standard", "keep")
    monkeypatch.setattr(Client, "delete", press_ctrl_c)
    assert run([*LINE, "--yes"]) == 130
    said = capsys.readouterr().err
    assert "the platform may have accepted it before" in said
    assert "`kilter status --project acme/shop --env main` tells" in said


def test_where_the_end_of_a_deletion_is_told_in_unknown_words_the_environment_is_named(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    has(table, "standard", "keep")
    table.answers["GET /v1/deploys/d-1/events"] = [(200, "id: 1\nevent: failed\ndata: {}\n\n")]
    assert run([*LINE, "--yes"]) == 1
    assert "`kilter releases --project acme/shop --env main`" in capsys.readouterr().err
