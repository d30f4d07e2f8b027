"""One deploy: how far it is, as it happens; and taking it out of the queue."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response

from kilter.api.deploys import Deploy, Event, LogEvent, PhaseEvent
from kilter.api.environments import Environment
from kilter.api.words import ENDED
from kilter.server import clock
from kilter.server.portal.look import failure_sentence, moment
from kilter.server.portal.projects import ENV, least_for_cancel, row_of
from kilter.server.portal.visit import Visit
from kilter.server.refusals import Refused
from kilter.server.store import events

DEPLOY = "/v1/deploys/{deploy_id}"
LINES = 200  # of a deploy's log, the last ones


@dataclass(frozen=True)
class Bar:
    """A phase on the timeline; left and width are in percent of the whole."""

    phase: str
    started_at: datetime
    seconds: float
    is_over: bool
    left: float
    width: float


def bars(deploy: Deploy, now: datetime) -> list[Bar]:
    """Return the phases that were seen, on one scale from the beginning to the end, or to now."""
    if not deploy.steps:
        return []
    began = deploy.steps[0].started_at
    whole = max(0.001, ((deploy.finished_at or now) - began).total_seconds())
    found = []
    for step in deploy.steps:
        seconds = max(0.0, ((step.finished_at or now) - step.started_at).total_seconds())
        left = min(99.0, 100 * (step.started_at - began).total_seconds() / whole)
        width = min(max(1.0, 100 * seconds / whole), 100 - left)
        is_over = step.finished_at is not None
        found.append(Bar(step.phase, step.started_at, seconds, is_over, round(left, 2), round(width, 2)))
    return found


def sentence(deploy: Deploy, awaited: str) -> str:
    """Say how the deploy is, in one sentence."""
    if deploy.state == "queued":
        return waiting(deploy)
    if deploy.state == "running":
        return f"{deploy.phase}: {awaited}" if awaited else f"{deploy.phase}."
    if deploy.state == "superseded":
        return "A newer deploy took its place."
    if deploy.failure is not None:
        return deploy.failure.message if deploy.state == "canceled" else failure_sentence(deploy.failure)
    if deploy.operation == "delete":
        return f"{deploy.env} is deleted."
    # It was so then: what became of it since, the environment tells.
    end = "became ready" if deploy.url is None else "answered"
    return f"Release {deploy.release} {end}" + (f" at {moment(deploy.finished_at)}." if deploy.finished_at else ".")


def waiting(deploy: Deploy) -> str:
    """Say who is being waited for."""
    place = deploy.queue
    if place is None or place.holder is None:
        return "It is next."
    before = "one deploy is" if place.position == 1 else f"{place.position} deploys are"
    return f"Queued: {before} before it; {place.holder.actor}'s is at work ({place.holder.phase})."


async def deploy(visit: Visit) -> Response:
    """One deploy."""
    path = visit.path("deploy_id")
    found = await visit.document(Deploy, f"GET {DEPLOY}", path)
    told = await visit.call.store.run(events.newest, found.deploy_id)
    is_over = found.state in ENDED
    return visit.page(
        "deploy.html",
        deploy=found,
        row=row_of(found),
        bars=bars(found, clock.to_datetime(visit.call.now)),
        sentence=sentence(found, awaited(told)),
        lines=[event.line for _, event in told if isinstance(event, LogEvent)][-LINES:],
        last=told[-1][0] if told else 0,
        is_over=is_over,
        cancellable=found.state == "queued" and await may_cancel(visit, found),
    )


def awaited(told: list[tuple[int, Event]]) -> str:
    """Return what the operator said last about what is awaited."""
    return next((event.message for _, event in reversed(told) if isinstance(event, PhaseEvent)), "")


async def may_cancel(visit: Visit, found: Deploy) -> bool:
    """Tell whether taking a deploy out of the queue is worth being offered."""
    where = {"org": found.org, "app": found.app, "env": found.env}
    try:
        env = await visit.document(Environment, f"GET {ENV}", where)
    except Refused:
        return False
    return visit.may(least_for_cancel(env.env_class))


async def stream(visit: Visit) -> Response:
    """What happens to a deploy, as it happens; `after` is the number of the last event that the page shows."""
    after = visit.request.query_params.get("after", "0")
    headers = {"last-event-id": after, **visit.call.headers}
    asking = replace(visit, call=replace(visit.call, headers=headers))
    answer = await asking.ask(f"GET {DEPLOY}/events", visit.path("deploy_id"))
    assert isinstance(answer, Response)
    return answer


async def cancel(visit: Visit) -> Response:
    """Take a deploy out of the queue."""
    path = visit.path("deploy_id")
    await visit.ask(f"POST {DEPLOY}/cancel", path)
    return visit.lead_to(f"/deploys/{path['deploy_id']}")
