"""The verbs of the platform, driven by their command lines against a server that answers from a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from unit.deploy.server import Table, serving
from unit.deploy.test_attach import AT, DEPLOY, ENV, ENVIRONMENT, EVENTS, ONE, told
from unit.deploy.test_deploy import ACCEPTED, IMAGE, INFO, SUBMIT

from kilter.cli.main import run
from kilter.deploy import follow as following

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
    with serving(**{key: list(value) for key, value in PLATFORM.items()}) as served:
        monkeypatch.setenv("KILTER_SERVER", served.address)
        monkeypatch.setenv("KILTER_TOKEN", "t")
        yield served


def sent(table: Table) -> dict[str, Any]:
    return next(body for what, _, body in table.asked if what.endswith("/deploys"))


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
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(following.Follower, "run", stop)
    assert run(words) == 130
    told = capsys.readouterr().err
    assert f"error: detached from d-1; the {work} goes on" in told
    assert "next: `kilter deploy --follow d-1` follows it again" in told
