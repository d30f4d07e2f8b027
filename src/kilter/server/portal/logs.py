"""What an environment's pods print."""

from collections import deque
from dataclasses import dataclass

import msgspec
from starlette.responses import Response, StreamingResponse

from kilter.api.environments import Environment
from kilter.api.queries import LogsQuery
from kilter.server.call import Answer
from kilter.server.portal.projects import ENV
from kilter.server.portal.visit import Visit

SHOWN = 2000  # lines on one page; a browser gets no more at once (P3)
SHOWN_SIZE = 2 * 1024 * 1024  # characters of them


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
    lines, cut = await last(answer)
    return visit.page("logs.html", env=env, lines=[line_of(line) for line in lines], cut=cut, query=query)


async def stream(visit: Visit) -> Response:
    """The last lines and those that come, as events."""
    where, query = visit.path("org", "app", "env"), visit.query(LogsQuery)
    answer = await visit.ask(f"GET {ENV}/logs", where, query=msgspec.structs.replace(query, follow=True))
    assert isinstance(answer, Response)
    return answer


async def last(answer: Answer | Response) -> tuple[deque[str], bool]:
    """Return the last lines of an answer, and whether there were others."""
    kept, size, cut = deque[str](), 0, False
    if isinstance(answer, StreamingResponse):
        async for piece in answer.body_iterator:
            for line in str(piece).split("\n")[:-1]:
                kept.append(line)
                size += len(line)
                while len(kept) > SHOWN or size > SHOWN_SIZE:
                    size -= len(kept.popleft())
                    cut = True
    return kept, cut


def line_of(text: str) -> Line:
    """Take the pod's name off a line."""
    pod, _, rest = text.partition(" ")
    return Line(pod, rest)
