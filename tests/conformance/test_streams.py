"""The installed command with its streams closed, full, or with nobody at the other end. Needs no engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")
NO_CLUSTER = "shop has no cluster yet: `kilter up` makes one\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project's directory."""
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {redis: }\n")
    return tmp_path


def shell(line: str, directory: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in which `k` is kilter; what it prints last on stdout is what it saw."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        ["bash", "-c", f'k() {{ "{sys.executable}" -m kilter "$@"; }}; {line}'],
        cwd=directory,
        env=given | {"HOME": str(directory / "home")} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["env", "env --json", "--version", "--help", "up --help", "completion fish", ""])
@pytest.mark.may_skip
@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_standard_output_is_told_and_ends_with_4(words: str, unbuffered: str, shop: Path) -> None:
    ended = shell(f"k {words} >/dev/full", shop, PYTHONUNBUFFERED=unbuffered)
    assert ended.returncode == 4
    assert ended.stderr.count("No space left on device") == 1
    assert "a fault in kilter" not in ended.stderr
    assert "Exception" not in ended.stderr


@pytest.mark.parametrize("words", ["env", "--version", "up --help", ""])
def test_a_closed_standard_output_is_told_and_ends_with_1(words: str, shop: Path) -> None:
    ended = shell(f"k {words} >&-", shop)
    assert ended.returncode == 1
    assert ended.stderr.count("standard output is closed") == 1
    assert "a fault in kilter" not in ended.stderr


def test_a_reader_that_leaves_is_no_failure(shop: Path) -> None:
    ended = shell("for n in 1 2 3; do k env | true; echo ${PIPESTATUS[0]}; done", shop)
    assert (ended.stdout, ended.stderr) == ("0\n0\n0\n", NO_CLUSTER * 3)


@pytest.mark.parametrize("line", ["k nope 2>&-", "k nope 2>/dev/full", "k nope 2>&1 | true; exit ${PIPESTATUS[0]}"])
def test_an_error_that_nobody_can_hear_keeps_its_exit_code(line: str, shop: Path) -> None:
    assert shell(line, shop).returncode == 2


def test_a_closed_standard_input_is_no_terminal(shop: Path) -> None:
    ended = shell("k env --localhost <&-", shop)
    assert (ended.returncode, ended.stderr) == (0, NO_CLUSTER)
    assert ended.stdout.startswith("REDIS_URL=")


def test_no_file_of_kilters_takes_the_number_of_a_closed_stream(shop: Path) -> None:
    shell("k env <&- >&- 2>&-", shop)
    record = (shop / "home/.local/share/kilter/ports.json").read_text()
    assert record.startswith("{")
    assert "REDIS_URL" not in record
