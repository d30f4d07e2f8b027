"""Environments: look, delete, read logs."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

import msgspec
from starlette.responses import Response, StreamingResponse

from kilter.api.environments import DeleteAccepted, DeleteRequest
from kilter.api.environments import Environment as EnvironmentDocument
from kilter.api.queries import LogsQuery
from kilter.api.words import DatabasePolicy, EnvClass
from kilter.render import names
from kilter.server import access, clock, documents
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused, Unavailable, not_found
from kilter.server.routes.deploys import accepting, admitted_class
from kilter.server.routes.events import ASK_ALIVE, MEDIA_TYPE
from kilter.server.seams import LogQuery
from kilter.server.store import deploys, environments
from kilter.server.store.deploys import Order
from kilter.server.store.engine import Tx
from kilter.words import did_you_mean, duration

PIECE = 65536  # characters of a text that are sent together
CUT = "(the cluster does not answer any more: lines are missing from here on)"


async def one(call: Call) -> Answer:
    """One environment, as it was last seen."""

    def look(tx: Tx) -> EnvironmentDocument | None:
        found = environments.find(tx, call.at())
        if found is None:
            return None
        as_of = clock.maybe(call.services.pulse.as_of(found.status_at, call.now))
        return msgspec.structs.replace(documents.environment(tx, found, call.settings), as_of=as_of)

    document = await call.store.run(look)
    if document is None:
        raise not_found()
    return Answer(200, document)


async def delete(call: Call) -> Answer | Response:
    """Accept the end of an environment (DP-Q25). Raises Refused: wrong_confirmation, busy."""
    return await accepting(call, accept_delete)


def accept_delete(tx: Tx, call: Call) -> DeleteAccepted:
    """Check what is asked for, and record it. Raises Refused."""
    body, slot, grant = call.body, call.at(), call.granted()
    assert isinstance(body, DeleteRequest)
    environments.hold(tx, slot)
    if environments.find(tx, slot) is None:
        raise not_found()
    env_class = admitted_class(tx, call, slot)
    if env_class == "protected":
        access.require_role(grant, "admin", f"{slot.env} is protected")
    database = confirmed(body, slot, env_class)
    call.notes.overrides = ("drop_database",) if database == "drop" else ()
    last = deploys.latest(tx, slot)
    if last is None:
        raise not_found()
    spec = msgspec.structs.replace(last.spec, actor=grant.actor, database_on_delete=database)
    order = Order(slot, "delete", env_class, spec, grant.token_id, call.settings.cluster_domain)
    record, place = deploys.accept(tx, order, call.services.clock())
    days = access.days_kept(call.settings, env_class) if database == "keep" else None
    return DeleteAccepted(
        deploy_id=record.id, sequence=record.sequence, database=database, database_kept_days=days, queue=place
    )


def confirmed(body: DeleteRequest, slot: names.Slot, env_class: EnvClass) -> DatabasePolicy:
    """Return what becomes of the database, once the words are right. Raises Refused: wrong_confirmation."""
    if body.confirm != str(slot):
        raise Refused("wrong_confirmation", f"confirm must be {slot}, letter for letter", field="confirm")
    database: DatabasePolicy = body.database or ("drop" if env_class == "ephemeral" else "keep")
    if database == "drop" and env_class == "protected" and body.confirm_database != str(slot):
        message = f"the database of a protected environment: confirm_database must be {slot} too"
        raise Refused("wrong_confirmation", message, field="confirm_database")
    return database


async def logs(call: Call) -> Response:
    """The lines that an environment's pods print; as a stream of events with `follow`. Raises Refused: too_many."""
    query, slot = call.query, call.at()
    assert isinstance(query, LogsQuery)
    if query.kind != "app":
        raise Refused("not_yet", "this platform runs no migrations and seeds yet; kind is app", field="kind")
    namespace, labels = await call.store.run(pods_meant, slot, query.process)
    if not namespace:
        return Answer(200, "").response()
    lines = call.services.cluster.logs(wanted(query, namespace, labels))
    if not call.services.readers.has_room(call.granted().actor, follow=query.follow):
        raise Refused("too_many", "too many logs are being read, by you or by all; end some, or try again")
    text = counted(call, followed(call, told_whole(lines)) if query.follow else printed(lines), follow=query.follow)
    await anext(text)
    if query.follow:
        return StreamingResponse(text, headers={"X-Accel-Buffering": "no"}, media_type=MEDIA_TYPE)
    return StreamingResponse(text, media_type="text/plain; charset=utf-8")


async def counted(call: Call, pieces: AsyncGenerator[str, None], *, follow: bool) -> AsyncGenerator[str, None]:
    """Pass pieces on, and be counted as a reader. The first is empty: from then on the end of it is seen, too."""
    with call.services.readers.reading(call.granted().actor, follow=follow):
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece


async def printed(lines: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """Yield pieces of a text, never the whole: there may be more than a process should hold.

    What fails before there is a line is raised, and is an answer of its own; afterwards the text says so.
    """
    line = await anext(lines, None)
    yield ""
    held, size, rest = list[str](), 0, told_whole(lines)
    while line is not None:
        held.append(f"{line}\n")
        size += len(line)
        if size >= PIECE:
            yield "".join(held)
            held, size = [], 0
        line = await anext(rest, None)
    yield "".join(held)


def pods_meant(tx: Tx, slot: names.Slot, process: str | None) -> tuple[str, dict[str, str]]:
    """Return the namespace, empty before there is one, and the labels of the pods: the app's, or those of one process.

    Raises Refused: not_found, invalid.
    """
    found = environments.find(tx, slot)
    if found is None:
        raise not_found()
    labels = {"kilter.dev/app": slot.app}
    if process == slot.app:
        labels[names.COMPONENT] = "web"
    elif process:
        labels["kilter.dev/process"] = known_process(slot, process, processes(tx, found))
    return found.status.namespace, labels


def processes(tx: Tx, found: environments.Environment) -> dict[str, str]:
    """Return the processes of an environment, each with the name of its workload.

    They are those of the newest deploy and of the releases whose pods may still run while it is under way or failed.
    """
    releases = (found.status.release, found.status.last_good_release)
    serving = [deploys.find(tx, release.deploy_id) for release in releases if release]
    app, further = found.slot.app, dict[str, str]()
    for record in (deploys.latest(tx, found.slot), *serving):
        for name, process in record.spec.processes.items() if record else ():
            further.setdefault(name, names.workload(app, name, scheduled=bool(process.schedule)))
    return further


def known_process(slot: names.Slot, asked: str, known: Mapping[str, str]) -> str:
    """Return the process that is called so, by itself or as a workload of the cluster. Raises Refused (LC-Q32)."""
    found = asked if asked in known else next((name for name, work in known.items() if work == asked), None)
    if found is None:
        names_known = [slot.app, *known]
        message = f"{slot} has no process {asked!r}{did_you_mean(asked, names_known)}"
        raise Refused("invalid", message, field="process", details={"known": names_known})
    return found


def wanted(query: LogsQuery, namespace: str, labels: Mapping[str, str]) -> LogQuery:
    """Return which pods and lines are meant. Raises Refused."""
    try:
        since = int(duration(query.since)) if query.since else None
    except ValueError as error:
        raise Refused("invalid", str(error), field="since") from None
    return LogQuery(namespace, tuple(labels.items()), query.lines, since, query.follow)


async def followed(call: Call, lines: AsyncIterator[str]) -> AsyncGenerator[str, None]:
    """Yield lines as events, until the token or session is over (S2); a sign of life where nothing is printed."""
    services = call.services
    yield ""
    waiting = asyncio.ensure_future(anext(lines, None))
    look = time.monotonic() + ASK_ALIVE
    try:
        while not services.stopping.is_set():
            # Not a timeout around it: that would cancel whoever reads the pods.
            await asyncio.wait({waiting}, timeout=max(0.0, look - time.monotonic()))
            if time.monotonic() >= look:
                if not await services.store.run(call.is_good, services.clock()):
                    return
                look = time.monotonic() + ASK_ALIVE
                yield ": still here\n\n"
            if waiting.done():
                line = waiting.result()
                if line is None:
                    return
                yield "event: log\ndata: " + line.replace("\r", "\\r") + "\n\n"
                waiting = asyncio.ensure_future(anext(lines, None))
    except Unavailable:  # the store: who follows asks again
        return
    finally:
        waiting.cancel()


async def told_whole(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield lines; where the cluster stops answering, the last one says so."""
    try:
        async for line in lines:
            yield line
    except Unavailable:
        yield CUT
