"""Deploys: accept, look, cancel."""

from collections.abc import Callable

from kilter.api.deploys import Deploy as DeployDocument
from kilter.api.deploys import DeployAccepted, DeployList, DeployRequest
from kilter.api.environments import DeleteAccepted
from kilter.api.queries import DeploysQuery
from kilter.api.words import EnvClass
from kilter.render.names import Slot
from kilter.server import acceptance, access, documents
from kilter.server.call import Answer, Call
from kilter.server.hub import DISPATCH
from kilter.server.refusals import not_found
from kilter.server.store import audit, deploys, environments
from kilter.server.store.audit import Outcome
from kilter.server.store.deploys import Order, Record
from kilter.server.store.engine import Tx

ACCEPTED = 202


async def create(call: Call) -> Answer:
    """Accept a deploy: recorded and numbered, and carried out whether or not the client stays."""
    return await accepting(call, accept)


async def accepting(call: Call, accept: Callable[[Tx, Call], DeployAccepted | DeleteAccepted]) -> Answer:
    """Accept in one transaction, which closes the audit trail's row too, and have it carried out."""
    document = await call.store.run(accept, call)
    call.notes.is_closed = True
    call.services.hub.tell([DISPATCH])
    return Answer(ACCEPTED, document)


def accept(tx: Tx, call: Call) -> DeployAccepted:
    """Check what is asked for, record it, and close the audit trail's row: together or, when it raises, nothing."""
    body, slot, settings = call.body, call.at(), call.settings
    assert isinstance(body, DeployRequest)
    env_class = admitted_class(tx, call, slot, protected=body.protected)
    acceptance.refuse_what_is_to_come(body)
    acceptance.check_image(settings, slot, body.image)
    acceptance.check_app(settings, body.app)
    timeout = acceptance.ready_timeout(settings, body.timeout)
    if env_class == "protected" and body.source.dirty:
        call.notes.overrides = ("dirty",)
    order = Order(
        slot=slot,
        operation="deploy",
        env_class=env_class,
        spec=acceptance.spec_of(body, slot, call.granted().actor, timeout),
        token_id=call.granted().token_id,
        domain=settings.cluster_domain,
        scheme=settings.scheme,
        port=settings.public_port,
        replaces_waiting=any(access.matches(glob, slot.env) for glob in settings.replace_waiting_envs),
        idempotency=call.idempotency,
    )
    record = accepted(tx, call, order)
    return DeployAccepted(
        deploy_id=record.id,
        sequence=record.sequence,
        release=record.sequence,
        url=record.url,
        ready_timeout=timeout,
        queue=deploys.queue(tx, record),
    )


def accepted(tx: Tx, call: Call, order: Order) -> Record:
    """Record what is asked for, and what became of the call. Raises Refused, as `deploys.accept` does."""
    record = deploys.accept(tx, order, call.now)
    audit.finish(tx, call.audited(), Outcome(ACCEPTED, None, record.id, call.notes.overrides))
    return record


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
