"""A volume whose claim somebody deleted is given back to the next claim of that name."""

from pathlib import Path
from typing import Any

import pytest
from fakes import FakeRunner
from unit.dev.support import told, workspace

from kilter.dev.reclaim import reclaim, released
from kilter.render.ownership import OBJECT
from kilter.tools.kubectl import Kubectl

COMMANDS = Kubectl("kubectl", Path("/k"), "kind-kilter-shop", "shop-dev")


def volume(name: str, phase: str, made_as: str = "") -> dict[str, Any]:
    annotations = {OBJECT: made_as or f"PersistentVolume/{name}"}
    metadata = {"name": name, "annotations": annotations}
    return {"kind": "PersistentVolume", "metadata": metadata, "status": {"phase": phase}}


@pytest.mark.requirement("LC-13", "LC-20")
def test_kilters_own_released_volumes_are_given_back_and_no_others(tmp_path: Path) -> None:
    objects = [
        volume("data-redis-0", "Released"),
        volume("data-postgres-0", "Bound"),
        volume("old", "Available"),
        volume("mine", "Released", "PersistentVolume/data-redis-0"),  # a copy of kilter's, by somebody else
        {"kind": "PersistentVolume", "metadata": {"name": "theirs"}, "status": {"phase": "Released"}},
        {"kind": "Service", "metadata": {"name": "redis", "annotations": None}},
    ]
    assert released(objects) == ["data-redis-0"]
    runner = FakeRunner({COMMANDS.unclaim("data-redis-0").argv: ""})
    opened = workspace(tmp_path, runner)
    reclaim(opened, COMMANDS, objects)
    assert [command.argv for command in runner.commands] == [COMMANDS.unclaim("data-redis-0").argv]
    assert told(opened.machine) == [
        "warn: the claim of the volume data-redis-0 was deleted: a new one gets the same data"
    ]
