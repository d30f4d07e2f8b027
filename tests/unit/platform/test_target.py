"""Which cluster is meant: never one by accident, never a project's own."""

import json
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.dev.machine import Machine
from kilter.errors import BadInput, NotAllowed, NotFound, Unreachable
from kilter.platform import install
from kilter.platform.install import Options
from kilter.platform.target import check_choice, of_context, view
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.state import records
from kilter.state.paths import Paths

CONFIG = {"clusters": [{"name": "c", "cluster": {"server": "https://10.0.0.1:6443"}}]}
BINARY = Path("/bin/kubectl")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(FakeRunner(), Paths(tmp_path / "data", tmp_path / "cache"), {}, Recorder())
    monkeypatch.setattr(Machine, "tool", lambda _, name: Path(f"/bin/{name}"))
    return found


def told(machine: Machine, context: str, config: object) -> None:
    assert isinstance(machine.runner, FakeRunner)
    machine.runner.answers = {view(BINARY, context).argv: json.dumps(config)}


def leads_to(machine: Machine, server: str) -> None:
    """Write the kubeconfig of the project `shop`, as far as it is looked at here."""
    file = machine.paths.kubeconfig("shop")
    file.parent.mkdir(parents=True)
    file.write_text(f"    server: {server}\n")


@pytest.mark.parametrize(("context", "local"), [("", False), ("prod", True)])
def test_one_cluster_is_named(context: str, local: bool) -> None:
    with pytest.raises(BadInput):
        check_choice(context, local=local)


def test_a_projects_own_cluster_is_refused_by_its_context_and_by_its_address(machine: Machine, tmp_path: Path) -> None:
    records.claim(machine.paths, "shop", tmp_path)
    told(machine, "kind-kilter-shop", CONFIG)
    with pytest.raises(NotAllowed, match="is the cluster of the project shop"), of_context(machine, "kind-kilter-shop"):
        pass
    leads_to(machine, "https://10.0.0.1:6443")
    told(machine, "renamed", CONFIG)
    with pytest.raises(NotAllowed, match="renamed is the cluster of the project shop"), of_context(machine, "renamed"):
        pass


def test_a_damaged_kubeconfig_of_a_project_is_looked_at_as_far_as_it_goes(machine: Machine, tmp_path: Path) -> None:
    records.claim(machine.paths, "shop", tmp_path)
    leads_to(machine, "https://10.0.0.1:6443")
    with machine.paths.kubeconfig("shop").open("ab") as file:
        file.write(b"\xff\n")
    told(machine, "renamed", CONFIG)
    with pytest.raises(NotAllowed, match="renamed is the cluster of the project shop"), of_context(machine, "renamed"):
        pass


def test_an_address_that_only_begins_like_that_of_a_project_is_another_cluster(
    machine: Machine, tmp_path: Path
) -> None:
    assert isinstance(machine.runner, FakeRunner)
    records.claim(machine.paths, "shop", tmp_path)
    leads_to(machine, "https://10.0.0.1:64430")
    told(machine, "prod", CONFIG)
    with pytest.raises(AssertionError, match="version"), of_context(machine, "prod"):
        pass


def test_an_unknown_context_is_not_found(machine: Machine) -> None:
    assert isinstance(machine.runner, FakeRunner)
    machine.runner.answers = {view(BINARY, "x").argv: Outcome(1, "", "error: context x does not exist")}
    with pytest.raises(NotFound), of_context(machine, "x"):
        pass


def test_a_cluster_that_does_not_answer_is_unreachable_and_no_copy_of_its_credentials_stays(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(FakeRunner):
        def _answer(self, command: object) -> Outcome:
            argv = command.argv  # type: ignore[attr-defined]
            return Outcome(0, json.dumps(CONFIG)) if argv[1] == "config" else Outcome(1, "", "connection refused")

    silent = Silent()
    elsewhere = Machine(silent, machine.paths, {}, Recorder())
    with pytest.raises(Unreachable, match="'prod' does not answer"), of_context(elsewhere, "prod"):
        pass
    place = Path(silent.commands[1].argv[silent.commands[1].argv.index("--kubeconfig") + 1])
    assert not place.exists()


@pytest.mark.parametrize("options", [Options(local=True), Options(context="prod", image="x/y:1"), Options()])
def test_what_is_missing_is_said_before_anything_is_done(machine: Machine, options: Options) -> None:
    with pytest.raises(BadInput):
        install.install(machine, options)
    assert isinstance(machine.runner, FakeRunner)
    assert machine.runner.commands == []


def test_a_domain_for_the_trial_platform_is_refused_rather_than_passed_over(machine: Machine) -> None:
    with pytest.raises(BadInput, match="no --cluster-domain"):
        install.install(machine, Options(local=True, image="x/y:1", domain="apps.example.com"))
    assert isinstance(machine.runner, FakeRunner)
    assert machine.runner.commands == []
