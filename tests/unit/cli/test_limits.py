"""What the command line lets through, the platform takes."""

import msgspec
import pytest

from kilter.api.queries import DeploysQuery, LogsQuery
from kilter.cli.logs import MOST_LINES, log_query
from kilter.cli.releases import command as releases
from kilter.errors import BadInput


def test_no_more_releases_are_asked_for_than_the_platform_gives() -> None:
    most = next(each.type for each in releases.params if each.name == "limit").max  # type: ignore[attr-defined]
    assert msgspec.convert({"limit": most}, DeploysQuery).limit == most
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"limit": most + 1}, DeploysQuery)


@pytest.mark.parametrize("tail", [0, MOST_LINES + 1])
def test_no_more_lines_are_asked_for_than_the_platform_gives(tail: int) -> None:
    given = {"follow": False, "previous": False, "since": None}
    with pytest.raises(BadInput, match="--tail is 1 to 10000"):
        log_query((), {**given, "tail": tail})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"lines": tail}, LogsQuery)
    assert log_query((), {**given, "tail": MOST_LINES}) == {"lines": str(MOST_LINES)}
