"""Deploys: accept, look, cancel."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec
from starlette.responses import Response

from kilter.api.deploys import Deploy as DeployDocument
from kilter.api.deploys import DeployAccepted, DeployList, DeployRequest
from kilter.api.environments import DeleteAccepted
from kilter.api.queries import DeploysQuery
from kilter.api.words import EnvClass
from kilter.render.names import Slot
from kilter.server import acceptance, access, documents, repeats
from kilter.server.call import Answer, Call
from kilter.server.hub import DISPATCH
from kilter.server.refusals import not_found
from kilter.server.store import audit, deploys, environments, images
from kilter.server.store.audit import Outcome
from kilter.server.store.deploys import Order, Record
from kilter.server.store.engine import Tx
from kilter.words import matches

ACCEPTED = 202
Accept: TypeAlias = Callable[[Tx, Call], DeployAccepted | DeleteAccepted]


async def create(call: Call) -> Answer | Response:
    """Accept a deploy: recorded and numbered, and carried out whether or not the client stays."""
    return await accepting(call, accept)


async def accepting(call: Call, accept: Accept) -> Answer | Response:
    """Accept in one transaction, and have it carried out."""
    with call.services.rush.waiting():
        answer = await call.store.run(accept_once, call, accept)
    call.notes.is_closed = True
    call.services.hub.tell([DISPATCH])
    return answer


def accept_once(tx: Tx, call: Call, accept: Accept) -> Answer | Response:
    """Accept what has not been accepted before, keep the answer for its key, and write the audit trail's row.

    All of it or, when it raises, nothing: a key never outlives its deploy, nor a deploy its key (S10, F28).
    """
    answer: Answer | Response
    before = repeats.claim(tx, call.key, call.now) if call.key else None
    if before is not None:
        answer, deploy_id = before, msgspec.json.decode(before.body)["deploy_id"]
    else:
        document = accept(tx, call)
        answer, deploy_id = Answer(ACCEPTED, document), document.deploy_id
        if call.key:
            repeats.keep(tx, call.key, answer.response())
    audit.finish(tx, call.attempted(), Outcome(ACCEPTED, None, deploy_id, call.notes.overrides))
    return answer


def accept(tx: Tx, call: Call) -> DeployAccepted:
    """Check what is asked for, and record it. Raises Refused."""
    body, slot, settings = call.body, call.at(), call.settings
    assert isinstance(body, DeployRequest)
    env_class = admitted_class(tx, call, slot, protected=body.protected)
    acceptance.refuse_what_is_to_come(body)
    acceptance.check_image(settings, slot, body.image)
    acceptance.check_hosts(settings, slot, body.app)
    acceptance.check_platform(settings, body.platform)
    acceptance.check_app(settings, body.app)
    timeout = acceptance.ready_timeout(settings, body.timeout)
    if env_class == "protected" and body.source.dirty:
        acceptance.refuse_uncommitted(slot.env, allowed=body.allow_dirty)
        call.notes.overrides = ("dirty",)
    spec = acceptance.spec_of(body, slot, call.granted().actor, timeout)
    acceptance.check_size(spec)
    order = Order(
        slot=slot,
        operation="deploy",
        env_class=env_class,
        spec=spec,
        token_id=call.granted().token_id,
        domain=settings.cluster_domain,
        scheme=settings.scheme,
        port=settings.public_port,
        replaces_waiting=any(matches(glob, slot.env) for glob in settings.replace_waiting_envs),
    )
    # Not as of when the request began: its body may have taken half a minute.
    record, place = deploys.accept(tx, order, call.services.clock())
    if body.push_id:
        images.pushed(tx, (slot.org, slot.app), body.push_id)
    return DeployAccepted(
        deploy_id=record.id,
        sequence=record.sequence,
        release=record.sequence,
        url=record.url,
        ready_timeout=timeout,
        queue=place,
    )


def admitted_class(tx: Tx, call: Call, slot: Slot, *, protected: bool = False) -> EnvClass:
    """Return the environment's class, once it is sure that the token's role is enough for it (DP-Q28).

    The environment is held from then on, so that nobody protects it meanwhile.
    """
    environments.hold(tx, slot)
    present = environments.find(tx, slot)
    env_class = access.class_of(call.settings, slot.env, protected=protected)
    env_class = access.stricter(env_class, present.env_class) if present else env_class
    access.require_role(call.granted(), access.role_for(env_class), f"{slot.env} is {env_class}")
    return env_class


async def listed(call: Call) -> Answer:
    """An environment's deploys, newest first."""
    query, slot = call.query, call.at()
    assert isinstance(query, DeploysQuery)

    def page(tx: Tx) -> DeployList | None:
        if environments.find(tx, slot) is None:
            return None
        found = deploys.page(tx, slot, below=query.cursor, limit=query.limit)
        full = len(found) == query.limit
        return DeployList(
            deploys=tuple(documents.deploy(tx, record) for record in found),
            cursor=str(found[-1].sequence) if full and found[-1].sequence > 1 else None,
        )

    document = await call.store.run(page)
    if document is None:
        raise not_found()
    return Answer(200, document)


async def one(call: Call) -> Answer:
    """One deploy."""
    return Answer(200, await call.store.run(documents.deploy, recorded(call)))


async def cancel(call: Call) -> Answer:
    """Take a waiting deploy out of the queue. Raises Refused: too_late."""
    record = recorded(call)
    call.notes.deploy_id = record.id

    def take_out(tx: Tx) -> tuple[DeployDocument, list[str]]:
        admitted_class(tx, call, record.slot)
        canceled = deploys.cancel(tx, record.id, call.granted().actor, call.now)
        return documents.deploy(tx, canceled), deploys.tell_waiters(tx, record.slot, call.now)

    document, waiting = await call.store.run(take_out)
    call.services.hub.tell([record.id, *waiting, DISPATCH])
    return Answer(ACCEPTED, document)


def recorded(call: Call) -> Record:
    """Return the deploy of the path."""
    assert call.record is not None
    return call.record
