"""Runs the suites that `make check` does not, on the testbed or on the machine's Docker.

Integration, fuzz, git, browser, conformance and e2e; and once more golden, with the pinned helm beside the stored
output of its charts, and the server's unit tests, with PostgreSQL beside SQLite: that of KILTER_TEST_POSTGRES, or a
container.

Cluster tests run in one lane, one after the other; those that mind nobody beside them (`island`) and everything else in
another: clusters wait more than they work. The second lane's output comes when the first has ended.

With KILTER_REQUIRE_CLUSTER=1 a machine that cannot run containers fails; without it, what needs them is left out
loudly, and the rest is run. So it is with the tests in a browser where there is no Chromium, and those on an API server
where none can be compiled.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv/bin/python")
KILTER = ROOT / "build/kilter/bin/kilter"
IN_TESTBED = (sys.executable, "testbed", "exec", "--")
IN_BROWSER = "tests/browser"
SUITES = (
    *("tests/golden", "tests/unit/server", "tests/integration", "tests/fuzz", "tests/git"),
    *(IN_BROWSER, "tests/conformance", "tests/e2e"),
)
POSTGRES = "KILTER_TEST_POSTGRES"
POSTGRES_IMAGE = "postgres:17"
MARK = "kilter.test"  # label: the process that made the container
ON_CONTAINERS = "the tests that need containers, those of clusters and with PostgreSQL, and the stored output of helm"
ON_API_SERVER = "the tests of tests/conformance on an API server without nodes"
PATIENCE = 120.0  # seconds until it answers
BESIDE = ROOT / "build/test-others.log"
RESULTS = (ROOT / "build/test-clusters.xml", ROOT / "build/test-others.xml")  # a lane's each, as pytest writes them
TOLD = 1_200  # characters of what a failed test said
NOTHING_CHOSEN = 5  # pytest's exit code where the arguments choose no test of a lane
CANNOT = 3  # the testbed's exit code on a machine that cannot run it


def main() -> int:
    """Build the wheel, make the testbed and run the suites, as far as this machine can; returns the exit code."""
    required = os.environ.get("KILTER_REQUIRE_CLUSTER") == "1"
    wheel = subprocess.run(["make", "--no-print-directory", "wheel"], cwd=ROOT, check=False)
    if wheel.returncode != 0:
        return wheel.returncode
    made = subprocess.run([sys.executable, "testbed", "up", "--for", "all"], cwd=ROOT, check=False)
    if made.returncode not in (0, CANNOT) or (made.returncode and required):
        print("\nThe testbed could not be made: failed.", file=sys.stderr)
        return made.returncode
    containers = made.returncode == 0
    if not containers:
        why = "this machine cannot run any (the testbed's last lines above say why)"
        not_run(ON_CONTAINERS, f"{why}.\n*** Set KILTER_REQUIRE_CLUSTER=1 to make this a failure")
    if not (api_server() or required):  # without it, they fail one by one where all are required
        not_run(ON_API_SERVER, "none could be compiled (the testbed's last lines above say why)")
    suites = [suite for suite in SUITES if required or suite != IN_BROWSER or shutil.which("chromium")]
    if len(suites) < len(SUITES):
        not_run(IN_BROWSER, "there is no `chromium` on PATH")
    arguments, environment = [*suites, *sys.argv[1:]], os.environ | {"KILTER_BINARY": str(KILTER)}
    return on_containers(arguments, environment, required) if containers else in_two_lanes(arguments, environment)


def on_containers(arguments: Sequence[str], environment: Mapping[str, str], required: bool) -> int:
    """Build the platform's image and run all suites, with helm and PostgreSQL; returns the exit code."""
    built = subprocess.run(["make", "--no-print-directory", "platform-image"], cwd=ROOT, check=False)
    if built.returncode != 0:
        print("\nThe image of the platform's programs could not be built: failed.", file=sys.stderr)
        return built.returncode
    all_of_it = {
        "KILTER_REQUIRE_CLUSTER": "1",
        "KILTER_SKIPPED_FAILS": "1" if required else "",
        "KILTER_TEST_HELM": pinned("helm"),
    }
    with database() as url:
        return in_two_lanes(arguments, {**environment, **all_of_it, POSTGRES: url})


def not_run(what: str, why: str) -> None:
    """Say what is left out so that nobody overlooks it."""
    print(f"\n*** NOT RUN: {what}\n*** because {why}.", file=sys.stderr)


def api_server() -> bool:
    """Tell whether there is an API server to test on; where Docker is real, `up` has compiled none so far."""
    if os.environ.get("KILTER_TEST_KUBERNETES"):
        return True
    made = subprocess.run([sys.executable, "testbed", "up", "--only", "kubernetes"], cwd=ROOT, check=False)
    return made.returncode == 0


def in_two_lanes(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the cluster tests and, beside them and giving way to them, the others; returns pytest's exit code."""
    lane = [*IN_TESTBED, PYTHON, "-m", "pytest", "-v", "--durations=15", "-p", "no:cacheprovider", *arguments, "-m"]
    shared_lane = [*lane, "cluster and not island", f"--junit-xml={RESULTS[0]}"]
    other_lane = ["nice", "-n", "5", *lane, "not cluster or island", f"--junit-xml={RESULTS[1]}"]
    for results in RESULTS:
        results.unlink(missing_ok=True)
    with BESIDE.open("w+") as log:
        own = {**environment, "KILTER_TEST_LANE": "1"}
        others = subprocess.Popen(other_lane, cwd=ROOT, env=own, stdout=log, stderr=subprocess.STDOUT)
        shared = subprocess.Popen(shared_lane, cwd=ROOT, env=environment)
        with ended_in_peace(shared, others):
            codes = [shared.wait()]
            print("\n=== The tests that ran meanwhile:", flush=True)
            codes.append(others.wait())
        log.seek(0)
        shutil.copyfileobj(log, sys.stdout)
    for results, code in zip(RESULTS, codes, strict=True):
        if code not in (0, NOTHING_CHOSEN):
            print(f"\n=== What failed (exit {code}):\n{failures(results)}", flush=True)
    return worst(codes, chosen=len(sys.argv) > 1)


def failures(results: Path) -> str:
    """Return the failed tests of a lane, each with the end of what it said: who keeps a part of it keeps the end."""
    try:
        cases = ET.parse(results).iter("testcase")  # noqa: S314  # pytest wrote it
    except (OSError, ET.ParseError) as error:
        return f"The lane ended without its results: {error}"
    failed = [(case, fault) for case in cases for fault in case if fault.tag in ("failure", "error")]
    told = [
        f"{case.get('classname')}::{case.get('name')}\n{(fault.text or fault.get('message') or '').strip()[-TOLD:]}"
        for case, fault in failed
    ]
    return "\n\n".join(told) or "No test of its own failed: its output above tells why it ended."


@contextmanager
def ended_in_peace(*lanes: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let the lanes undo what they have made when this is asked to end; a terminal's Ctrl-C reaches them by itself."""

    def pass_on(_number: int, _frame: object) -> None:
        for lane in lanes:
            lane.send_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, pass_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def worst(codes: Sequence[int], *, chosen: bool) -> int:
    """Return the exit code of the whole: that of a lane which was killed is negative, and no success.

    A lane may be empty where tests were `chosen` by arguments; then one of the two must have some.
    """
    counted = [abs(code) for code in codes if not (chosen and code == NOTHING_CHOSEN)]
    return max(counted, default=NOTHING_CHOSEN)


@contextmanager
def database() -> Iterator[str]:
    """Yield the address of a PostgreSQL: the one that is given, or a container that is removed afterwards."""
    if given := os.environ.get(POSTGRES):
        yield given
        return
    name, password = f"kilter-tests-postgres-{secrets.token_hex(4)}", secrets.token_hex(12)
    published = ("--publish", "127.0.0.1::5432", "--env", f"POSTGRES_PASSWORD={password}")
    try:
        mark = ("--label", f"{MARK}={os.getpid()}")  # by which a later run removes it, should this one be killed
        docker("run", "--detach", "--rm", "--name", name, *mark, *published, POSTGRES_IMAGE)
        port = docker("port", name, "5432/tcp").split()[0].rpartition(":")[2]
        until = time.monotonic() + PATIENCE
        # Over TCP: while the image prepares its database, the server listens on the socket file alone.
        while "accepting" not in docker("exec", name, "pg_isready", "--host", "127.0.0.1", ok=(0, 1, 2)):
            if time.monotonic() > until:
                raise TimeoutError(f"{POSTGRES_IMAGE} does not answer")
            time.sleep(0.2)
        yield f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
    finally:
        docker("rm", "--force", "--volumes", name, ok=(0, 1))


def docker(*words: str, ok: tuple[int, ...] = (0,)) -> str:
    """Run docker on the testbed's engine and return what it prints. Raises CalledProcessError."""
    done = subprocess.run([*IN_TESTBED, "docker", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode not in ok:
        done.check_returncode()
    return done.stdout


def pinned(tool: str) -> str:
    """Return the path of a tool in the version that kilter pins."""
    command = [*IN_TESTBED, PYTHON, "scripts/pinned.py", tool]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
