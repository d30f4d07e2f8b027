"""What `kilter platform install` does on a cluster that a context names, and in which order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fakes import FakeRunner

from kilter.dev.machine import Machine
from kilter.errors import BadInput, Failed
from kilter.platform import install, pending
from kilter.platform.install import Options
from kilter.platform.target import NAMESPACE, Target
from kilter.platform.values import CRDS, PLATFORM
from kilter.proc import Outcome
from kilter.progress import Recorder
from kilter.render.charts import chart
from kilter.state.paths import Paths
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k"), "c", NAMESPACE)
HELM = Helm("helm", Path("/k"), NAMESPACE, Path("/h"))
NODES = KUBECTL.get("nodes").argv
SPACE = KUBECTL.apply("").argv
RECORD = KUBECTL.delete("secret", f"sh.helm.release.v1.{PLATFORM}.v7").argv
DEFINITIONS = HELM.upgrade(CRDS, chart("kilter-platform-crds"), "").argv
PROGRAMS = HELM.upgrade(PLATFORM, chart("kilter-platform"), "").argv
IMAGE = "registry.example.com/kilter:1"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    @contextmanager
    def here(_machine: Machine, _context: str) -> Iterator[Target]:
        yield Target("context c", HELM, KUBECTL)

    monkeypatch.setattr(install, "of_context", here)
    return Machine(FakeRunner(), Paths(Path("/data"), Path("/cache")), {}, Recorder())


def asked(machine: Machine, answers: dict[tuple[str, ...], str | Outcome], options: Options) -> list[tuple[str, ...]]:
    """Install, which fails somewhere, and return what was run until then."""
    assert isinstance(machine.runner, FakeRunner)
    machine.runner.answers = answers
    with pytest.raises((BadInput, Failed)):
        install.install(machine, options)
    return [command.argv for command in machine.runner.commands]


def test_an_image_in_the_registry_that_needs_it_is_refused_before_the_cluster_is_touched(machine: Machine) -> None:
    options = Options(context="c", domain="apps.example.com", image="registry.apps.example.com/kilter:1")
    assert asked(machine, {NODES: "{}"}, options) == [NODES]


@pytest.mark.requirement("F34")
def test_what_a_killed_helm_left_is_taken_away_before_the_charts_and_definitions_come_first(machine: Machine) -> None:
    when = datetime.now(UTC) - timedelta(seconds=pending.SURE + 1)
    cut_off = {"name": PLATFORM, "revision": "7", "status": "pending-upgrade"}
    told = json.dumps([cut_off | {"updated": f"{when:%Y-%m-%d %H:%M:%S}.666345733 +0000 UTC"}])
    refused = Outcome(1, "", "Error: no")
    answers: dict[tuple[str, ...], str | Outcome] = {
        NODES: "{}",
        SPACE: "",
        HELM.pending().argv: told,
        RECORD: "",
        DEFINITIONS: "",
        PROGRAMS: refused,
    }
    options = Options(context="c", domain="apps.example.com", image=IMAGE)
    assert asked(machine, answers, options) == [NODES, SPACE, HELM.pending().argv, RECORD, DEFINITIONS, PROGRAMS]
