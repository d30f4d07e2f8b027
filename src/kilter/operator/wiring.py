"""Where the operator gets its parts from: the chart `kilter-app`, and the writer of the flux repository."""

from kilter.errors import Failed
from kilter.operator.program import Seams
from kilter.operator.settings import Settings


def seams(settings: Settings) -> Seams:
    """Return the operator's parts for these settings; raises Failed in a build that has none."""
    raise Failed(
        "this build of the operator cannot publish anything",
        why="it has neither the chart of an app nor a writer for the flux repository",
        hint="run a build that has both",
    )
