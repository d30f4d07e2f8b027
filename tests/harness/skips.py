"""Skipped tests, where every test is required: one that could not run is a failure like any other."""

import os
from collections.abc import Collection

# Read here: when a test is reported, it has no KILTER_ variables any more.
REQUIRED = os.environ.get("KILTER_SKIPPED_FAILS") == "1"
ALLOWED = "may_skip"


def refused(marks: Collection[str], *, required: bool = REQUIRED) -> bool:
    """Tell whether a skip is a failure: all are where tests are required, but of those that say when they may."""
    return required and ALLOWED not in marks
