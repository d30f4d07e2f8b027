"""What `make demo` says in the end."""

import subprocess
from pathlib import Path

import pytest
from harness.script import loaded

demo = loaded(Path(__file__).resolve().parents[3] / "scripts/demo.py")


@pytest.mark.parametrize("has_testbed", [True, False])
def test_what_it_proposes_can_be_pasted_into_a_shell_that_knows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_testbed: bool
) -> None:
    root = tmp_path / "a person's folder"
    (root / "shop").mkdir(parents=True)
    (root / "testbed").mkdir()
    (root / "testbed/__main__.py").write_text('print("export DOCKER_HOST=unix:///theirs")')
    (root / "kilter").write_text('#!/bin/sh\necho "$PWD $DOCKER_HOST $*"\n')
    (root / "kilter").chmod(0o755)
    monkeypatch.setattr(demo, "ROOT", root)
    monkeypatch.setattr(demo, "SHOP", root / "shop")
    lines = ["shopt -s expand_aliases", *demo.next_steps(str(root / "kilter"), has_testbed=has_testbed)]
    done = subprocess.run(["bash", "-eu"], input="\n".join(lines), env={"PATH": "/usr/local/bin:/usr/bin:/bin",
        "DOCKER_HOST": ""}, capture_output=True, text=True, check=True)  # fmt: skip
    host = "unix:///theirs" if has_testbed else ""
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"{root}/shop {host} {words}" for words in ("env", "logs -f worker", "stop")]
