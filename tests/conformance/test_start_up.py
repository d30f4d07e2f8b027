"""What a command imports before it does anything: the time of a start is the time of its imports. Needs no engine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# What the standard library's own core, click and msgspec bring; whatever else appears is a decision.
HELP_NEVER = (
    "rich", "msgspec", "yaml", "ruamel", "jsonschema_rs", "ssl", "asyncio", "http", "email", "urllib.request",
    "concurrent.futures", "multiprocessing", "subprocess", "socket", "logging", "tempfile", "tarfile", "decimal",
    "pkg_resources", "importlib.metadata", "kilter.dev", "kilter.project", "kilter.tools", "kilter.proc",
)  # fmt: skip
ENV_NEVER = (
    "rich", "ruamel", "jsonschema_rs", "ssl", "asyncio", "http", "email", "urllib.request", "concurrent.futures",
    "multiprocessing", "logging", "tempfile", "tarfile", "importlib.metadata", "kilter.clusters", "kilter.dev.up",
)  # fmt: skip


def imported(*arguments: str, directory: Path, code: int = 0) -> set[str]:
    """Return every module that a run of kilter imports."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kilter", *arguments],
        cwd=directory,
        env=environment | {"HOME": str(directory / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code, ended.stderr[-2000:]
    return set(re.findall(r"^import time: .*\|\s+([\w.]+)$", ended.stderr, flags=re.MULTILINE))


def heavy(modules: set[str], never: tuple[str, ...]) -> list[str]:
    return sorted(name for name in modules if any(name == each or name.startswith(f"{each}.") for each in never))


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["up", "--help"], ["completion", "fish"]])
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    modules = imported(*arguments, directory=tmp_path)
    assert "click" in modules
    if arguments == ["completion", "fish"]:
        modules -= {"subprocess", "socket"}
    assert heavy(modules, HELP_NEVER) == []


def test_a_mistyped_verb_costs_no_more_than_help(tmp_path: Path) -> None:
    assert heavy(imported("upp", directory=tmp_path, code=2), HELP_NEVER) == []


@pytest.mark.requirement("NS-Q24")
def test_env_imports_nothing_that_speaks_to_the_network_or_draws(tmp_path: Path) -> None:
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {postgres: , redis: }\n")
    assert heavy(imported("env", directory=tmp_path), ENV_NEVER) == []


def test_render_to_the_screen_and_status_without_a_project_import_nothing_that_draws(tmp_path: Path) -> None:
    modules = imported("status", directory=tmp_path, code=6)
    assert heavy(modules, ("rich", "ruamel", "jsonschema_rs", "ssl", "asyncio")) == []
