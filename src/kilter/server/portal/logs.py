"""What an environment's pods print."""

from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from kilter.api.environments import Environment
from kilter.api.queries import LogsQuery
from kilter.server.call import Answer
from kilter.server.portal.projects import ENV
from kilter.server.portal.visit import Visit

SHOWN = 2000  # lines on one page; a browser gets no more at once (P3)


@dataclass(frozen=True)
class Line:
    """A line, and the pod that printed it."""

    pod: str
    text: str


async def logs(visit: Visit) -> Response:
    """The last lines, as text."""
    where, query = visit.path("org", "app", "env"), visit.query(LogsQuery)
    env = await visit.document(Environment, f"GET {ENV}", where)
    answer = await visit.ask(f"GET {ENV}/logs", where, query=msgspec.structs.replace(query, follow=False))
    text = answer.document if isinstance(answer, Answer) else bytes(answer.body).decode()
    lines = [line_of(line) for line in text.split("\n")[:-1]]
    return visit.page("logs.html", env=env, lines=lines[-SHOWN:], cut=len(lines) > SHOWN, query=query)


async def stream(visit: Visit) -> Response:
    """The last lines and those that come, as events."""
    where, query = visit.path("org", "app", "env"), visit.query(LogsQuery)
    answer = await visit.ask(f"GET {ENV}/logs", where, query=msgspec.structs.replace(query, follow=True))
    assert isinstance(answer, Response)
    return answer


def line_of(text: str) -> Line:
    """Take the pod's name off a line."""
    pod, _, rest = text.partition(" ")
    return Line(pod, rest)
