"""`make pins`, asked of a folder in the place of the publishers."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from harness.script import loaded

from kilter.tools.versions import HELM, KIND, Platform, Tool

ROOT = Path(__file__).resolve().parents[3]
HERE: Platform = ("linux", "amd64")
RECORD = "a" * 64


@pytest.fixture
def pins() -> ModuleType:
    return loaded(ROOT / "scripts/pins.py")


def only(tool: Tool, **sums: str) -> Tool:
    return replace(tool, files={HERE: tool.files[HERE]}, sha256={HERE: sums["pinned"]} if sums else {})


@pytest.mark.parametrize(
    ("tool", "said", "good"),
    [
        (only(KIND), f"kind {KIND.version} linux/amd64: {RECORD} (not pinned yet)", True),
        (only(KIND, pinned=RECORD), f"kind {KIND.version} linux/amd64: {RECORD} (as pinned)", True),
        (only(KIND, pinned="b" * 64), f"kind {KIND.version} linux/amd64: {RECORD} (BUT PINNED IS {'b' * 64})", False),
    ],
)
def test_a_pin_is_held_against_the_publishers_record(
    pins: ModuleType, tmp_path: Path, tool: Tool, said: str, good: bool
) -> None:
    folder = tmp_path / "kind" / f"v{tool.version}"
    folder.mkdir(parents=True)
    name = tool.files[HERE]
    (folder / tool.checksums.format(file=name)).write_text(f"{RECORD}  {name}\n")
    assert list(pins.rows({"kind": tool}, {"KILTER_TOOLS_MIRROR": str(tmp_path)})) == [(said, good)]


def test_a_record_that_cannot_be_had_is_a_failure(pins: ModuleType, tmp_path: Path) -> None:
    [(said, good)] = pins.rows({"helm": only(HELM)}, {"KILTER_TOOLS_MIRROR": str(tmp_path)})
    assert "does not exist" in said
    assert not good
