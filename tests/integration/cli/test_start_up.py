"""What a command imports and starts before it does anything: that is what its start takes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# What the standard library's own core, click and msgspec bring; whatever else appears is a decision.
# Not `dataclasses`: each frozen one takes half a millisecond to make, a `kilter.values.Value` takes a fiftieth of that.
DRAWING = ("rich", "ruamel", "jsonschema_rs", "ssl", "asyncio")
ALWAYS_NEVER = (
    *DRAWING, "http", "email", "urllib.request", "concurrent.futures", "multiprocessing", "logging", "tempfile",
    "tarfile", "socket", "hashlib", "secrets", "random", "difflib", "dataclasses", "pkg_resources",
    "importlib.metadata", "importlib.resources",
)  # fmt: skip
HELP_NEVER = (
    *ALWAYS_NEVER, "msgspec", "yaml", "subprocess", "decimal", "pathlib", "json", "kilter.dev", "kilter.project",
    "kilter.tools", "kilter.proc", "kilter.words", "kilter.values",
)  # fmt: skip
ENV_NEVER = (
    *ALWAYS_NEVER, "shutil", "kilter.clusters", "kilter.tools", "kilter.dev.up", "kilter.dev.probes",
    "kilter.dev.documents",
)  # fmt: skip
PS_NEVER = (
    *ALWAYS_NEVER, "shutil", "yaml", "kilter.project", "kilter.catalog", "kilter.render", "kilter.dev.workspace",
    "kilter.tools.provision", "kilter.clusters.registry",
)  # fmt: skip
STARTING = {"subprocess.Popen", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system"}
HEARING = f"""
import os, sys
sys.addaudithook(lambda event, _: event in {STARTING} and os.write(2, f"started by {{event}}\\n".encode()))
from kilter.__main__ import main
main()
"""
# Somebody presses Ctrl-C each time when a module is to be imported.
PRESSING = """
import signal, sys
class Pressing:
    def find_spec(self, name, *_):
        if name == "{}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Pressing())
from kilter.__main__ import main
main()
"""


def run(arguments: list[str], directory: Path, code: int = 0) -> str:
    """Run Python in a folder whose HOME and docker are its own, and return what it wrote to standard error."""
    docker = directory / "bin" / "docker"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text("#!/bin/sh\n")  # an engine without a container
    docker.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment | {"HOME": str(directory / "home"), "PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == code, ended.stderr[-2000:]
    return ended.stderr


def imported(*arguments: str, directory: Path, code: int = 0) -> set[str]:
    """Return every module that a run of kilter imports."""
    said = run(["-X", "importtime", "-m", "kilter", *arguments], directory, code)
    return set(re.findall(r"^import time: .*\|\s+([\w.]+)$", said, flags=re.MULTILINE))


def heavy(modules: set[str], never: tuple[str, ...], *but: str) -> list[str]:
    """Return which of the modules are in the packages that must never be there, but for some."""
    packages = {each for each in never if each not in but}
    return sorted(name for name in modules if any(name == each or name.startswith(f"{each}.") for each in packages))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project that has been given its ports and its password."""
    (tmp_path / "kilter.yaml").write_text("name: shop\nservices: {postgres: , redis: }\n")
    run(["-m", "kilter", "env"], tmp_path)
    return tmp_path


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    modules = imported(*arguments, directory=tmp_path)
    assert "click" in modules
    assert "click.shell_completion" not in modules
    assert heavy(modules, HELP_NEVER) == []


@pytest.mark.parametrize("arguments", [["up", "--help"], ["completion", "fish"]])
def test_the_help_of_a_verb_imports_nothing_of_what_the_verb_does(arguments: list[str], tmp_path: Path) -> None:
    modules = imported(*arguments, directory=tmp_path)
    assert heavy(modules, HELP_NEVER, "pathlib", "kilter.words") == []


@pytest.mark.parametrize("line", ["kilter ", "kilter up --"])
def test_the_tab_key_waits_for_nothing_that_a_verb_does(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"_KILTER_COMPLETE": "zsh_complete", "COMP_WORDS": line, "COMP_CWORD": "2"}.items():
        monkeypatch.setenv(name, value)
    modules = imported(directory=tmp_path)
    assert "click.shell_completion" in modules
    assert heavy(modules, HELP_NEVER, "pathlib", "kilter.words") == []


def test_the_tab_key_after_a_verb_reads_the_project_alone(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_KILTER_COMPLETE": "bash_complete", "COMP_WORDS": "kilter logs ", "COMP_CWORD": "2"}.items():
        monkeypatch.setenv(name, value)
    modules = imported(directory=shop)
    assert "kilter.project.load" in modules
    assert heavy(modules, ENV_NEVER, "shutil") == []  # Click's own module looks for bash
    assert "started" not in run(["-c", HEARING], shop)


def test_a_mistyped_verb_costs_little_more_than_help(tmp_path: Path) -> None:
    modules = imported("upp", directory=tmp_path, code=2)
    assert heavy(modules, HELP_NEVER, "difflib", "kilter.words") == []


@pytest.mark.requirement("NS-Q24")
def test_env_imports_nothing_that_speaks_to_the_network_or_draws(shop: Path) -> None:
    assert heavy(imported("env", directory=shop), ENV_NEVER) == []


@pytest.mark.requirement("NS-Q28")
def test_ps_imports_nothing_that_reads_or_renders_a_project(shop: Path) -> None:
    assert heavy(imported("ps", directory=shop), PS_NEVER) == []


def test_status_without_a_project_imports_nothing_that_draws(tmp_path: Path) -> None:
    assert heavy(imported("status", directory=tmp_path, code=6), DRAWING) == []


@pytest.mark.requirement("NS-Q24", "NS-Q28")
@pytest.mark.parametrize(("verb", "count"), [("--help", 0), ("env", 0), ("ps", 1), ("ps --all", 2)])
def test_a_verb_that_looks_starts_as_few_processes_as_it_can(verb: str, count: int, shop: Path) -> None:
    heard = [line for line in run(["-c", HEARING, *verb.split()], shop).splitlines() if line.startswith("started")]
    assert heard == ["started by subprocess.Popen"] * count


@pytest.mark.requirement("LC-Q33")
@pytest.mark.parametrize("moment", ["kilter.cli.main", "kilter.words"])
def test_ctrl_c_shows_no_traceback_while_kilter_starts_and_while_it_says_that_it_was_interrupted(
    moment: str, tmp_path: Path
) -> None:
    assert run(["-c", PRESSING.format(moment), "upp"], tmp_path, code=130) == ""


@pytest.mark.requirement("NS-Q13")
def test_a_project_is_the_same_one_in_a_terminal_that_is_not_in_utf_8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "東京 é"
    directory.mkdir()
    (directory / "kilter.yaml").write_text("name: shop\n")
    line = ["-m", "kilter", "-C", os.fsdecode(directory), "env"]
    said = run(line, tmp_path)
    for name, value in {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    assert run(["-X", "utf8=0", *line], tmp_path) == said
