"""What every suite shares: a stripped environment, and the rule for tests that need a container engine."""

import gc
import itertools
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest
from harness import leftovers, skips

HOMES = itertools.count()
FOLDERS = itertools.count()


@pytest.fixture(autouse=True)
def stripped_environment(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keep the developer's own settings out of unit tests."""
    if request.node.get_closest_marker("cluster"):
        return
    for name in [name for name in os.environ if name.startswith(("KILTER_", "XDG_", "DOCKER_", "KUBE"))]:
        monkeypatch.delenv(name)
    # Of its own and not there yet: most tests write nothing, and thousands of folders take a second.
    monkeypatch.setenv("HOME", str(tmp_path_factory.getbasetemp() / f"home-{next(HOMES)}"))


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a test a folder; pytest's own looks through those of all tests before, and marks the newest by a link."""
    path = tmp_path_factory.getbasetemp() / f"test-{next(FOLDERS)}"
    path.mkdir(mode=0o700)
    return path


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell makes its background jobs deaf to it, and they pass that on to every child."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make, not again and again among the thousands of tests themselves."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a skipped test fail where they are all required."""
    report = yield
    marks = {mark.name for mark in item.iter_markers()}
    if report.skipped and not hasattr(report, "wasxfail") and skips.refused(marks):
        report.outcome, report.longrepr = "failed", f"KILTER_REQUIRE_CLUSTER=1, and it was skipped: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out cluster tests only where nobody asked for them; a required one is never skipped."""
    cluster = [item for item in items if item.get_closest_marker("cluster")]
    if os.environ.get("KILTER_REQUIRE_CLUSTER") != "1":
        for item in cluster:
            item.add_marker(pytest.mark.skip(reason="needs a container engine: `make test` runs it where there is one"))
    elif cluster:
        leftovers.remove()
