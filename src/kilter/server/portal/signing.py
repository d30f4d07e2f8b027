"""Signing in and out, letting a device in, and what one's own token is."""

import re

from starlette.responses import Response

from kilter.api import tokens as token_format
from kilter.api.access import DeviceApproval, DeviceApproved, TokenInfo, TokenList, WhoAmI
from kilter.server.portal import cookies, forms
from kilter.server.portal.visit import Visit
from kilter.server.refusals import Refused
from kilter.server.store import sessions, tokens
from kilter.server.store.engine import Tx

UNKNOWN = "This token is not known here: it may be mistyped, revoked or over."
NO_DEVICE = "No device waits with this code. Codes are good for ten minutes, and for once."


async def sign_in_form(visit: Visit) -> Response:
    """Where a token is pasted; who is signed in goes on."""
    wanted = forms.place(visit.request.query_params.get("next", ""))
    if visit.grant is not None:
        return visit.lead_to(wanted)
    return with_form_secret(visit, wanted, "", 200)


def with_form_secret(visit: Visit, wanted: str, fault: str, status: int) -> Response:
    """Show the form, to a browser that holds what the form is bound to."""
    secret = visit.secret or cookies.new_secret()
    shown = Visit(visit.call, visit.request, secret)
    response = shown.page("sign-in.html", status, wanted=wanted, fault=fault)
    cookies.give(response, visit.call.settings, cookies.FORM, secret)
    return response


async def sign_in(visit: Visit) -> Response:
    """Give a browser a session for a token that is good; the token itself is kept nowhere."""
    call, wanted = visit.call, forms.place(visit.form.get("next", ""))
    token = token_format.parse(visit.form.get("token", "").strip())

    def start(tx: Tx) -> str | None:
        grant = tokens.verify(tx, token, call.now) if token else None
        if grant is None:
            return None
        if visit.grant is not None:
            sessions.end(tx, visit.secret)
        return sessions.start(tx, grant.token_id, call.now)

    secret = await call.store.run(start)
    if secret is None:
        return with_form_secret(visit, wanted, UNKNOWN, 401)
    response = visit.lead_to(wanted)
    cookies.take(response, call.settings, cookies.FORM)
    cookies.give(response, call.settings, cookies.SESSION, secret)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session; the token stays good."""
    await visit.call.store.run(sessions.end, visit.secret)
    response = visit.lead_to("/sign-in")
    cookies.take(response, visit.call.settings, cookies.SESSION)
    return response


async def device_form(visit: Visit) -> Response:
    """Where the code of `kilter login --device` is typed; never filled in, so that no link can bring a foreign one."""
    return visit.page("device.html", fault="", approved=None)


async def approve_device(visit: Visit) -> Response:
    """Let a device have a token like one's own."""
    typed = visit.form.get("code", "")
    letters = re.sub(r"[^A-Z]", "", typed.upper())
    wanted = DeviceApproval(user_code=f"{letters[:4]}-{letters[4:8]}")
    try:
        approved = await visit.document(DeviceApproved, "POST /v1/device/approvals", body=wanted)
    except Refused as refused:
        if refused.code != "not_found":
            raise
        return visit.page("device.html", 404, fault=NO_DEVICE, approved=None)
    return visit.page("device.html", fault="", approved=approved)


async def account(visit: Visit) -> Response:
    """The token that one is signed in with; for admins the others within reach."""
    who = await visit.document(WhoAmI, "GET /v1/whoami")
    others: tuple[TokenInfo, ...] = ()
    if visit.may("admin"):
        others = (await visit.document(TokenList, "GET /v1/tokens")).tokens
    return visit.page("account.html", who=who, others=others)


async def revoke_own(visit: Visit) -> Response:
    """Revoke the token that one is signed in with: every session and device of it is out."""
    await visit.ask("DELETE /v1/whoami")
    return await sign_out(visit)


async def revoke(visit: Visit) -> Response:
    """Revoke a token."""
    await visit.ask("DELETE /v1/tokens/{token_id}", visit.path("token_id"))
    return visit.lead_to("/account")
