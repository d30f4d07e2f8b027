"""Who asks, and tokens."""

from kilter.api import tokens as token_format
from kilter.api.access import TokenCreated, TokenList, TokenRequest, WhoAmI
from kilter.server import access, clock
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused, not_found
from kilter.server.store import tokens
from kilter.server.store.engine import Tx
from kilter.server.store.tokens import Grant
from kilter.words import human_duration


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
    """Make a token. Raises Refused where it would reach further, or be good for longer, than the asking one."""
    grant, body = call.granted(), call.body
    assert isinstance(body, TokenRequest)
    if not access.may_grant(grant, body.role, body.scopes):
        raise Refused("forbidden", "a token can hand out no more than it reaches itself", field="scopes")
    token = token_format.mint()
    made = Grant(token.id, body.actor, body.role, body.scopes, _end(grant, body.expires_in, call.now))
    info = await call.store.run(tokens.insert, token, made, created_by=grant.actor, now=call.now)
    return Answer(201, TokenCreated(token=token.text, info=info))


def _end(grant: Grant, asked: int | None, now: int) -> int:
    """Return when a token made by another one ends. Raises Refused where it is asked to outlive that one."""
    if asked is None:
        return min(now + tokens.LIFETIME, grant.expires_at)
    if (end := now + asked * clock.SECOND) > grant.expires_at:
        left = (grant.expires_at - now) // clock.SECOND
        message = f"a token hands out none that outlives it: yours is good for {human_duration(left)} more ({left} s)"
        raise Refused("forbidden", message, field="expires_in", details={"most": left})
    return end


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
