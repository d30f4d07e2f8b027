"""What `kilter platform install` does about a release that a killed helm left pending."""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.platform import pending
from kilter.platform.target import NAMESPACE, Target
from kilter.platform.values import CRDS, PLATFORM
from kilter.progress import Recorder
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k/c/kubeconfig"), "c", NAMESPACE)
HERE = Target("context c", Helm("helm", Path("/k"), NAMESPACE, Path("/h")), KUBECTL)
RECORD = KUBECTL.delete("secret", f"sh.helm.release.v1.{PLATFORM}.v7")
NONE = "[]\n"


def left(age: float, name: str = PLATFORM, status: str = "pending-upgrade") -> str:
    """Return helm's words on a release that became pending so many seconds ago."""
    when = datetime.now(UTC) - timedelta(seconds=age)
    told = {"name": name, "namespace": NAMESPACE, "revision": "7", "status": status}
    return json.dumps([told | {"updated": f"{when:%Y-%m-%d %H:%M:%S}.666345733 +0000 UTC"}])


def settled(target: Target, *answers: str) -> tuple[FakeRunner, Recorder]:
    runner, progress = FakeRunner({HERE.helm.pending().argv: list(answers), RECORD.argv: ""}), Recorder()
    with progress.step("install") as step:
        pending.settle(runner, target, progress, step)
    return runner, progress


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "PAUSE", 0.0)


@pytest.mark.requirement("F34")
def test_a_change_that_no_helm_can_be_at_any_more_is_forgotten_and_told() -> None:
    runner, progress = settled(HERE, left(pending.SURE + 1))
    assert runner.commands[-1] == RECORD
    assert any(PLATFORM in line and line.startswith("note: ") for line in progress.lines)


@pytest.mark.requirement("F34")
def test_while_another_helm_may_be_at_work_it_is_waited_for_and_left_alone() -> None:
    runner, progress = settled(HERE, left(5), left(6), NONE)
    assert RECORD not in runner.commands
    assert any("another command" in line for line in progress.lines)


@pytest.mark.requirement("F34", "F41")
@pytest.mark.parametrize("age", [-86400.0, 0.0])
def test_a_clock_that_is_wrong_makes_the_wait_no_longer(monkeypatch: pytest.MonkeyPatch, age: float) -> None:
    told = left(age)
    now = iter(range(0, 10_000, int(pending.SURE) - 1))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    runner, _ = settled(HERE, told, told, told, told)
    assert runner.commands[-1] == RECORD
    assert len(runner.commands) > 2


@pytest.mark.requirement("F34")
def test_on_this_machines_own_cluster_nobody_is_waited_for_because_the_lock_is_held(tmp_path: Path) -> None:
    own = Target("cluster c", Helm("helm", Path("/k"), NAMESPACE, Path("/h"), tmp_path / "helm"), KUBECTL)
    assert own.helm.upgrade(PLATFORM, Path("/c"), "").trace == tmp_path / "helm"
    runner, _ = settled(own, left(1))
    assert runner.commands[-1] == RECORD


def test_releases_of_others_and_those_that_are_not_pending_are_left_alone() -> None:
    for answer in (NONE, "", left(pending.SURE + 1, "somebodys")):
        runner, progress = settled(HERE, answer)
        assert len(runner.commands) == 1
        assert progress.lines == ["step: install"]


def test_both_releases_of_the_platform_are_looked_at() -> None:
    record = KUBECTL.delete("secret", f"sh.helm.release.v1.{CRDS}.v7")
    runner = FakeRunner({HERE.helm.pending().argv: left(pending.SURE + 1, CRDS), record.argv: ""})
    with Recorder().step("install") as step:
        pending.settle(runner, HERE, Recorder(), step)
    assert runner.commands[-1] == record


@pytest.mark.requirement("F34")
def test_a_removal_that_was_cut_off_is_ended_because_helm_knows_no_other_way_on() -> None:
    removal = HERE.helm.uninstall(PLATFORM)
    runner = FakeRunner({HERE.helm.pending().argv: left(pending.SURE + 1, status="uninstalling"), removal.argv: ""})
    progress = Recorder()
    with progress.step("install") as step:
        pending.settle(runner, HERE, progress, step)
    assert runner.commands[-1] == removal
    assert any("removal" in line for line in progress.lines)
