"""`python -m kilter.server token`: tokens made in the server's own pod. Each test runs on every database."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from unit.server.conftest import POSTGRES, postgres

from kilter.api import tokens as token_format
from kilter.api.access import Scope
from kilter.server import __main__ as entry
from kilter.server import administration, clock, logs, settings
from kilter.server.settings import Settings
from kilter.server.store import audit, tokens
from kilter.server.store.engine import Engine, Tx
from kilter.server.store.tokens import Grant

DAY = 86400 * clock.SECOND


class Place:
    """A server's settings, and what its store holds."""

    def __init__(self, found: Settings, runner: asyncio.Runner) -> None:
        self.settings, self.runner = found, runner

    def make(self, *arguments: str) -> str:
        return self.runner.run(administration.token(self.settings, arguments))

    def look(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        async def story() -> Any:
            store = administration.engine(self.settings)
            await store.open()
            try:
                return await store.run(work, *args, **kwargs)
            finally:
                await store.close()

        return self.runner.run(story())

    def grant(self, text: str) -> Grant:
        """What a printed token allows, as the API would judge it."""
        parsed = token_format.parse(text)
        assert parsed is not None
        found = self.look(tokens.verify, parsed, clock.now())
        assert isinstance(found, Grant)
        return found


@pytest.fixture(params=["sqlite", *(["postgres"] if POSTGRES else [])])
def place(request: pytest.FixtureRequest, runner: asyncio.Runner, tmp_path: Path) -> Place:
    found = Settings(cluster_domain="apps.example.com", store=tmp_path / "store.db")
    if request.param == "postgres":
        dsn = request.getfixturevalue("postgres_dsn")

        async def empty() -> None:
            engine: Engine = await postgres(dsn)
            await engine.close()

        runner.run(empty())
        found = replace(found, secrets={"store_dsn_file": dsn})
    return Place(found, runner)


@pytest.fixture
def program(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The program itself, with the settings of the place."""
    monkeypatch.setattr(logs, "configure", lambda: None)
    monkeypatch.setattr(settings, "read", lambda _: place.settings)
    monkeypatch.setattr(asyncio, "run", place.runner.run)
    return lambda *words: entry.main(["token", *words])


def test_a_token_is_an_admins_of_everything_for_ninety_days_unless_said_otherwise(place: Place) -> None:
    before = clock.now()
    grant = place.grant(place.make())
    assert (grant.actor, grant.role, grant.scopes) == ("admin", "admin", (Scope(project="*/*"),))
    assert before + 90 * DAY <= grant.expires_at <= clock.now() + 90 * DAY


@pytest.mark.parametrize("days", [1, 365])
def test_a_token_is_made_for_a_day_at_least_and_a_year_at_most(place: Place, days: int) -> None:
    before = clock.now()
    grant = place.grant(place.make("--days", str(days)))
    assert before + days * DAY <= grant.expires_at <= clock.now() + days * DAY


def test_a_token_has_what_was_asked_for(place: Place) -> None:
    words = ("--actor", "ci", "--role", "deployer", "--project", "acme/*", "--env", "preview-*", "--days", "7")
    grant = place.grant(place.make(*words))
    assert (grant.actor, grant.role, grant.scopes) == ("ci", "deployer", (Scope(project="acme/*", env="preview-*"),))
    assert grant.expires_at <= clock.now() + 7 * DAY


def test_the_first_token_is_made_once_whatever_else_is_asked_for(place: Place) -> None:
    """S21: an installation that is repeated, or runs beside another, adds no second administrator."""
    grant = place.grant(place.make("--first", "--role", "viewer", "--project", "acme/shop", "--actor", "ann"))
    assert (grant.actor, grant.role, grant.scopes) == ("ann", "admin", (Scope(project="*/*"),))
    assert place.make("--first") == ""
    assert len(place.look(tokens.listed)) == 1
    assert len(place.look(audit.page, filters={}, before=None, limit=9)) == 1


def test_another_token_is_no_hindrance_to_a_later_one(place: Place) -> None:
    first = place.make("--first")
    assert place.grant(place.make("--actor", "bob")).actor == "bob"
    assert place.grant(first).role == "admin"


def test_the_trail_says_who_made_which_token_and_not_its_secret(place: Place) -> None:
    """DP-Q74, G5."""
    texts = [place.make("--first"), place.make("--actor", "bob")]
    made = [token_format.parse(text) for text in texts]
    entries = place.look(audit.page, filters={"action": "token-create"}, before=None, limit=9)
    assert {each.token_id for each in entries} == {token.id for token in made if token}
    assert {(each.actor, each.status) for each in entries} == {(administration.BY, 201)}
    assert {info.created_by for info in place.look(tokens.listed)} == {"installation", administration.BY}

    def everything(tx: Tx) -> str:
        return repr([tx.rows("SELECT * FROM tokens"), tx.rows("SELECT * FROM audit")])

    held = place.look(everything)
    assert [token.secret in held for token in made if token] == [False, False]


def test_the_program_prints_the_token_and_nothing_else(
    place: Place, program: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert program("--first") == 0
    told = capfd.readouterr()
    assert place.grant(told.out.removesuffix("\n")).role == "admin"
    assert program("--first") == 0
    assert capfd.readouterr().out == "\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--role", "boss"], "--role: invalid choice: 'boss'"),
        (["--days", "0"], "'0' is no number from 1 to 365"),
        (["--days", "366"], "'366' is no number"),
        (["--days", "-1"], "'-1' is no number"),
        (["--days", "ten"], "'ten' is no number"),
        (["--days", "\u00b2"], "'\u00b2' is no number"),
        (["--project", "shop"], "--project does not fit"),
        (["--project", "acme/shop/dev"], "--project does not fit"),
        (["--env", "Prod!"], "--env does not fit"),
        (["--actor", ""], "--actor does not fit"),
        (["--actor", "a\nb"], "--actor does not fit"),
        (["--actor"], "--actor: expected one argument"),
        (["--unknown"], "unrecognized arguments: --unknown"),
        (["more"], "unrecognized arguments: more"),
    ],
)
def test_arguments_that_do_not_fit_end_with_words_and_change_nothing(
    place: Place,
    program: Callable[..., int],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    words: list[str],
    said: str,
) -> None:
    try:
        code = program(*words)
    except SystemExit as ending:  # argparse's own way
        code = int(ending.code or 0)
    told = capfd.readouterr()
    spoken = told.err + "".join(str(record.__dict__) for record in caplog.records)
    assert (code, told.out) == (2, "")
    assert said in spoken
    assert "Traceback" not in spoken
    assert place.look(tokens.listed) == []


def test_a_store_that_is_away_ends_it_with_words(
    place: Place, program: Callable[..., int], caplog: pytest.LogCaptureFixture
) -> None:
    place.settings = replace(
        place.settings, secrets={"store_dsn_file": "postgresql://kilter:canary@127.0.0.1:1/kilter"}
    )
    assert program() == 1
    assert "the store does not answer" in caplog.records[-1].facts["error"]  # type: ignore[attr-defined]
    assert "canary" not in str(caplog.records[-1].__dict__)
