"""The way of a browser's request: who is it, is the form ours, then the page; failures become pages too."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kilter.server import guards
from kilter.server.call import Call, Services
from kilter.server.endpoint import CLIENT_LEFT, answered, headers_of, reported
from kilter.server.portal import cookies, forms, look
from kilter.server.portal.visit import Visit
from kilter.server.refusals import Refused
from kilter.server.store import sessions

POLICY: Final = "; ".join(
    (
        *("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",  # with none at all, browsers withhold the origin of forms too
}
TITLES: Final = {403: "Not allowed", 404: "Not found", 409: "Not now", 422: "Not accepted", 503: "Not available"}


@dataclass(frozen=True)
class Page:
    """One method of one path. An open page is for who is not signed in, too."""

    method: str
    path: str
    handler: Callable[[Visit], Awaitable[Response]]
    is_open: bool = False


@dataclass(frozen=True)
class Door:
    """A page at work."""

    page: Page
    services: Services

    async def __call__(self, request: Request) -> Response:
        """Answer a request, whatever happens."""
        response = await answered(request, self.services, partial(self._opened, request), partial(failed, request))
        response.headers.update(HEADERS)
        return response

    async def _opened(self, request: Request, call: Call) -> Response:
        guards.refuse_token_in_url(request)
        settings = call.settings
        secret = cookies.held(settings, request.cookies, cookies.SESSION)
        grant = await call.store.run(sessions.find, secret, call.now) if secret else None
        if grant is None:
            if not self.page.is_open:
                raise guards.unknown()
            secret = cookies.held(settings, request.cookies, cookies.FORM)
        else:
            call = replace(call, session=sessions.digest(secret))
        visit = Visit(call, request, secret, grant)
        if self.page.method == "POST":
            visit = replace(visit, form=await forms.read(request, settings.url, secret))
        return await self.page.handler(visit)


def failed(request: Request, error: Exception, request_id: str) -> Response:
    """Return what a person is told of a failure; who is not signed in is led to where that is done.

    A part of a page that is fetched again has the whole page loaded again, to show what became of it; only while the
    platform does not answer, what is there stays. A stream ends.
    """
    if isinstance(error, ClientDisconnect):
        return Response(status_code=CLIENT_LEFT)
    refused = reported(error, request_id)
    headers = headers_of(refused)
    if request.headers.get("accept") == "text/event-stream":
        return Response(status_code=refused.status, headers=headers)
    if "hx-request" in request.headers:
        return Response(status_code=204) if refused.status == 503 else Response(headers={"HX-Refresh": "true"})
    if refused.code == "not_logged_in":
        return RedirectResponse(sign_in_for(request), 303)
    return HTMLResponse(told(refused, request_id), refused.status, headers)


def sign_in_for(request: Request) -> str:
    """Return where to sign in, and come back from."""
    if request.method != "GET" or request.url.path == "/":
        return "/sign-in"
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/sign-in?next={quote(back, safe='')}"


def told(refused: Refused, request_id: str) -> str:
    """Write the page of a failure."""
    title = TITLES.get(refused.status, "That did not work")
    return look.render("error.html", refused=refused, title=title, request_id=request_id, grant=None, at="", word="")
