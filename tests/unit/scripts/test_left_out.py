"""What stays out of `make test`: only what cannot be there, and never unsaid."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conformance import apiserver, postgres
from harness import skips

from testbed import cli
from testbed.plan import selection
from testbed.stages import STAGES


@pytest.mark.parametrize(
    ("marks", "required", "fails"),
    [
        (set(), True, True), ({"cluster"}, True, True), ({"cluster", "may_skip"}, True, False),
        (set(), False, False), ({"cluster"}, False, False),
    ],
)  # fmt: skip
def test_where_every_test_is_required_a_skip_is_a_failure_unless_the_test_says_otherwise(
    marks: set[str], required: bool, fails: bool
) -> None:
    assert skips.refused(marks, required=required) is fails


def docker(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """Let every call of docker end so."""

    def run(words: list[str], **_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess(words, int(words[1] in answer), "", "no space left on device")

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize("answer", [FileNotFoundError("docker"), {"version"}])
def test_a_machine_without_docker_leaves_out_what_needs_postgresql(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(postgres, "GIVEN", "")
    docker(monkeypatch, answer)
    with pytest.raises(pytest.skip.Exception, match="there is no Docker here"), postgres.server():
        pass


@pytest.mark.parametrize("step", ["create", "start"])
def test_a_docker_that_cannot_start_postgresql_is_a_failure(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    monkeypatch.setattr(postgres, "GIVEN", "")
    docker(monkeypatch, {step})
    with pytest.raises(AssertionError, match=f"docker {step}: no space left on device"), postgres.server():
        pass


def test_who_has_no_api_server_is_told_what_compiles_one_where_docker_works_too() -> None:
    """`make testbed` makes nothing there."""
    told = re.search(r"`python3 testbed (.+?)`", apiserver.MISSING)
    assert told
    chosen = selection(STAGES, cli.parser().parse_args(told[1].split()).only)
    assert [stage.name for stage in chosen] == ["go", "kubernetes"]


def test_the_api_server_is_looked_for_where_xdg_puts_the_testbed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "kilter-testbed/current/kubernetes/bin"
    folder.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert apiserver.binaries() is None
    for name in ("kubernetes", "etcd"):
        (folder / name).touch()
    assert apiserver.binaries() == folder
