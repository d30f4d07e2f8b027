"""One request of a browser, and what a page can do with it: ask API routes, show a template, lead on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kilter.api.words import Role
from kilter.server import access, bodies, clock, guards
from kilter.server.call import Answer, Call, Notes
from kilter.server.endpoint import let_in
from kilter.server.portal import cookies, look
from kilter.server.routes.table import ROUTES
from kilter.server.routing import Route
from kilter.server.store.tokens import Grant

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)
BY_NAME: Final[Mapping[str, Route]] = {f"{route.method} {route.path}": route for route in ROUTES}


@dataclass(frozen=True)
class Visit:
    """One request. `secret` is what the browser holds, of a session or, before one, of a form; `form` is what it sent.

    `grant` is there wherever a page demands that somebody is signed in.
    """

    call: Call
    request: Request
    secret: str
    grant: Grant | None = None
    form: Mapping[str, str] = field(default_factory=dict)

    async def ask(
        self, name: str, path: Mapping[str, str] | None = None, *, query: Any = None, body: Any = None
    ) -> Answer | Response:
        """Have an API route answer in the name of who is signed in, with all its checks. Raises Refused."""
        route, grant = BY_NAME[name], self.granted()
        call = replace(self.call, path=dict(path or {}), query=query, body=body, notes=Notes())
        entered = await guards.asked(guards.enter_again, grant.token_id, route, call)
        return await let_in(call, entered, route, route.handler)

    async def document(self, kind: type[T], name: str, path: Mapping[str, str] | None = None, **more: Any) -> T:
        """Return what an API route answers. Raises Refused."""
        answer = await self.ask(name, path, **more)
        assert isinstance(answer, Answer)
        assert isinstance(answer.document, kind)
        return answer.document

    def query(self, kind: type[S]) -> S:
        """Read the address's query: fields that are empty, or not known, are left out. Raises Refused."""
        known = {each.encode_name for each in msgspec.structs.fields(kind)}
        found = {name: value for name, value in self.request.query_params.items() if value and name in known}
        return bodies.converted(found, kind, strict=False)

    def path(self, *names: str) -> dict[str, str]:
        """Return parts of the address."""
        return {name: self.request.path_params[name] for name in names}

    def granted(self) -> Grant:
        """Return the grant of a page that demands one."""
        if self.grant is None:
            raise guards.unknown()
        return self.grant

    def may(self, role: Role) -> bool:
        """Tell whether something that needs a role is worth being offered."""
        return self.grant is not None and access.has_role(self.grant, role)

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """Show a template."""
        given = {
            "visit": self,
            "grant": self.grant,
            "word": cookies.form_word(self.secret) if self.secret else "",
            "now": clock.to_datetime(self.call.now),
            "at": self.request.url.path,
        }
        return HTMLResponse(look.render(template, **given, **values), status)

    def lead_to(self, path: str) -> Response:
        """Have the browser go on with a GET."""
        return RedirectResponse(path, 303)
