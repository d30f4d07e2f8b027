"""The trial platform's cluster beside a user's own project that is called `platform`."""

from contextlib import suppress
from pathlib import Path

import pytest
from fakes import ENGINE, FakeRunner
from unit.dev.support import machine

from kilter.cli.app import App
from kilter.cli.main import run
from kilter.clusters import ports
from kilter.clusters.ports import Holder
from kilter.dev.machine import Machine
from kilter.errors import BuildFailed, MachineLacks
from kilter.platform import local
from kilter.proc import Outcome
from kilter.state import records
from kilter.tools import docker, images

COMMANDS = (
    ("platform", "uninstall", "--local", "--yes"),
    ("platform", "status", "--local"),
    ("platform", "token", "create", "--local", "--actor", "ann", "--project", "acme/*"),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that refuses every command, and knows a project `platform` with data."""
    found = machine(tmp_path, FakeRunner())
    project = tmp_path / "src/platform"
    project.mkdir(parents=True)
    records.claim(found.paths, "platform", project)
    data = found.paths.volumes("platform") / "platform-dev_data-postgres-0"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    monkeypatch.setattr(App, "machine", found)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_users_project_called_platform_is_not_taken_for_the_trial_platform(
    here: Machine, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(list(command)) == 2
    assert "the project name 'platform' belongs to" in capsys.readouterr().err
    assert records.read(here.paths, "platform") is not None
    assert list(here.paths.volumes("platform").glob("*/PG_VERSION"))


def test_nothing_is_deleted_though_the_name_was_taken_after_the_first_look(here: Machine) -> None:
    from kilter.platform.uninstall import delete_local
    from kilter.state.records import OwnedElsewhere

    with pytest.raises(OwnedElsewhere):
        delete_local(here)
    assert list(here.paths.volumes("platform").glob("*/PG_VERSION"))


def test_a_port_that_is_taken_is_no_reason_to_move_a_trial_platform_which_nothing_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "share_images", lambda *_: None)
    monkeypatch.setattr(ports, "is_free", lambda _: False)
    monkeypatch.setattr(ports, "named", lambda _, taken: [Holder(port, 7, "nginx") for port in taken])
    engine = FakeRunner({docker.inspect("kilter-platform-control-plane").argv: "[]", **ENGINE})
    with pytest.raises(MachineLacks, match="is held by nginx") as caught:
        local.ensure(machine(tmp_path, engine))
    assert caught.value.hint == "end the program and run the same command again"


@pytest.mark.parametrize("login", ["", "me:s3cr3t@", "token@"])
def test_a_mirror_is_named_to_nodes_without_the_login_that_its_url_may_hold(login: str, tmp_path: Path) -> None:
    """Every node of the machine has these files, and its containerd would make nothing of a login in them."""
    here = machine(tmp_path, KILTER_REGISTRY_MIRROR=f"https://{login}mirror.example.com:5000/hub")
    found = local.registries(here, 31000)
    assert found["ghcr.io"] == ("https://mirror.example.com:5000/hub", "https://ghcr.io")


ID = "0123456789abcdef" * 4
NAME = f"localhost:32760/kilter/platform:{ID[:12]}"


def bringing(image: str, push: str | Outcome = "") -> FakeRunner:
    """Stand before an engine that has the image."""
    answers = {images.tag(image, NAME).argv: "", images.push(NAME).argv: push, images.untag(NAME).argv: ""}
    return FakeRunner({images.inspect(image).argv: f"sha256:{ID}\n", **answers})


@pytest.mark.parametrize("pushed", ["", Outcome(1, "", "connection refused")])
def test_the_name_by_which_an_image_is_brought_to_the_cluster_is_taken_off_again(
    tmp_path: Path, pushed: str | Outcome
) -> None:
    runner = bringing("kilter:dev", pushed)
    with suppress(BuildFailed):
        assert local.published(machine(tmp_path, runner), "kilter:dev") == NAME
    assert runner.commands[-1].argv == images.untag(NAME).argv


@pytest.mark.parametrize("image", [NAME, ID, ID[:12], f"sha256:{ID}"])
def test_a_name_that_the_administrator_gave_or_that_may_be_the_images_only_one_stays(
    tmp_path: Path, image: str
) -> None:
    """With its last name Docker deletes an image."""
    runner = bringing(image)
    assert local.published(machine(tmp_path, runner), image) == NAME
    assert images.untag(NAME).argv not in [command.argv for command in runner.commands]
