"""Device login: a machine without a token gets one, because somebody with a token says so."""

from kilter.api.access import (
    DeviceApproval,
    DeviceApproved,
    DeviceCode,
    DeviceCodeRequest,
    DeviceTokenRequest,
    TokenCreated,
)
from kilter.server import clock
from kilter.server.call import Answer, Call
from kilter.server.refusals import Refused, not_found
from kilter.server.store import devices


async def start(call: Call) -> Answer:
    """Begin a login. Raises Refused: too_many."""
    body = call.body
    assert isinstance(body, DeviceCodeRequest)
    code = await call.store.run(devices.start, body.client_name, call.now)
    if code is None:
        raise Refused("too_many", "too many devices are waiting for approval; try again in some minutes")
    document = DeviceCode(
        device_code=code.secret,
        user_code=code.user_code,
        verification_url=f"{call.settings.url}/device",
        expires_in=devices.LIFETIME // clock.SECOND,
        interval=devices.INTERVAL // clock.SECOND,
    )
    return Answer(200, document)


async def collect(call: Call) -> Answer:
    """Give the device its token, once. Raises Refused: pending, too_many (asked too often), expired."""
    body = call.body
    assert isinstance(body, DeviceTokenRequest)
    found = await call.store.run(devices.collect, body.device_code, call.now)
    if found == "pending":
        raise Refused("pending", "nobody has approved this device yet")
    if found == "too_fast":
        raise Refused("too_many", f"ask every {devices.INTERVAL // clock.SECOND} seconds, not more often")
    if isinstance(found, str):
        raise Refused("expired", "this login is over; begin anew", next="kilter login --server <url> --device")
    token, info = found
    return Answer(200, TokenCreated(token=token.text, info=info))


async def approve(call: Call) -> Answer:
    """Let a device in."""
    body = call.body
    assert isinstance(body, DeviceApproval)
    name = await call.store.run(devices.approve, body.user_code, call.granted().token_id, call.now)
    if name is None:
        raise not_found()
    return Answer(200, DeviceApproved(client_name=name))
