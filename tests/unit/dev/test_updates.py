"""What Tilt still has to do, and what keeps nobody waiting."""

from datetime import UTC, datetime

import pytest

from kilter.dev.updates import Updates, updates
from kilter.tools.tilt import TILTFILE, Resource

READ = Resource(TILTFILE, "ok")
NOON, LATER = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 13, tzinfo=UTC)


@pytest.mark.requirement("LC-Q16")
@pytest.mark.parametrize("update", ["pending", "in_progress", "unknown"])
def test_an_app_that_is_to_be_built_is_awaited(update: str) -> None:
    [awaited] = updates([READ, Resource("web", update)], ["web"], {}).pending
    assert (awaited.name, awaited.ready) == ("web", False)


@pytest.mark.parametrize("update", ["ok", "error", "none", "not_applicable"])
def test_an_app_that_tilt_leaves_alone_keeps_nobody_waiting(update: str) -> None:
    """At `none` is what only the user lets run, and what he has switched off on Tilt's page."""
    assert updates([READ, Resource("web", update)], ["web"], {}).pending == ()


def test_a_resource_that_is_no_app_keeps_nobody_waiting() -> None:
    assert updates([READ, Resource("tests", "in_progress")], [], {}) == Updates()


def test_the_newest_end_of_a_build_is_told() -> None:
    done = [Resource(name, "ok", finished=when) for name, when in (("a", NOON), ("b", LATER), ("c", None))]
    assert updates([READ, *done], ["a", "b", "c"], {}) == Updates((), LATER)


def test_a_build_of_before_tilt_was_told_to_build_again_does_not_count() -> None:
    built = Resource("redis", "ok", began=NOON)
    [awaited] = updates([READ, built], [], {"redis": LATER}).pending
    assert awaited.name == "redis"
    assert updates([READ, built], [], {"redis": NOON}).pending == ()


def test_what_was_told_and_never_began_is_awaited() -> None:
    [awaited] = updates([READ, Resource("redis", "ok")], [], {"redis": NOON}).pending
    assert (awaited.name, awaited.ready) == ("redis", False)


def test_a_tilt_that_has_read_no_file_yet_is_awaited() -> None:
    [awaited] = updates([], [], {}).pending
    assert (awaited.name, awaited.ready) == ("the dev loop", False)
