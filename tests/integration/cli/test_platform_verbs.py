"""The verbs of the platform as people type them: a server that answers from a table, and no process for real."""

import io
import json
import os
import shutil
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import pytest
from fakes import ENGINE, FakeRunner, press_ctrl_c
from integration.deploy.conftest import RUN
from integration.deploy.server import HANGS_UP, Table, serving
from integration.deploy.test_attach import AT, ENVIRONMENT
from integration.deploy.test_deploy import ACCEPTED, DIGEST, GRANTED, IMAGE, INFO
from unit.dev.test_doctor import Usage

from kilter.cli.app import App
from kilter.cli.main import run
from kilter.deploy import deploy as deploying
from kilter.deploy import logins, queries, session
from kilter.deploy.client import Client
from kilter.deploy.image import ALL_CHANGES
from kilter.deploy.logins import Login
from kilter.deploy.names import ProjectName
from kilter.dev.machine import Machine
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools import docker, images

ENVS = "/v1/projects/acme/shop/envs"
TAG = f"localhost:1/acme/shop:dev-nogit-{RUN}"
NOW = {"hosts": ["shop-dev.localhost"], "processes": ["cron"], "services": []}
RELEASE = {"number": 7, "image": IMAGE, "deploy_id": "d-7", "commit": "c", "at": AT, "app": NOW}
SCOPES = [{"project": "acme/*", "env": "*"}]
WHO = {"actor": "mia", "role": "deployer", "scopes": SCOPES, "token_id": "t", "expires_at": AT}
DEVICE = {
    "device_code": "d",
    "user_code": "BLUE-FISH",
    "verification_url": "https://kilter.example.com/device",
    "expires_in": 60,
    "interval": 0,
}
MINTED = {
    "token": "kilter_minted",
    "info": {**WHO, "id": "t", "created_at": AT, "created_by": "mia", "last_used_at": None},
}
PLATFORM: dict[str, list[tuple[int, Any]]] = {
    "GET__/v1/info": [(200, INFO)],
    "GET__/v1/whoami": [(200, WHO)],
    "DELETE__/v1/whoami": [(204, "")],
    "POST__/v1/device/codes": [(200, DEVICE)],
    "POST__/v1/device/tokens": [(428, {"error": {"code": "pending", "message": "not yet"}}), (200, MINTED)],
    "POST__/v1/projects/acme/shop/push-credentials": [(201, {**GRANTED, "expires_at": AT})],
    f"GET__{ENVS}/dev": [(200, {**ENVIRONMENT, "url": "https://shop-dev.example.com", "release": RELEASE})],
    f"GET__{ENVS}/dev/logs": [(200, "shop-1 one\nshop-1 two\n")],
    f"POST__{ENVS}/dev/deploys": [(202, ACCEPTED)],
    f"POST__{ENVS}/prod/deploys": [(202, ACCEPTED)],
}
SCHEMA = Path(__file__).resolve().parents[3] / "docs/reference/json/deploy-plan.schema.json"
SHOP = ("--project", "acme/shop")
DEV = (*SHOP, "--env", "dev")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of logins; it does not exist yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("CI", "KILTER_SERVER", "KILTER_TOKEN", "KILTER_PROJECT", "KILTER_REGISTRY", "KILTER_ENV"):
        monkeypatch.delenv(name, raising=False)
    return logins.file_of({"XDG_CONFIG_HOME": str(tmp_path / "config")})


@pytest.fixture
def table(tmp_path: Path, credentials: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """A platform that this machine is logged in to, and a project in the current directory."""
    (tmp_path / "kilter.yaml").write_text(
        "name: shop\nprocesses: {worker: {command: [work]}}\nservices: {postgres: }\n"
    )
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    monkeypatch.chdir(tmp_path)
    with serving(**PLATFORM) as served:
        logins.add(credentials, Login(served.address, "kilter_x", "mia"))
        yield served


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """The processes of `App.machine`: a directory outside of Git, and an engine that builds and pushes one image."""
    monkeypatch.setattr(deploying, "token_hex", lambda _: RUN)
    fake = FakeRunner(
        {
            ("git", "rev-parse", "HEAD"): Outcome(128, ""),
            **ENGINE,
            images.build(tmp_path, TAG, dockerfile=tmp_path / "Dockerfile").argv: "",
            images.push(TAG).argv: f"dev-nogit: digest: {DIGEST} size: 1\n",
            images.untag(TAG).argv: "",
        }
    )
    machine = Machine(fake, Paths(tmp_path / "data", tmp_path / "cache"), {}, Recorder())
    monkeypatch.setattr(App, "machine", machine)
    return fake


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> Terminal:
    """Let somebody sit there who types this; returns what they see. Within a test: pytest has streams per phase."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def bodies(table: Table, end: str) -> list[Any]:
    return [body for what, _, body in table.asked if what.startswith("POST") and what.endswith(end)]


def asked(table: Table, start: str) -> list[str]:
    return [what for what, _, _ in table.asked if what.startswith(start)]


# login, logout


@pytest.mark.requirement("DP-Q7")
def test_a_machine_is_let_in_by_somebody_who_types_its_code_in_the_portal(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.unlink()
    assert run(["login", "--server", table.address, "--device"]) == 0
    printed = capsys.readouterr()
    assert "open https://kilter.example.com/device and type BLUE-FISH" in printed.err
    assert printed.out == f"logged in to {table.address} as mia (deployer), until 2026-01-01\n"
    assert len(bodies(table, "/v1/device/tokens")) == 2, "asked again while nobody had approved it"
    kept = logins.read(credentials).known[table.address]
    assert (kept.token, kept.actor, kept.minted) == ("kilter_minted", "mia", True)


def test_a_token_that_is_to_be_pasted_is_asked_for_and_one_from_a_pipe_is_not(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("kilter_piped\n"))
    assert run(["login", "--server", table.address, "--token", "-"]) == 0
    assert "paste" not in capsys.readouterr().err
    screen = at_a_terminal(monkeypatch, "kilter_pasted\n")
    assert run(["login", "--server", table.address, "--token", "-"]) == 0
    assert "paste the token, then press Enter" in screen.getvalue()
    assert logins.read(credentials).known[table.address].token == "kilter_pasted"


def test_a_new_login_revokes_the_token_that_was_made_for_this_machine_before(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoked: list[str] = []
    monkeypatch.setattr(session, "_revoke", lambda login: revoked.append(login.token))
    file = logins.file_of(os.environ)
    logins.add(file, Login(table.address, "kilter_first", actor="mia", minted=True))
    assert run(["login", "--server", table.address, "--device"]) == 0
    assert revoked == ["kilter_first"]
    logins.add(file, Login(table.address, "kilter_own", actor="mia"))
    assert run(["login", "--server", table.address, "--device"]) == 0
    assert revoked == ["kilter_first"], "one that somebody brought along is theirs"


@pytest.mark.requirement("DP-Q7")
@pytest.mark.parametrize("flags", [["-q"], ["--progress", "plain"], ["--progress", "json"]])
def test_no_style_hides_where_to_approve_a_machine(
    table: Table, credentials: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.unlink()
    assert run([*flags, "login", "--server", table.address, "--device"]) == 0
    assert capsys.readouterr().err.count("open https://kilter.example.com/device and type BLUE-FISH") == 1


@pytest.mark.requirement("DP-Q7", "F28")
def test_a_machine_goes_on_asking_whether_it_is_let_in_while_the_server_is_replaced(
    table: Table, credentials: Path
) -> None:
    credentials.unlink()
    slower = {"error": {"code": "too_many", "message": "ask less often"}}
    table.answers["POST /v1/device/tokens"] = [(502, ""), (HANGS_UP, ""), (429, slower), (200, MINTED)]
    assert run(["login", "--server", table.address, "--device"]) == 0
    assert logins.read(credentials).known[table.address].token == "kilter_minted"


def test_a_code_whose_time_is_up_without_an_answer_says_who_did_not_answer(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.unlink()
    clock = SimpleNamespace(monotonic=iter((0.0, 1.0, 61.0)).__next__, sleep=lambda _: None)
    monkeypatch.setattr(session, "time", clock)
    table.answers["POST /v1/device/tokens"] = [(502, "")]
    assert run(["login", "--server", table.address, "--device"]) == 11
    assert f"why: {table.address} answered 502" in capsys.readouterr().err


@pytest.mark.requirement("DP-Q7", "DP-Q8")
def test_a_code_that_nobody_types_lets_nobody_in(
    table: Table, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    credentials.unlink()
    table.answers["POST /v1/device/tokens"] = [(410, {"error": {"code": "expired", "message": "the code is over"}})]
    assert run(["login", "--server", table.address, "--device"]) == 6
    assert "the code is over" in capsys.readouterr().err
    assert not credentials.exists()


@pytest.mark.requirement("DP-Q7")
def test_a_token_that_was_made_is_kept_whatever_the_server_answers_next(table: Table, credentials: Path) -> None:
    credentials.unlink()
    table.answers["GET /v1/whoami"] = [(502, "")]
    assert run(["login", "--server", table.address, "--device"]) == 0
    kept = logins.read(credentials).known[table.address]
    assert (kept.token, kept.actor) == ("kilter_minted", "mia")


@pytest.mark.requirement("DP-Q7")
def test_no_token_is_made_for_a_machine_that_cannot_keep_it(table: Table, credentials: Path) -> None:
    credentials.write_text("{")
    assert run(["login", "--server", table.address, "--device"]) == 2
    assert table.asked == []


@pytest.mark.requirement("DP-Q7")
def test_a_token_that_could_not_be_kept_is_revoked(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logins, "add", press_ctrl_c)
    assert run(["login", "--server", table.address, "--device"]) == 130
    [(_, headers, _)] = [each for each in table.asked if each[0] == "DELETE /v1/whoami"]
    assert headers["Authorization"] == "Bearer kilter_minted"


@pytest.mark.parametrize(
    "words", [["whoami"], ["login"], ["login", "--token", "-"], ["login", "--token", "kil“SECRET"]]
)
def test_no_error_shows_a_token(
    table: Table,
    credentials: Path,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("KILTER_SERVER", table.address)
    monkeypatch.setenv("KILTER_TOKEN", "kilter_\nSECRET")
    monkeypatch.setattr(sys, "stdin", io.StringIO("“kilter_SECRET”\n"))
    assert run(words) == 2
    told = capsys.readouterr().err
    assert "error: the token holds a character that no token has" in told
    assert "SECRET" not in told
    assert table.asked == []
    assert logins.read(credentials).known[table.address].token == "kilter_x"


def test_a_token_is_taken_without_the_newline_that_a_file_ends_with(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILTER_TOKEN", "kilter_ci\n")
    assert run(["login", "--server", table.address]) == 0
    assert logins.read(credentials).known[table.address].token == "kilter_ci"
    assert {headers["Authorization"] for _, headers, _ in table.asked} == {"Bearer kilter_ci"}


@pytest.mark.requirement("DP-5")
def test_after_a_logout_a_deploy_is_refused_before_anything_is_built(
    table: Table, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["logout"]) == 0
    assert capsys.readouterr().out == f"logged out of {table.address}\n"
    assert run(["deploy", *DEV]) == 5
    assert "you are not logged in" in capsys.readouterr().err
    assert (table.asked, runner.commands) == ([], []), "a token that others gave is not revoked, and nothing is asked"
    assert run(["logout"]) == 0
    assert capsys.readouterr().out == "already logged out\n"


def test_a_logout_says_where_the_machine_is_still_logged_in(
    table: Table, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logins.add(credentials, Login("https://other.localhost:1", "kilter_other", "mia"))
    assert run(["logout"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "logged out of https://other.localhost:1\n"
    assert f"still logged in to {table.address}; KILTER_SERVER names one of them" in printed.err
    assert run(["whoami"]) == 5
    assert "next: set KILTER_SERVER to the one that you mean" in capsys.readouterr().err


@pytest.mark.usefixtures("table")
def test_a_logout_names_the_variable_that_still_lets_everybody_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KILTER_TOKEN", "kilter_ci")
    assert run(["logout"]) == 0
    assert "KILTER_TOKEN is set" in capsys.readouterr().err


@pytest.mark.requirement("DP-Q8")
def test_a_logout_from_everywhere_revokes_what_was_minted_for_this_machine(
    table: Table, credentials: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logins.add(credentials, Login(table.address, "kilter_minted", "mia", minted=True))
    logins.add(credentials, Login("https://gone.localhost:1", "kilter_other", "mia", minted=True))
    assert run(["logout", "--all"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"logged out of {table.address}, https://gone.localhost:1\n"
    assert "https://gone.localhost:1: its token could not be revoked" in printed.err
    [(_, headers, _)] = [each for each in table.asked if each[0] == "DELETE /v1/whoami"]
    assert headers["Authorization"] == "Bearer kilter_minted"
    assert logins.read(credentials).known == {}


@pytest.mark.requirement("DP-Q8")
def test_a_logout_that_was_interrupted_goes_on_where_it_stopped(
    table: Table, credentials: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(client: Client, *_: object, **__: object) -> None:
        if client.login.server == second.server:
            raise KeyboardInterrupt

    second = Login("https://second.localhost:1", "kilter_second", "mia", minted=True)
    logins.add(credentials, Login(table.address, "kilter_minted", "mia", minted=True))
    logins.add(credentials, second)
    monkeypatch.setattr(Client, "delete", stop)
    assert run(["logout", "--all"]) == 130
    assert list(logins.read(credentials).known) == [second.server], "the token of the other is revoked"


@pytest.mark.requirement("DP-Q8")
@pytest.mark.parametrize(("code", "is_told"), [("not_logged_in", False), ("", True)])
def test_a_token_that_is_over_needs_no_revoking(
    table: Table, credentials: Path, code: str, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the platform's own word, somebody in front of it refused."""
    logins.add(credentials, Login(table.address, "kilter_minted", "mia", minted=True))
    table.answers["DELETE /v1/whoami"] = [(401, {"error": {"code": code, "message": "no valid token"}})]
    assert run(["logout"]) == 0
    said = "could not be revoked: no valid token; an admin can revoke this token of mia, under Account in the portal"
    assert (said in capsys.readouterr().err) is is_told
    assert logins.read(credentials).known == {}


# open


@pytest.mark.usefixtures("table")
def test_open_prints_the_address_and_shows_it_to_who_sits_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = list[str]()
    monkeypatch.setattr(webbrowser, "open", opened.append)
    assert run(["open", *DEV]) == 0
    assert capsys.readouterr().out == "https://shop-dev.example.com\n"
    assert opened == [], "nobody sits there"
    at_a_terminal(monkeypatch)
    assert run(["open", *DEV]) == 0
    assert opened == ["https://shop-dev.example.com"]


@pytest.mark.requirement("DP-52")
def test_open_says_of_an_internal_app_that_it_has_no_address(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.answers[f"GET {ENVS}/dev"] = [(200, {**ENVIRONMENT, "url": None})]
    assert run(["open", *DEV]) == 6
    assert "acme/shop dev has no public address" in capsys.readouterr().err


# deploy


PLAN = """acme/shop to dev at {server}: release 7 is the newest
  host   shop-dev.localhost
  image  built from a directory outside of Git
  =  route    shop-dev.localhost
  +  process  worker
  -  process  cron
  +  service  postgres            DATABASE_URL
"""


@pytest.mark.requirement("DP-Q52", "DP-Q61")
def test_a_dry_run_prints_a_plan_and_changes_nothing(
    table: Table, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deploy", *DEV, "--dry-run"]) == 0
    printed = capsys.readouterr()
    assert printed.out == PLAN.format(server=table.address)
    assert "nothing was built or changed" in printed.err
    assert run(["deploy", *DEV, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema_rs.validator_for(json.loads(SCHEMA.read_text())).validate(document)
    assert (document["schema"], document["release"], document["app"]["port"]) == ("kilter.deploy-plan/v1", 7, 8000)
    assert {"kind": "process", "name": "cron", "change": "removed", "variables": []} in document["changes"]
    assert asked(table, "POST") == []
    assert {command.argv[0] for command in runner.commands} == {"git"}


@pytest.mark.requirement("DP-Q61", "DP-Q73")
@pytest.mark.parametrize(
    ("line", "who", "said"),
    [
        (["--project", "other/shop", "--env", "dev"], {}, "your token is not good for other/shop in dev"),
        (["--project", "acme/other", "--env", "dev"], {"scopes": [{"project": "acme/s*", "env": "*"}]}, "acme/s* (*)"),
        ([*SHOP, "--env", "new"], {"scopes": [{"project": "*/*", "env": "dev"}]}, "not good for acme/shop in new"),
        (DEV, {"role": "viewer"}, "this needs the role deployer; your token has viewer"),
        ([*SHOP, "--env", "live"], {}, "this needs the role maintainer; your token has deployer"),
    ],
)
@pytest.mark.usefixtures("runner")
def test_a_dry_run_refuses_a_token_that_may_not_deploy(
    table: Table, capsys: pytest.CaptureFixture[str], line: list[str], who: Any, said: str
) -> None:
    """An environment that is not there, and one that the token may not see, are the same to it."""
    table.answers["GET /v1/info"] = [(200, {**INFO, "protected_envs": ["live"]})]
    table.answers["GET /v1/whoami"] = [(200, {**WHO, **who})]
    assert run(["deploy", *line, "--dry-run", "--image", IMAGE]) == 5
    printed = capsys.readouterr()
    assert (printed.out, said in printed.err) == ("", True)


@pytest.mark.usefixtures("runner")
def test_a_dry_run_of_a_first_deploy_says_so_and_asks_nothing(
    table: Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at_a_terminal(monkeypatch)
    table.answers["GET /v1/info"] = [(200, {**INFO, "protected_envs": ["prod"]})]
    table.answers["GET /v1/whoami"] = [(200, {**WHO, "role": "maintainer"})]
    (Path.cwd() / "kilter.yaml").write_text("name: shop\npublic: false\n")
    assert run(["deploy", *SHOP, "--dry-run", "--image", IMAGE]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"acme/shop to prod at {table.address}: an environment to be made, protected",
        "  host   shop.localhost (internal: nothing leads there)",
        f"  image  {IMAGE}",
    ]


def test_an_image_that_is_built_already_is_deployed_as_it_is(table: Table, runner: FakeRunner) -> None:
    assert run(["deploy", *DEV, "--no-wait", "--image", IMAGE]) == 0
    assert [body["image"] for body in bodies(table, "/deploys")] == [IMAGE]
    assert asked(table, "POST /v1/projects/acme/shop/push-credentials") == []
    assert {command.argv[0] for command in runner.commands} == {"git"}


@pytest.mark.requirement("DP-7", "DP-Q3")
@pytest.mark.parametrize(
    ("flags", "variable", "written", "registry"),
    [
        (["--registry", "flag.example/a"], "env.example/a", "file.example/a", "flag.example/a"),
        ([], "env.example/a", "file.example/a", "env.example/a"),
        ([], "", "file.example/a", "file.example/a"),
        ([], "", "", None),
    ],
)
@pytest.mark.usefixtures("runner")
def test_the_registry_is_that_of_the_flag_the_variable_or_the_file_in_this_order(
    table: Table,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    variable: str,
    written: str,
    registry: str | None,
) -> None:
    monkeypatch.setenv("KILTER_REGISTRY", variable)
    if written:
        (Path.cwd() / "kilter.yaml").write_text(f"name: shop\ndeploy: {{registry: {written}}}\n")
    assert run(["deploy", *DEV, "--no-wait", *flags]) == 0
    asked_for = bodies(table, "/push-credentials")
    assert [body.get("registry") for body in asked_for] == [registry] * 2
    assert [body["image"] for body in bodies(table, "/deploys")] == [IMAGE], "as the platform names it"


@pytest.mark.requirement("DP-Q28")
def test_uncommitted_changes_go_to_a_protected_environment_only_where_they_are_meant(
    table: Table, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    table.answers[f"GET {ENVS}/dev"] = [(200, {**ENVIRONMENT, "env_class": "protected"})]
    runner.answers = {
        ("git", "rev-parse", "HEAD"): "c0ffee\n",
        ("git", "status", "--porcelain", *ALL_CHANGES, "--", "."): "?? a.py\n",
        ("git", "check-ignore", "--quiet", "--", "kilter.yaml"): Outcome(1),
    }
    assert run(["deploy", *DEV, "--no-wait", "--image", IMAGE]) == 2
    assert "  a.py\n" in capsys.readouterr().err
    assert asked(table, "POST") == []
    assert run(["deploy", *DEV, "--no-wait", "--image", IMAGE, "--allow-dirty"]) == 0
    assert [body["allow_dirty"] for body in bodies(table, "/deploys")] == [True]


@pytest.mark.parametrize("flag", ["-m", "--message"])
@pytest.mark.usefixtures("runner")
def test_a_message_goes_with_the_release(table: Table, flag: str) -> None:
    assert run(["deploy", *DEV, "--no-wait", "--image", IMAGE, flag, "fewer clicks"]) == 0
    assert [body["source"]["message"] for body in bodies(table, "/deploys")] == ["fewer clicks"]


@pytest.mark.parametrize(
    "option",
    [
        *("--bootstrap", "--migration", "--plan-id=plan-1", "--skip-migration-check", "--allow-destructive"),
        *("--seed", "--reseed=demo", "--keep-secrets", "--prune-secrets", "--allow-tracked-secrets"),
    ],
)
def test_what_a_later_release_brings_is_refused_and_not_offered(
    table: Table, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = option.partition("=")[0]
    assert run(["deploy", *DEV, option]) == 2
    told = capsys.readouterr().err
    assert f"error: this release of kilter has no `{name}` yet" in told
    assert f"next: leave `{name}` out for now" in told
    assert table.asked == []
    assert run(["deploy", "--help"]) == 0
    assert name not in capsys.readouterr().out


@pytest.mark.requirement("DP-Q2")
@pytest.mark.parametrize(("typed", "code"), [("acme/shop\n", 0), ("shop\n", 130), ("y\n", 130), ("", 130)])
@pytest.mark.usefixtures("runner")
def test_the_first_deploy_to_production_that_nobody_named_is_asked_for(
    table: Table, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    screen = at_a_terminal(monkeypatch, typed)
    assert run(["deploy", *SHOP, "--no-wait", "--image", IMAGE]) == code
    assert len(asked(table, f"POST {ENVS}/prod")) == (code == 0)
    assert f"acme/shop was never deployed to prod; this deploy goes there, at {table.address}" in " ".join(
        screen.getvalue().split()
    )


@pytest.mark.requirement("DP-Q2")
@pytest.mark.usefixtures("runner")
def test_where_nobody_can_be_asked_production_must_be_named(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["deploy", *SHOP, "--no-wait", "--image", IMAGE]
    assert run(line) == 2
    assert "`--env prod` or `--yes`" in capsys.readouterr().err
    assert asked(table, "POST") == []
    assert run([*line, "--yes"]) == 0
    assert run([*line, "--env", "prod"]) == 0
    table.answers[f"GET {ENVS}/prod"] = [(200, {**ENVIRONMENT, "env": "prod"})]
    assert run(line) == 0, "it is not the first one"
    assert len(asked(table, f"POST {ENVS}/prod")) == 3


# logs


@pytest.mark.requirement("DP-Q4")
def test_without_docker_nobody_is_asked_for_anything(
    table: Table, runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.answers = {**runner.answers, docker.info().argv: Outcome(1, "", "cannot connect")}
    assert run(["deploy", *DEV]) == 4
    assert "Docker does not answer" in capsys.readouterr().err
    assert table.asked == []


@pytest.mark.requirement("DP-Q4")
@pytest.mark.usefixtures("table")
def test_who_may_not_use_docker_is_told_so_by_a_deploy_too(
    runner: FakeRunner, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = "permission denied while trying to connect to the Docker daemon socket"
    runner.answers = {**runner.answers, docker.info().argv: Outcome(1, "", fault)}
    assert run(["deploy", *DEV]) == 4
    said = capsys.readouterr().err
    assert "you may not use Docker" in said
    assert "usermod" in said


@pytest.mark.requirement("DP-Q4")
@pytest.mark.parametrize(
    "room",
    [(2**30, "unix:///run/docker.sock", 4), (3 * 2**30, "unix:///run/docker.sock", 0), (2**30, "ssh://ci@far", 0)],
)
def test_without_room_for_the_build_nobody_is_asked_for_anything(
    room: tuple[int, str, int],
    table: Table,
    runner: FakeRunner,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """What an engine on another machine has cannot be looked at here."""
    free, address, code = room
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(2**40, 0, free))
    told = json.dumps({"ServerVersion": "28.0.0", "DockerRootDir": str(tmp_path)})
    runner.answers = {**runner.answers, docker.info().argv: told, docker.context().argv: f"default {address}\n"}
    assert run(["deploy", *DEV, "--no-wait"]) == code
    if code:
        said = capsys.readouterr().err
        assert f"1.0 GiB free at {tmp_path}" in said
        assert "docker image prune" in said
        assert table.asked == []


@pytest.mark.requirement("NS-Q5")
@pytest.mark.parametrize(
    ("words", "head"),
    [
        (["apps"], "platform {}: no project is deployed there yet\n"),
        (["releases", *DEV], "acme/shop dev (platform {})\n"),
        (["status", *DEV], "acme/shop dev is Ready (platform {})\n"),
    ],
)
def test_what_is_said_of_environments_says_of_which_platform(
    words: list[str], head: str, table: Table, capsys: pytest.CaptureFixture[str]
) -> None:
    table.answers["GET /v1/projects"] = [(200, {"projects": [], "cursor": None})]
    table.answers[f"GET {ENVS}/dev/deploys"] = [(200, {"deploys": [], "cursor": None})]
    assert run(words) == 0
    assert capsys.readouterr().out.startswith(head.format(table.address))


def test_logs_of_an_environment_are_asked_for_as_typed(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["logs", "worker", *DEV, "--since", "10m", "--tail", "5"]) == 0
    assert capsys.readouterr().out == "shop-1 one\nshop-1 two\n"
    assert asked(table, "GET") == [f"GET {ENVS}/dev/logs?process=worker&since=600s&lines=5"]


def test_logs_of_an_environment_are_followed_as_they_come(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.answers[f"GET {ENVS}/dev/logs"] = [
        (200, "event: log\ndata: shop-1 one\n\n: still here\n\ndata: shop-1 two\n\n")
    ]
    assert run(["logs", *DEV, "--follow"]) == 12
    told = capsys.readouterr()
    assert told.out == "shop-1 one\nshop-1 two\n"
    assert "the platform ended the lines" in told.err
    assert asked(table, "GET") == [f"GET {ENVS}/dev/logs?follow=true"]


def test_between_the_lines_that_are_followed_there_is_room_to_look_after_the_reader(table: Table) -> None:
    table.answers[f"GET {ENVS}/dev/logs"] = [(200, "data: one\n\n: still here\n\n")]
    with Client(Login(table.address, "t")) as client:
        lines = queries.logs(client, ProjectName("acme", "shop"), "dev", follow="true")
        assert next(lines) == "one"
        assert next(lines) is None


@pytest.mark.requirement("C15")
@pytest.mark.parametrize(
    ("flags", "answer", "code"),
    [
        ([], "shop-1 \x1b[2Jgone \u202e\n", 0),
        (["--follow"], "event: log\ndata: shop-1 \x1b[2Jgone \u202e\n\n", 12),
    ],
)
def test_no_line_of_a_pod_can_drive_the_terminal(
    table: Table, capsys: pytest.CaptureFixture[str], flags: list[str], answer: str, code: int
) -> None:
    table.answers[f"GET {ENVS}/dev/logs"] = [(200, answer)]
    assert run(["logs", *DEV, *flags]) == code
    assert capsys.readouterr().out == "shop-1 \\x1b[2Jgone \\u202e\n"


def test_the_page_of_a_proxy_is_not_shown_as_logs(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.answers[f"GET {ENVS}/dev/logs"] = [(200, "<html>Sign in</html>")]
    assert run(["logs", *DEV]) == 1
    assert "Sign in" not in capsys.readouterr().out


def test_an_environment_that_does_not_run_has_no_logs(table: Table, capsys: pytest.CaptureFixture[str]) -> None:
    table.answers[f"GET {ENVS}/dev/logs"] = [(200, "")]
    assert run(["logs", *DEV]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["-m", "caf\udce9"], "the message is no text\nwhy: its character 4 is not UTF-8"),
        (["-m", "x" * 1025], "the message has 1025 characters"),
        (["--image", f"caf\udce9@sha256:{'a' * 64}"], "the image is no text\nwhy: its character 4 is not UTF-8"),
    ],
)
def test_words_that_no_platform_takes_are_refused_before_anything_is_asked_or_built(
    table: Table, runner: FakeRunner, words: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["deploy", *DEV, *words]) == 2
    assert why in capsys.readouterr().err
    assert (table.asked, runner.commands) == ([], [])


@pytest.mark.parametrize(
    "words",
    [["worker", "cron"], ["--previous"], ["--tail", "0"], ["--tail", "10001"], ["w\udcff"], ["\udcff", "--follow"]],
)
def test_what_logs_of_an_environment_cannot_be_asked_for_is_refused_here(table: Table, words: list[str]) -> None:
    assert run(["logs", *words, *DEV]) == 2
    assert table.asked == []


def test_values_for_the_chart_that_are_no_text_are_refused_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "values.yaml").write_bytes(b"clusterDomain: caf\xe9.example\n")
    words = ["platform", "install", "--local", "--image", "kilter:1", "--values", "values.yaml"]
    assert run(["-C", str(tmp_path), *words]) == 2
    assert "values.yaml:1:19 the file is no UTF-8 text (byte 0xE9)" in capsys.readouterr().err
