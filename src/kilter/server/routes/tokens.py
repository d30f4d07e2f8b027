"""Who asks, and tokens."""

from kilter.api import tokens as token_format
from kilter.api.access import TokenCreated, TokenList, TokenRequest, WhoAmI
from kilter.server import access, clock
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused, not_found
from kilter.server.store import tokens
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant


async def whoami(call: Call) -> Answer:
    """The token that asks."""
    grant = call.granted()
    document = WhoAmI(
        actor=grant.actor,
        role=grant.role,
        scopes=grant.scopes,
        token_id=grant.token_id,
        expires_at=clock.to_datetime(grant.expires_at),
    )
    return Answer(200, document)


async def logout(call: Call) -> Answer:
    """Revoke the token that asks."""
    await call.store.run(tokens.delete, call.granted().token_id)
    return Answer(204)


async def listed(call: Call) -> Answer:
    """The tokens that lie within what the asking one reaches."""
    grant = call.granted()
    found = await call.store.run(tokens.listed)
    within = tuple(each for each in found if access.may_grant(grant, each.role, each.scopes))
    return Answer(200, TokenList(tokens=within))


async def create(call: Call) -> Answer:
    """Make a token. Raises Refused where it would reach further than the asking one."""
    grant, body = call.granted(), call.body
    assert isinstance(body, TokenRequest)
    if not access.may_grant(grant, body.role, body.scopes):
        raise Refused("forbidden", "a token can hand out no more than it reaches itself", field="scopes")
    token = token_format.mint()
    made = Grant(token.id, body.actor, body.role, body.scopes, call.now + body.expires_in * clock.SECOND)
    info = await call.store.run(tokens.insert, token, made, created_by=grant.actor, now=call.now)
    return Answer(201, TokenCreated(token=token.text, info=info))


async def revoke(call: Call) -> Answer:
    """Revoke a token that lies within what the asking one reaches."""
    grant, token_id = call.granted(), call.path["token_id"]

    def delete(tx: Tx) -> bool:
        found = tokens.find(tx, token_id, 0)
        if found is None or not access.may_grant(grant, found.role, found.scopes):
            return False
        return tokens.delete(tx, token_id)

    if not await call.store.run(delete):
        raise not_found()
    return Answer(204)
