"""What `make test` makes of its two lanes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness.script import loaded

ROOT = Path(__file__).resolve().parents[3]
run_tests = loaded(ROOT / "scripts/run_tests.py")


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0], 0), ([0, 1], 1), ([0, 5], 0), ([5, 0], 0), ([5, 5], 5), ([1, 3], 3),
        ([0, -9], 9), ([-9, -9], 9), ([5, -11], 11),
    ],
)  # fmt: skip
def test_a_lane_that_failed_or_was_killed_is_never_a_success(codes: list[int], expected: int) -> None:
    assert run_tests.worst(codes, chosen=True) == expected


@pytest.mark.parametrize("codes", [[0, 5], [5, 0], [5, 5]])
def test_a_lane_without_tests_is_a_failure_where_nobody_chose_any(codes: list[int]) -> None:
    assert run_tests.worst(codes, chosen=False) == 5


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How the programs end that `make test` runs, by one of their words; no lane is run."""
    codes: dict[str, int] = {}

    def run(words: list[str], **_: Any) -> Any:
        return SimpleNamespace(returncode=max((codes.get(word, 0) for word in words), default=0), stdout="")

    monkeypatch.setattr(run_tests.subprocess, "run", run)
    monkeypatch.setattr(run_tests, "pinned", lambda _: "helm")
    monkeypatch.setattr(run_tests, "in_two_lanes", lambda *_: 0)
    monkeypatch.setattr(run_tests.shutil, "which", lambda _: "chromium")
    monkeypatch.setenv(run_tests.POSTGRES, "postgresql://given")
    return codes


def test_an_api_server_that_cannot_be_compiled_is_told(
    programs: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tests.main() == 0
    assert "NOT RUN" not in capsys.readouterr().err
    programs["kubernetes"] = 1
    assert run_tests.main() == 0
    assert f"*** NOT RUN: {run_tests.ON_API_SERVER}\n*** because none could be compiled" in capsys.readouterr().err


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 3)])
def test_a_machine_without_containers_fails_only_where_they_are_required(
    programs: dict[str, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    required: str, code: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("KILTER_REQUIRE_CLUSTER", required)
    programs["all"] = run_tests.CANNOT
    assert run_tests.main() == code
    assert (f"*** NOT RUN: {run_tests.ON_CONTAINERS}" in capsys.readouterr().err) is (not required)


def test_what_needs_no_containers_is_run_on_a_machine_without_them(
    programs: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster test is skipped there by itself, because nobody required one."""
    lanes: list[tuple[list[str], dict[str, str]]] = []

    def fails(arguments: list[str], environment: dict[str, str]) -> int:
        lanes.append((arguments, environment))
        return 1

    monkeypatch.setattr(run_tests, "in_two_lanes", fails)
    monkeypatch.setattr(run_tests, "database", lambda: pytest.fail("asked Docker for a database"))
    monkeypatch.setattr(run_tests.sys, "argv", ["run_tests.py"])
    monkeypatch.delenv("KILTER_REQUIRE_CLUSTER", raising=False)
    programs["all"], programs["platform-image"] = run_tests.CANNOT, 1
    assert run_tests.main() == 1
    [(arguments, environment)] = lanes
    assert arguments == list(run_tests.SUITES)
    assert "KILTER_REQUIRE_CLUSTER" not in environment
