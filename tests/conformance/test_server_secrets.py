"""Canaries: every secret of a real server stands in the one answer that hands it out, and nowhere else.

Not in the log, not in other answers, not in the store in clear. Needs no engine but where the store is PostgreSQL.
"""

import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from harness.server import RunningServer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from kilter.api import tokens
from kilter.server.portal.door import Page
from kilter.server.portal.table import PAGES
from kilter.server.routes.table import ROUTES
from kilter.server.routing import Route

from . import postgres

PROJECT = "/v1/projects/acme/shop"
DEPLOY = {"image": "registry.example.com/acme/shop@sha256:" + "a" * 64, "app": {"port": 8080}}
TYPED = "canary-that-somebody-typed"  # a secret where none belongs


@dataclass
class Watched:
    """A server, its secrets by name, and all that it has answered, each with the secrets that it may show."""

    server: RunningServer
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)

    def ask(self, client: httpx2.Client, method: str, url: str, shows: tuple[str, ...] = (), **more: Any) -> Any:
        """Ask; of a stream the beginning is enough."""
        with client.stream(method, url, **more) as answer:
            is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
            text = next(answer.iter_text(), "") if is_stream else answer.read().decode()
        heads = "\n".join(f"{name}: {value}" for name, value in answer.headers.multi_items())
        # What somebody typed by mistake may come back to them, and to nobody else.
        shown = frozenset(shows) | ({"typed"} if TYPED in str((url, more)) else set())
        self.answers.append((f"{method} {url} {answer.status_code}", f"{heads}\n\n{text}", shown))
        return answer

    def hand_out(self, client: httpx2.Client, method: str, url: str, names: dict[str, str], **more: Any) -> Any:
        """Ask for secrets: what an answer has under these names is theirs."""
        document = self.ask(client, method, url, tuple(names.values()), **more).json()
        self.secrets |= {name: document[member] for member, name in names.items()}
        return document

    def check(self, place: str, text: str, shown: frozenset[str] = frozenset()) -> list[str]:
        """Return what stands where it must not."""
        return [f"{name} in {place}" for name, secret in self.secrets.items() if name not in shown and secret in text]


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.cluster)])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as opened:
        dsn = opened.enter_context(postgres.server()).operator if request.param == "postgres" else ""
        found = Watched(RunningServer(tmp_path, dsn=dsn))
        found.server.prepare()
        found.server.start()
        pem = (tmp_path / "keys/key.pem").read_text().splitlines()[1:-1]
        found.secrets = {"typed": TYPED, "admin": found.server.token, "stranger": tokens.mint().text}
        found.secrets |= {f"key {number}": line for number, line in enumerate(pem)}
        if dsn:
            found.secrets["dsn"] = str(conninfo_to_dict(dsn)["password"])
        yield found
        if found.server.process is not None and found.server.process.poll() is None:
            found.server.end(signal.SIGKILL)


def make_secrets(watched: Watched, admin: httpx2.Client, browser: httpx2.Client) -> str:
    """Have the server hand out one of each; returns a deploy's id."""
    scopes = [{"project": "*/*"}]
    asked = {"actor": "ann", "role": "admin", "scopes": scopes}
    watched.hand_out(admin, "POST", "/v1/tokens", {"token": "made"}, json=asked)
    watched.hand_out(admin, "POST", PROJECT + "/push-credentials", {"password": "push"}, json={"env": "dev"})
    basic = httpx2.BasicAuth("kilter", watched.secrets["push"])
    named = {"token": "registry", "access_token": "registry"}
    watched.hand_out(browser, "GET", "/v1/registry/token", named, auth=basic)
    found = watched.hand_out(
        browser, "POST", "/v1/device/codes", {"device_code": "device"}, json={"client_name": "laptop"}
    )
    watched.ask(admin, "POST", "/v1/device/approvals", json={"user_code": found["user_code"]})
    device = {"device_code": watched.secrets["device"]}
    watched.hand_out(browser, "POST", "/v1/device/tokens", {"token": "of the device"}, json=device)
    watched.ask(browser, "GET", "/sign-in", ("form",))
    watched.secrets["form"] = browser.cookies["kilter-form"]
    watched.ask(browser, "POST", "/sign-in", ("form",), data=form(watched, browser, token=watched.secrets["stranger"]))
    watched.ask(browser, "POST", "/sign-in", ("cookie",), data=form(watched, browser, token=watched.server.token))
    watched.secrets["cookie"] = browser.cookies["kilter"]
    return str(watched.ask(admin, "POST", PROJECT + "/envs/dev/deploys", json=DEPLOY).json()["deploy_id"])


def form(watched: Watched, browser: httpx2.Client, **fields: str) -> dict[str, str]:
    """Return a form as the page has it."""
    page = watched.ask(browser, "GET", "/sign-in", ("form",)).text
    word = re.search(r'name="form_word" value="([^"]+)"', page)
    assert word is not None, page
    return fields | {"form_word": word[1]}


def everything(watched: Watched, clients: list[httpx2.Client], deploy_id: str) -> None:
    """Ask for every route and page, well and badly, with secrets wherever a client may put one by mistake."""
    names = {"org": "acme", "app": "shop", "env": "dev", "deploy_id": deploy_id, "token_id": "none"}
    asked: list[Route | Page] = [*ROUTES, *PAGES]
    for client in clients:
        for each in asked:
            # What ends a token or a session is for the last; a session that is over has no secret.
            if (each.method, each.path) in (
                ("DELETE", "/v1/whoami"),
                ("POST", "/sign-out"),
                ("POST", "/account/revoke"),
            ):
                continue
            place = each.path.format(**names)
            secret = watched.secrets["stranger"]
            shows = ("form",) if each.path == "/sign-in" else ()
            watched.ask(client, each.method, place, shows)
            watched.ask(client, each.method, f"{place}?token={secret}", shows)
            watched.ask(client, each.method, f"{place}?limit={TYPED}", shows)
            watched.ask(client, each.method, each.path.format(**dict.fromkeys(names, secret)), shows)
            if each.method != "GET":
                watched.ask(client, each.method, place, shows, json={"secrets": {"db": TYPED}, "password": secret})
                watched.ask(client, each.method, place, shows, content=f'{{"{TYPED}'.encode())
        for header in (f"Bearer {watched.secrets['stranger']}", f"Bearer {TYPED}", f"Basic {TYPED}", TYPED):
            for url in ("/v1/whoami", "/v1/registry/token", "/v1/deploys/x"):
                watched.ask(client, "GET", url, headers={"Authorization": header, "Idempotency-Key": TYPED})


def dump(server: RunningServer) -> str:
    """Return the store, all of it."""
    if not server.dsn:
        return "".join(each.read_bytes().decode("latin-1") for each in server.folder.glob("store.db*"))
    with psycopg.connect(server.dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        wanted = [sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)) for (name,) in tables]
        return "".join(str(connection.execute(each).fetchall()) for each in wanted)


def spoil(server: RunningServer) -> None:
    """Make tokens of the store unreadable, so that the server fails at whatever is asked."""
    change = "UPDATE tokens SET scopes = '{'"
    connection = psycopg.connect(server.dsn) if server.dsn else sqlite3.connect(server.folder / "store.db", timeout=20)
    connection.execute(change)
    connection.commit()
    connection.close()


@pytest.mark.requirement("G5", "S1", "S5", "S22", "P5", "O9")
def test_secrets_stand_in_the_answer_that_hands_them_out_and_nowhere_else(watched: Watched) -> None:
    server = watched.server
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    with (
        server.client() as admin,
        httpx2.Client(base_url=server.url, timeout=30, headers=headers) as browser,
        httpx2.Client(base_url=server.url, timeout=30) as nobody,
    ):
        deploy_id = make_secrets(watched, admin, browser)
        everything(watched, [admin, browser, nobody], deploy_id)
        stored = dump(server)
        spoil(server)
        failed = watched.ask(admin, "GET", "/v1/whoami")
        assert failed.status_code == 500
        everything(watched, [admin, browser], deploy_id)
    server.end()
    assert "traceback" in server.log
    assert len(watched.secrets) > 9
    assert all(len(secret) > 20 for secret in watched.secrets.values())
    found = watched.check("the log", server.log) + watched.check("the store", stored)
    for place, text, shown in watched.answers:
        found += watched.check(place, text, shown)
    assert not found, "\n".join(found)
