"""Whether an object already says what is wanted of it, defaults of the API server aside. Pure."""

from typing import Any

from kilter.words import quantity


def covers(observed: Any, wanted: Any) -> bool:
    """Tell whether everything in `wanted` stands in `observed`; maps may hold more, lists may not.

    `1Gi` and `1024Mi` are the same quantity. A field that is wanted empty or absent need not be there.
    """
    if isinstance(wanted, dict):
        if not isinstance(observed, dict):
            return not wanted and observed is None
        return all(covers(observed.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(observed, list | tuple):
            return not wanted and observed is None
        return len(observed) == len(wanted) and all(map(covers, observed, wanted))
    return bool(observed == wanted) or _same_quantity(observed, wanted)


def _same_quantity(observed: object, wanted: object) -> bool:
    if not (isinstance(observed, str) and isinstance(wanted, str)):
        return False
    try:
        return quantity(observed) == quantity(wanted)
    except ValueError:
        return False
