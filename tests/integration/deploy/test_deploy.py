import re
import secrets
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fakes import ENGINE, Answer, FakeRunner, press_ctrl_c
from integration.deploy.conftest import RUN
from integration.deploy.server import HANGS_UP, serving
from integration.deploy.test_attach import told

from kilter.api.deploys import DeployRequest
from kilter.deploy import client as client_module
from kilter.deploy import deploy as deploying
from kilter.deploy.client import Client
from kilter.deploy.deploy import Deployed, Deployment, DeployOptions
from kilter.deploy.image import Source
from kilter.deploy.logins import Login
from kilter.deploy.names import ProjectName
from kilter.errors import BuildFailed, Interrupted, KilterError, NotAllowed, NotReady, Unreachable
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.project.load import load
from kilter.tools import images

DIGEST = "sha256:" + "a" * 64
AT = "2026-01-01T00:00:00Z"
INFO: dict[str, Any] = {
    "version": "0.1.0", "min_cli": "0.1.0", "cluster_domain": "localhost", "scheme": "http",
    "default_registry": "localhost:1", "sops_recipients": [], "platforms": [], "network_policy_enforced": None,
    "limits": {"body_bytes": 1, "ready_timeout_seconds": 1},
}  # fmt: skip
GRANTED = {"registry": "localhost:1", "repository": "localhost:1/acme/shop", "username": "kilter", "password": "p"}
ACCEPTED: dict[str, Any] = {
    "deploy_id": "d-1", "sequence": 1, "release": 1, "url": None, "queue": {"position": 0, "holder": None},
}  # fmt: skip


IMAGE = f"localhost:1/acme/shop@{DIGEST}"
SUBMIT = "POST__/v1/projects/acme/shop/envs/dev/deploys"


def submitted(folder: Path, table: Any, options: DeployOptions, progress: Recorder) -> tuple[Deployed, Any]:
    """Deploy an image that is built already; return what came of it and the body that the server got."""
    (folder / "kilter.yaml").write_text("name: shop\n")
    (folder / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    project, name = load(folder / "kilter.yaml"), ProjectName("acme", "shop")
    runner = FakeRunner({**ENGINE, ("git", "rev-parse", "HEAD"): Outcome(128, "")})
    with serving(**{"GET__/v1/info": [(200, INFO)]}, **table) as served:
        with Client(Login(served.address, "t")) as client:
            result = Deployment(client, runner, progress, project, name, options).run()
        return result, next(body for what, _, body in served.asked if what.startswith("POST"))


@pytest.mark.requirement("DP-2", "DP-11", "CT-18", "CT-19", "CT-24", "CT-Q19")
def test_build_push_and_acceptance_are_timed_each_by_itself(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    tag = f"localhost:1/acme/shop:dev-nogit-{RUN}"
    answers: dict[tuple[str, ...], Answer] = {
        **ENGINE,
        ("git", "rev-parse", "HEAD"): Outcome(128, ""),
        images.build(tmp_path, tag, dockerfile=tmp_path / "Dockerfile").argv: "",
        images.push(tag).argv: f"dev-nogit: digest: {DIGEST} size: 1\n",
        images.untag(tag).argv: Outcome(1, stderr="Error: it is in use"),
    }
    table: dict[str, list[tuple[int, Any]]] = {
        "GET__/v1/info": [(200, INFO)],
        "POST__/v1/projects/acme/shop/push-credentials": [(201, {**GRANTED, "expires_at": AT, "push_id": "psh-1"})],
        "POST__/v1/projects/acme/shop/envs/dev/deploys": [(202, ACCEPTED)],
    }
    options = DeployOptions(env="dev", wait=False)
    project, name = load(tmp_path / "kilter.yaml"), ProjectName("acme", "shop")
    with serving(**table) as served, Client(Login(served.address, "t")) as client:
        deployed = Deployment(client, FakeRunner(answers), Recorder(), project, name, options).run()
    assert (deployed.deploy_id, deployed.image) == ("d-1", f"localhost:1/acme/shop@{DIGEST}")
    assert served.asked[-1][2]["push_id"] == "psh-1", "what was pushed is deployed"
    assert list(deployed.seconds) == ["build", "push", "accept"]


def test_each_deploy_builds_under_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one engine the last build of a name is what a push of that name pushes, whoever built it."""
    monkeypatch.setattr(deploying, "token_hex", secrets.token_hex)
    source = Source("c" * 40, ("a.py",))
    one, other = (deploying.tag_of("dev", source) for _ in range(2))
    assert one != other
    assert re.fullmatch(r"dev-c{12}-dirty-[0-9a-f]{8}", one)
    assert len(deploying.tag_of("e" * 32, source)) <= 128, "more than a registry takes"


@pytest.mark.parametrize("fails", ["build", "push", ""])
def test_the_name_of_a_build_is_taken_off_however_its_deploy_ends(tmp_path: Path, fails: str) -> None:
    tag = f"localhost:1/acme/shop:dev-nogit-{RUN}"
    build = images.build(tmp_path, tag, dockerfile=tmp_path / "Dockerfile").argv
    ends = Outcome(1, "", "no")
    runner = FakeRunner(
        {
            **ENGINE,
            ("git", "rev-parse", "HEAD"): Outcome(128, ""),
            build: ends if fails == "build" else "",
            images.push(tag).argv: ends if fails == "push" else f"digest: {DIGEST} size: 1\n",
            images.untag(tag).argv: Outcome(0 if fails else 125, "", "the engine is gone"),
        }
    )
    (tmp_path / "kilter.yaml").write_text("name: shop\n")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 8000\n")
    project, name = load(tmp_path / "kilter.yaml"), ProjectName("acme", "shop")
    granted = {"POST__/v1/projects/acme/shop/push-credentials": [(201, {**GRANTED, "expires_at": AT})]}
    with (
        serving(**{"GET__/v1/info": [(200, INFO)], SUBMIT: [(202, ACCEPTED)]}, **granted) as served,
        Client(Login(served.address, "t")) as client,
        pytest.raises(BuildFailed) if fails else nullcontext(),
    ):
        Deployment(client, runner, Recorder(), project, name, DeployOptions(env="dev", wait=False)).run()
    assert [command.argv for command in runner.commands].count(images.untag(tag).argv) == 1


@pytest.mark.requirement("DP-49")
def test_a_plain_deploy_asks_for_no_migration_and_no_seed(tmp_path: Path) -> None:
    given = DeployOptions(env="dev", image=IMAGE, wait=False)
    body = submitted(tmp_path, {SUBMIT: [(202, ACCEPTED)]}, given, Recorder())[1]
    sent = msgspec.convert(body, DeployRequest)
    assert (sent.migration, sent.seeds, sent.bootstrap) == (None, None, False)


@pytest.mark.requirement("DP-Q41")
@pytest.mark.parametrize("moment", ["platform", "answer"])
def test_ctrl_c_after_the_acceptance_detaches_and_names_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr(
        Deployment, "_follow", press_ctrl_c if moment == "platform" else lambda *_: "http://shop.localhost"
    )
    monkeypatch.setattr(deploying, "answers", press_ctrl_c)
    with pytest.raises(Interrupted, match="detached from d-1; the deploy goes on") as caught:
        submitted(tmp_path, {SUBMIT: [(202, ACCEPTED)]}, DeployOptions(env="dev", image=IMAGE), Recorder())
    assert caught.value.hint == "`kilter deploy --follow d-1` follows it again"
    assert caught.value.exit_code == 130


def test_ctrl_c_before_the_acceptance_detaches_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deployment, "_image", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        submitted(tmp_path, {SUBMIT: [(202, ACCEPTED)]}, DeployOptions(env="dev"), Recorder())


def test_ctrl_c_while_the_deploy_is_sent_says_that_it_may_be_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Client, "post", press_ctrl_c)
    with pytest.raises(Interrupted, match="while the deploy was submitted") as caught:
        submitted(tmp_path, {}, DeployOptions(env="dev", image=IMAGE), Recorder())
    assert "--project acme/shop --env dev" in caught.value.hint


@pytest.mark.requirement("F28")
def test_a_deploy_whose_answer_is_lost_is_submitted_once_or_said_to_be_accepted_perhaps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAUSES", (0.0, 0.0))
    given = DeployOptions(env="dev", image=IMAGE, wait=False)
    lost: tuple[int, Any] = (HANGS_UP, "")
    assert submitted(tmp_path, {SUBMIT: [lost, (202, ACCEPTED)]}, given, Recorder())[0].deploy_id == "d-1"
    caught: pytest.ExceptionInfo[KilterError]
    with pytest.raises(Unreachable, match="does not answer") as caught:
        submitted(tmp_path, {SUBMIT: [lost]}, given, Recorder())
    assert "may have accepted the deploy" in caught.value.why
    assert caught.value.hint == "`kilter releases --project acme/shop --env dev` tells"
    refused = (401, {"error": {"code": "not_logged_in", "message": "the token is over", "next": "kilter login"}})
    with pytest.raises(NotAllowed, match="the token is over") as caught:
        submitted(tmp_path, {SUBMIT: [lost, refused]}, given, Recorder())
    assert "may have accepted the deploy" in caught.value.why
    assert caught.value.hint == "kilter login; `kilter releases --project acme/shop --env dev` tells"
    with pytest.raises(NotAllowed, match="the token is over") as caught:
        submitted(tmp_path, {SUBMIT: [refused]}, given, Recorder())
    assert (caught.value.why, caught.value.hint) == ("", "kilter login")


def test_the_next_step_after_a_failure_names_the_environment(tmp_path: Path) -> None:
    failure = {"phase": "RollingOut", "reason": "x", "message": "no such image"}
    events = told({"type": "failed", "at": AT, "failure": failure})
    table = {SUBMIT: [(202, ACCEPTED)], "GET__/v1/deploys/d-1/events": events}
    with pytest.raises(NotReady, match="no such image") as caught:
        submitted(tmp_path, table, DeployOptions(env="dev", image=IMAGE), Recorder())
    assert caught.value.hint.startswith("`kilter status --project acme/shop --env dev` tells what serves")


@pytest.mark.requirement("DP-Q39")
def test_the_platform_is_told_of_a_limit_only_when_one_is_given(tmp_path: Path) -> None:
    given = DeployOptions(env="dev", image=IMAGE, wait=False, ready_timeout=1800.2)
    progress, table = Recorder(), {SUBMIT: [(202, {**ACCEPTED, "ready_timeout": "1801s"})]}
    assert submitted(tmp_path, table, given, progress)[1]["timeout"] == "1801s"
    assert not [line for line in progress.lines if line.startswith("warn")]
    plain = DeployOptions(env="dev", image=IMAGE, wait=False)
    assert "timeout" not in submitted(tmp_path, {SUBMIT: [(202, ACCEPTED)]}, plain, Recorder())[1]


@pytest.mark.requirement("DP-Q39")
def test_a_limit_that_the_platform_capped_is_told(tmp_path: Path) -> None:
    given = DeployOptions(env="dev", image=IMAGE, wait=False, ready_timeout=7200.0)
    progress, table = Recorder(), {SUBMIT: [(202, {**ACCEPTED, "ready_timeout": "3600s"})]}
    submitted(tmp_path, table, given, progress)
    assert "warn: the platform gives a release 1h 00m at most to become ready, not 2h 00m" in progress.lines
