"""What a failed build is told of beside its own words."""

import os
from pathlib import Path

import pytest

from kilter.tools.images import UNSPELLED, remedy

SAID = f"rpc error: code = Internal desc = grpc: error while marshaling: {UNSPELLED}"


def test_files_that_the_builder_cannot_name_are_named(tmp_path: Path) -> None:
    """Of such a file it says neither which one it is nor that it is about one."""
    folder = tmp_path / "b\udcff"
    folder.mkdir()
    for file in (tmp_path / "caf\udce9.txt", tmp_path / "café.txt", folder / "fine"):
        file.touch()
    names = {r"caf\xe9.txt", r"b\xff"}
    told = remedy(f"ImageBuild: {SAID}", tmp_path)
    assert told.startswith("rename ")
    assert told.endswith(", or list it in .dockerignore: Docker takes no name that is not UTF-8")
    assert set(told.removeprefix("rename ").split(", or")[0].split(", ")) == names


def test_no_more_than_three_are_named_and_none_outside_of_the_context(tmp_path: Path) -> None:
    context, outside = tmp_path / "web", tmp_path / "outside"
    for folder in (context, outside):
        folder.mkdir()
    (outside / "o\udce9").touch()
    (context / "linked").symlink_to(outside)
    assert remedy(SAID, context) == ""
    for number in range(5):
        (context / f"{number}\udce9").touch()
    assert remedy(SAID, context).count("xe9") == 3


@pytest.mark.parametrize("said", ["exit code: 1", ""])
def test_what_says_itself_what_is_wrong_is_left_alone(
    tmp_path: Path, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "caf\udce9.txt").touch()
    monkeypatch.setattr(os, "walk", None)  # nor are its files looked through
    assert remedy(said, tmp_path) == ""
