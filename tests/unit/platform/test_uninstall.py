"""What `kilter platform uninstall` does on a cluster that a context names."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes import Answer, FakeRunner

from kilter.cli.app import App
from kilter.cli.main import run
from kilter.dev.machine import Machine
from kilter.errors import NotFound
from kilter.platform import pending, status
from kilter.platform import uninstall as removal
from kilter.platform.target import NAMESPACE, Target
from kilter.platform.uninstall import refuse_none, uninstall
from kilter.platform.values import CRDS, PLATFORM
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.helm import Helm
from kilter.tools.kubectl import Kubectl

KUBECTL = Kubectl("kubectl", Path("/k"), "c", NAMESPACE)
HERE = Target("context c", Helm("helm", Path("/k"), NAMESPACE, Path("/h")), KUBECTL)
REMOVALS = {HERE.helm.uninstall(PLATFORM).argv: "", HERE.helm.uninstall(CRDS).argv: ""}


def machine(answers: Mapping[tuple[str, ...], Answer]) -> Machine:
    return Machine(FakeRunner(answers), Paths(Path("/data"), Path("/cache")), {}, Recorder())


@pytest.mark.parametrize("found", ["", "[]", '[{"name": "somebodys"}]'])
def test_a_cluster_without_a_platform_is_told_so_and_none_is_said_to_be_gone(found: str) -> None:
    with pytest.raises(NotFound, match="no platform on context c"):
        refuse_none(machine({HERE.helm.releases().argv: found}), HERE)


@pytest.mark.parametrize("name", [PLATFORM, CRDS])
def test_what_an_interrupted_removal_or_installation_left_can_be_removed(name: str) -> None:
    refuse_none(machine({HERE.helm.releases().argv: json.dumps([{"name": name, "status": "failed"}])}), HERE)


def test_a_change_by_somebody_else_is_waited_for_before_anything_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "PAUSE", 0.0)
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}.666345733 +0000 UTC"
    busy = json.dumps([{"name": PLATFORM, "revision": "2", "status": "pending-upgrade", "updated": now}])
    here = machine({HERE.helm.pending().argv: [busy, busy, "[]"], **REMOVALS})
    uninstall(here, HERE)
    assert isinstance(here.runner, FakeRunner)
    asked = [command.argv for command in here.runner.commands]
    assert asked == [HERE.helm.pending().argv] * 3 + list(REMOVALS)


def test_who_uninstalls_is_asked_first_and_told_that_apps_lose_what_the_platform_was_for_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def here(*_: object, **__: object) -> Iterator[Target]:
        yield HERE

    monkeypatch.setattr(status, "existing", here)
    monkeypatch.setattr(removal, "refuse_none", lambda *_: None)
    monkeypatch.setattr(removal, "environments", lambda *_: ["acme/shop/prod"])
    monkeypatch.setattr(App, "machine", machine({}))
    assert run(["platform", "uninstall", "--context", "c"]) == 2
    told = capsys.readouterr().err
    assert "acme/shop/prod: its pods run on, without the platform's Gateway and PostgreSQL" in told
