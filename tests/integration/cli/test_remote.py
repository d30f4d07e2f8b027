"""The verbs of the platform, driven by their command lines against a server that answers from a table."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import ENGINE, Answer, FakeRunner, press_ctrl_c
from integration.deploy.conftest import RUN
from integration.deploy.server import Table, serving
from integration.deploy.test_attach import AT, DEPLOY, ENV, ENVIRONMENT, EVENTS, ONE, told
from integration.deploy.test_client import ME
from integration.deploy.test_deploy import ACCEPTED, DIGEST, GRANTED, IMAGE, INFO, SUBMIT
from unit.cli.test_verbs import Terminal
from unit.dev.support import machine

from kilter.cli.app import App
from kilter.cli.console import Console
from kilter.cli.main import run
from kilter.cli.remote import show_deployed
from kilter.deploy import deploy as deploying
from kilter.deploy import follow as following
from kilter.deploy.deploy import Deployed
from kilter.proc import Outcome
from kilter.tools import images

PLATFORM: dict[str, list[tuple[int, Any]]] = {
    "GET__/v1/info": [(200, INFO)],
    SUBMIT: [(202, {**ACCEPTED, "ready_timeout": "60s"})],
    ONE: [(200, {**DEPLOY, "url": None})],
    EVENTS: told({"type": "done", "at": AT, "release": 3, "url": None}),
    ENV: [(200, ENVIRONMENT)],
    "DELETE__/v1/projects/acme/shop/envs/dev": [
        (202, {"deploy_id": "d-1", "sequence": 4, "database": "drop", "queue": {"position": 0, "holder": None}})
    ],
}
SLOT = ("--project", "acme/shop", "--env", "dev")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    (tmp_path / "kilter.yaml").write_text("name: shop\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    monkeypatch.chdir(tmp_path)
    with serving(**PLATFORM) as served:
        monkeypatch.setenv("KILTER_SERVER", served.address)
        monkeypatch.setenv("KILTER_TOKEN", "t")
        yield served


def sent(table: Table) -> dict[str, Any]:
    return next(body for what, _, body in table.asked if what.endswith("/deploys"))


@pytest.mark.requirement("DP-3", "DP-4", "DP-22", "DP-Q2", "CT-Q19")
def test_first_use_is_a_login_and_a_deploy_which_goes_to_prod_when_somebody_says_yes(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KILTER_SERVER")
    monkeypatch.delenv("KILTER_TOKEN")
    monkeypatch.setattr(deploying, "token_hex", lambda _: RUN)
    tag = f"{GRANTED['repository']}:prod-nogit-{RUN}"
    build = images.build(tmp_path, tag, dockerfile=tmp_path / "Dockerfile")
    answers: dict[tuple[str, ...], Answer] = {
        **ENGINE,
        ("git", "rev-parse", "HEAD"): Outcome(128, ""),
        build.argv: "",
        images.push(tag).argv: f"digest: {DIGEST} size: 1\n",
        images.untag(tag).argv: "",
    }
    runner = FakeRunner(answers)
    monkeypatch.setattr(App, "machine", machine(tmp_path, runner))
    project = "/v1/projects/acme/shop"
    table.answers |= {
        "GET /v1/whoami": [(200, ME)],
        f"POST {project}/push-credentials": [(201, {**GRANTED, "expires_at": AT})],
        f"POST {project}/envs/prod/deploys": [(202, ACCEPTED)],
    }
    assert run(["login", "--server", table.address, "--token", "kilter_x"]) == 0
    deploy = ["deploy", "--project", "acme/shop", "--registry", "localhost:1/team"]
    assert run(deploy) == 2
    assert "acme/shop was never deployed to prod, and this deploy would go there" in capsys.readouterr().err
    assert runner.commands == []
    assert run([*deploy, "--yes"]) == 0
    assert sent(table)["image"] == f"{GRANTED['repository']}@{DIGEST}"
    wanted = next(body for what, _, body in table.asked if what.endswith("/push-credentials"))
    assert wanted == {"env": "prod", "registry": "localhost:1/team"}


@pytest.mark.requirement("DP-Q3")
@pytest.mark.parametrize(
    ("typed", "release", "text"),
    [
        ("y\n", 1, "name: shop\napp: acme/shop\ndeploy:\n  registry: r:1/team\n"),
        ("\n", 1, "name: shop\n"),
        ("y\n", 2, "name: shop\n"),
        (None, 1, "name: shop\n"),
    ],
)
def test_the_first_deploy_offers_to_write_down_where_it_went(
    typed: str | None, release: int, text: str, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    screen = Terminal()
    if typed is not None:
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        monkeypatch.setattr(sys, "stderr", screen)
    table.answers[SUBMIT.replace("__", " ")] = [(202, {**ACCEPTED, "release": release})]
    assert run(["deploy", *SLOT, "--registry", "r:1/team", "--image", IMAGE, "--no-wait"]) == 0
    assert (tmp_path / "kilter.yaml").read_text() == text
    assert ("Write `app: acme/shop` and `deploy.registry: r:1/team`" in screen.getvalue()) is (
        typed is not None and release == 1
    )


@pytest.mark.requirement("DP-Q10")
@pytest.mark.parametrize(("scheme", "told"), [("http", True), ("https", False)])
def test_an_address_without_encryption_is_said_to_be_one(
    scheme: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"{scheme}://shop.example.com"
    deployed = Deployed("d-1", 1, 1, url, IMAGE, "200 OK", {})
    show_deployed(App(Console(), Path()), deployed, as_json=False)
    shown = capsys.readouterr()
    assert shown.out == f"{url}\n"
    assert ("so its addresses are plain http" in shown.err) is told


@pytest.mark.requirement("DP-Q41")
def test_a_deploy_is_followed_again_without_its_project(
    table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kilter.yaml").unlink()
    monkeypatch.setenv("KILTER_ENV", "dev")
    assert run(["deploy", "--follow", "d-1", "--timeout", "1m", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["deployId"], printed["release"]) == ("kilter.deploy/v1", "d-1", 3)


def test_following_takes_no_option_of_another_deploy(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", "--follow", "d-1", "--env", "dev", "--no-wait"]) == 2
    assert "leave out --follow or --env, --no-wait" in capsys.readouterr().err
    assert table.asked == []


@pytest.mark.parametrize("text", ["name: shop\napp: acme/shop\nprocesses: 3\n", "name: [shop\n"])
def test_a_faulty_file_is_not_taken_for_one_that_names_no_project(
    text: str, table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kilter.yaml").write_text(text)
    assert run(["status", "--env", "dev"]) == 2
    told = capsys.readouterr().err
    assert "kilter.yaml" in told
    assert "which project of the platform" not in told
    assert table.asked == []
    assert run(["status", *SLOT]) == 0, "who names the project needs no file"


def test_without_a_file_the_project_is_asked_for(
    table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kilter.yaml").unlink()
    assert run(["status", "--env", "dev"]) == 2
    assert "which project of the platform is this?" in capsys.readouterr().err
    assert table.asked == []


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("deploy", "--project", "acme/shop", "--env", ""), "--env"),
        (("deploy", *SLOT, "--follow", ""), "--follow"),
        (("deploy", *SLOT, "--image", ""), "--image"),
        (("deploy", *SLOT, "--registry", ""), "--registry"),
        (("deploy", *SLOT, "--platform="), "--platform"),
        (("deploy", "--project", ""), "--project"),
        (("releases", "--env="), "--env"),
        (("open", "--env", ""), "--env"),
        (("status", "--env", ""), "--env"),
        (("logs", "--env", ""), "--env"),
        (("env", "delete", "dev", "--yes", "--project", ""), "--project"),
        (("login", "--token", ""), "--token"),
        (("platform", "status", "--context", ""), "--context"),
        (("platform", "install", "--local", "--image", ""), "--image"),
    ],
)
def test_an_option_that_is_typed_empty_is_refused_and_not_taken_for_left_out(
    words: tuple[str, ...], option: str, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert f"error: `{option}` has an empty value" in capsys.readouterr().err
    assert table.asked == []


def test_releases_show_what_was_said_of_a_deploy_in_one_line_that_drives_no_terminal(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {"commit": "3f1c2ab90d41", "dirty": False, "message": "New greeting\n\tand \x1b[31m a fix"}
    deploys = [{**DEPLOY, "source": said}, DEPLOY]
    table.answers[f"{ENV}/deploys".replace("__", " ")] = [(200, {"deploys": deploys, "cursor": None})]
    assert run(["releases", *SLOT]) == 0
    _, head, first, second = capsys.readouterr().out.splitlines()
    assert first[head.index("MESSAGE") :] == r"New greeting and \x1b[31m a fix"
    assert second.endswith("d-1")


def test_of_a_release_without_a_commit_it_is_said_that_it_is_dirty(
    table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    deploys = [{**DEPLOY, "source": {"commit": commit, "dirty": True, "message": ""}} for commit in ("3f1c", "")]
    table.answers[f"{ENV}/deploys".replace("__", " ")] = [(200, {"deploys": deploys, "cursor": None})]
    assert run(["releases", *SLOT]) == 0
    _, head, *rows = capsys.readouterr().out.splitlines()
    place = slice(head.index("COMMIT"), head.index("DEPLOY"))
    assert [row[place].rstrip() for row in rows] == ["3f1c (dirty)", "(dirty)"]


def test_an_empty_variable_is_one_that_is_not_set(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KILTER_ENV", "KILTER_REGISTRY", "KILTER_PROJECT"):
        monkeypatch.setenv(name, "")
    assert run(["deploy", *SLOT, "--image", IMAGE, "--no-wait"]) == 0
    assert sent(table)["image"] == IMAGE


@pytest.mark.requirement("DP-Q39")
def test_only_a_timeout_that_is_typed_goes_to_the_platform(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["deploy", *SLOT, "--image", IMAGE, "--no-wait", "--timeout", "30m"]) == 0
    assert sent(table)["timeout"] == "1800s"
    assert "the platform gives a release 1m 00s at most" in capsys.readouterr().err
    table.asked.clear()
    assert run(["deploy", *SLOT, "--image", IMAGE, "--no-wait"]) == 0
    assert "timeout" not in sent(table)


@pytest.mark.requirement("DP-Q41")
@pytest.mark.parametrize(
    ("words", "work"),
    [(("deploy", *SLOT, "--image", IMAGE), "deploy"), (("env", "delete", "dev", *SLOT[:2], "--yes"), "deletion")],
)
def test_ctrl_c_while_following_detaches(
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    work: str,
) -> None:
    monkeypatch.setattr(following.Follower, "run", press_ctrl_c)
    assert run(words) == 130
    told = capsys.readouterr().err
    assert f"error: detached from d-1; the {work} goes on" in told
    assert "next: `kilter deploy --follow d-1` follows it again" in told
