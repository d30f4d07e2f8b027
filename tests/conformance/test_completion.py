"""The completion script in a real bash, as docs/how-to/completion.md has it. Needs no engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What readline does at the tab key: bash's own words for the line and its cursor, then the function of the script.
TAB = """
source <(kilter completion bash)
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
[[ "$(complete -p kilter)" == *" -F "* ]] || exit 9
_kilter_completion kilter
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["do"], ["down", "doctor"]),
        (["-C", "/", "up", "--re"], ["--recreate", "--reassign-ports"]),
        (["--progress", "="], ["auto", "plain", "json", "quiet"]),  # bash takes `=` for a word of its own
        (["status", "-o", ""], ["text", "json"]),
    ],
)
def test_the_tab_key_completes_verbs_options_and_values(words: list[str], completed: list[str], tmp_path: Path) -> None:
    kilter = tmp_path / "kilter"
    kilter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kilter "$@"\n')
    kilter.chmod(0o755)
    ended = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", "kilter", *words],
        env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == completed
