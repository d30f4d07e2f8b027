"""What is told of the flux repository, by the condition that Flux writes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner

from kilter.gitops.model import OPENED, REPOSITORY
from kilter.platform import repository as module
from kilter.platform.repository import look_at_repository, looked, repository, told
from kilter.platform.target import NAMESPACE, Target
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k"), "c", NAMESPACE)
HERE = Target("context c", Helm("helm", Path("/k"), NAMESPACE, Path("/h")), KUBECTL)
ASKED = KUBECTL.get("gitrepositories.source.toolkit.fluxcd.io", "kilter").argv
LEASE_ASKED = KUBECTL.get("leases.coordination.k8s.io", "kilter-operator").argv
SPEC = {"url": "https://git.example.com/flux.git", "ref": {"branch": "main"}, "secretRef": {"name": "flux-git"}}
REFUSED = "unable to list remote:\n authentication required"


def lease(said: str) -> str:
    """Return a Lease whose holder says this of the repository, or nothing."""
    return json.dumps({"kind": "Lease", "metadata": {"annotations": {REPOSITORY: said}} if said else {}})


def cluster(status: str = "", *, seen: int = 2, message: str = "", operator: str = OPENED) -> FakeRunner:
    """Stand before a cluster whose Flux has said this of the second description of the repository."""
    ready = {"type": "Ready", "status": status, "reason": "GitOperationFailed", "message": message}
    other = {"type": "ArtifactInStorage", "status": "True", "observedGeneration": 2}
    conditions: list[dict[str, Any]] = [other, ready | {"observedGeneration": seen}] if status else []
    found = {"metadata": {"generation": 2}, "spec": SPEC, "status": {"conditions": conditions}}
    return FakeRunner({ASKED: json.dumps({"kind": "GitRepository", **found}), LEASE_ASKED: lease(operator)})


PLACE = "https://git.example.com/flux.git (main)"


def test_a_repository_that_flux_fetched_and_the_operator_opened_is_fine() -> None:
    found = repository(cluster("True"), HERE)
    assert (found.reachable, found.fault, found.writable, found.hindrance) == (True, "", True, "")
    assert told(found) == f"{PLACE}: Flux fetches it, kilter-operator can write to it"


def test_why_the_operator_cannot_write_is_told_in_its_own_words() -> None:
    """A login that may only read is enough for Flux."""
    found = repository(cluster("True", operator="the login is refused:\nit may not do that"), HERE)
    assert (found.reachable, found.writable, found.hindrance) == (
        True,
        False,
        "the login is refused: it may not do that",
    )
    why = "kilter-operator cannot write to it, and deploys wait: the login is refused: it may not do that"
    assert told(found) == f"{PLACE}: Flux fetches it; {why}"


@pytest.mark.parametrize("answer", [lease(""), "", Outcome(1, "", "leases is forbidden")])
def test_of_an_operator_that_has_not_tried_or_whose_lease_may_not_be_read_nothing_is_known(
    answer: str | Outcome,
) -> None:
    runner = cluster("True")
    runner.answers = {**runner.answers, LEASE_ASKED: answer}
    found = repository(runner, HERE)
    assert (found.writable, found.hindrance) == (None, "")
    assert told(found) == f"{PLACE}: Flux fetches it, kilter-operator has not said that it can write to it"


def test_why_flux_cannot_fetch_it_is_told_in_its_own_words_and_where_to_look() -> None:
    found = repository(cluster("False", message=REFUSED), HERE)
    assert (found.reachable, found.fault) == (
        False,
        "GitOperationFailed: unable to list remote: authentication required",
    )
    assert "Flux cannot fetch it: GitOperationFailed: unable to list remote: authentication required" in told(found)
    assert "Secret flux-git" in told(found)


@pytest.mark.parametrize("runner", [cluster(), cluster("Unknown"), cluster("True", seen=1), cluster("False", seen=1)])
def test_of_a_repository_that_flux_has_not_looked_at_since_it_changed_nothing_is_known(runner: FakeRunner) -> None:
    found = repository(runner, HERE)
    assert (found.reachable, found.fault) == (None, "")
    assert "Flux has not looked at it yet" in told(found)


def test_a_platform_without_a_repository_says_so() -> None:
    found = repository(FakeRunner({ASKED: ""}), HERE)
    assert found.reachable is False
    assert "there is no GitRepository kilter: `kilter platform install --context c` makes it" in told(found)


def test_an_installation_warns_of_a_repository_that_is_away_and_goes_on() -> None:
    progress = Recorder()
    look_at_repository(cluster("False", message=REFUSED), HERE, 0.0, progress)
    assert progress.lines[-1].startswith("warn: the flux repository https://git.example.com/flux.git (main): Flux")
    assert "authentication required" in progress.lines[-1]
    assert "`kilter platform status --context c` looks again" in progress.lines[-1]


def test_a_repository_whose_server_started_after_flux_is_looked_at_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 7)
    wish = KUBECTL.annotate(*module.SOURCE, "reconcile.fluxcd.io/requestedAt=7").argv
    progress, before, after = Recorder(), cluster("False", message=REFUSED), cluster("True")
    answers: list[str | Outcome] = [str(each.answers[ASKED]) for each in (before, after)]
    runner = FakeRunner({ASKED: answers, LEASE_ASKED: lease(OPENED), wish: ""})
    look_at_repository(runner, HERE, float("inf"), progress)
    assert [command.argv for command in runner.commands] == [ASKED, LEASE_ASKED, wish, ASKED, LEASE_ASKED]
    assert not [line for line in progress.lines if line.startswith("warn")]


STEP = "step: look whether the flux repository can be read and written"


def test_an_installation_says_nothing_of_a_repository_that_can_be_used() -> None:
    progress = Recorder()
    look_at_repository(cluster("True"), HERE, float("inf"), progress)
    assert progress.lines == [STEP]


def test_an_installation_waits_for_the_operator_and_asks_flux_for_nothing_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    progress, runner = Recorder(), cluster("True")
    runner.answers = {**runner.answers, LEASE_ASKED: [lease(""), lease("the branch is locked"), lease(OPENED)]}
    look_at_repository(runner, HERE, float("inf"), progress)
    noted = [line.rpartition(": ")[2] for line in progress.lines[1:]]
    assert noted == ["kilter-operator has not opened it yet", "the branch is locked"]
    assert {command.argv for command in runner.commands} == {ASKED, LEASE_ASKED}


def test_an_installation_warns_of_a_repository_that_the_operator_cannot_write_to() -> None:
    progress = Recorder()
    look_at_repository(cluster("True", operator="the login is refused"), HERE, 0.0, progress)
    assert progress.lines[-1].startswith("warn: the flux repository ")
    assert "kilter-operator cannot write to it, and deploys wait: the login is refused" in progress.lines[-1]


def test_a_look_waits_for_no_operator() -> None:
    """Who asks how a platform stands is told at once."""
    assert looked(cluster("True", operator=""), HERE).writable is None


def test_who_may_not_ask_flux_to_look_again_is_told_what_it_found_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 7)
    runner = cluster("False", message=REFUSED)
    wish = KUBECTL.annotate(*module.SOURCE, "reconcile.fluxcd.io/requestedAt=7").argv
    runner.answers = {**runner.answers, wish: Outcome(1, "", "forbidden")}
    assert "authentication required" in looked(runner, HERE).fault
    assert [command.argv for command in runner.commands] == [ASKED, LEASE_ASKED, wish]
