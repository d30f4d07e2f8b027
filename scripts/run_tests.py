"""Runs the suites that `make check` does not: fuzz, conformance and e2e, on the testbed or on the machine's Docker.

With KILTER_REQUIRE_CLUSTER=1 a machine that cannot run them fails; without it, they are left out loudly.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("tests/fuzz", "tests/conformance", "tests/e2e")


def main() -> int:
    """Make the testbed, build the wheel, run the suites; returns the exit code."""
    required = os.environ.get("KILTER_REQUIRE_CLUSTER") == "1"
    made = subprocess.run(["make", "--no-print-directory", "testbed", "wheel"], cwd=ROOT, check=False)
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
    pytest = [str(ROOT / ".venv/bin/python"), "-m", "pytest", "-v", "--durations=15", "-p", "no:cacheprovider", *SUITES]
    command = [sys.executable, "testbed", "exec", "--", *pytest, *sys.argv[1:]]
    environment = os.environ | {"KILTER_BINARY": str(ROOT / "build/kilter/bin/kilter"), "KILTER_REQUIRE_CLUSTER": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
