"""Runs the suites that `make check` does not, on the testbed or on the machine's Docker.

Fuzz, git, browser, conformance and e2e; and golden once more, with the pinned helm beside the stored output of its
charts.

With KILTER_REQUIRE_CLUSTER=1 a machine that cannot run them fails; without it, they are left out loudly. So are the
tests in a browser where there is no Chromium.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python")
IN_TESTBED = (sys.executable, "testbed", "exec", "--")
IN_BROWSER = "tests/browser"
SUITES = ("tests/golden", "tests/fuzz", "tests/git", IN_BROWSER, "tests/conformance", "tests/e2e")


def main() -> int:
    """Make the testbed, build the wheel, run the suites; returns the exit code."""
    required = os.environ.get("KILTER_REQUIRE_CLUSTER") == "1"
    made = subprocess.run(
        ["make", "--no-print-directory", "TESTBED_FOR=all", "testbed", "wheel"], cwd=ROOT, check=False
    )
    if made.returncode != 0:
        if required:
            print("\nThe testbed could not be made and KILTER_REQUIRE_CLUSTER=1: failed.", file=sys.stderr)
            return 1
        print(
            "\n*** NOT RUN: " + ", ".join(SUITES) + "\n*** because this machine cannot run containers "
            "(the testbed's last lines above say why).\n*** Set KILTER_REQUIRE_CLUSTER=1 to make this a failure.",
            file=sys.stderr,
        )
        return 0
    environment = os.environ | {
        "KILTER_BINARY": str(ROOT / "build/kilter/bin/kilter"),
        "KILTER_REQUIRE_CLUSTER": "1",
        "KILTER_TEST_HELM": pinned("helm"),
    }
    suites = [suite for suite in SUITES if required or suite != IN_BROWSER or shutil.which("chromium")]
    if len(suites) < len(SUITES):
        print(f"\n*** NOT RUN: {IN_BROWSER}\n*** because there is no `chromium` on PATH.", file=sys.stderr)
    pytest = [PYTHON, "-m", "pytest", "-v", "--durations=15", "-p", "no:cacheprovider", *suites]
    return subprocess.run([*IN_TESTBED, *pytest, *sys.argv[1:]], cwd=ROOT, env=environment, check=False).returncode


def pinned(tool: str) -> str:
    """Return the path of a tool in the version that kilter pins."""
    command = [*IN_TESTBED, PYTHON, "scripts/pinned.py", tool]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
