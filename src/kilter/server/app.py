"""The application: the routes, and the work that goes on beside them while the process lives."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from kilter.server import clock
from kilter.server.call import Call, Services
from kilter.server.dispatch import Dispatcher
from kilter.server.elsewhere import hear
from kilter.server.endpoint import Endpoint, answered, failed
from kilter.server.follow import Follower
from kilter.server.housekeeping import keep_house
from kilter.server.leftovers import Remover
from kilter.server.policies import Policies
from kilter.server.portal import door, static
from kilter.server.portal.door import Door
from kilter.server.portal.table import PAGES
from kilter.server.refusals import Refused, not_found
from kilter.server.routes.table import ROUTES
from kilter.server.seams import Cluster, Images, Registry
from kilter.server.settings import Settings
from kilter.server.store.engine import Engine


def create_app(
    settings: Settings,
    store: Engine,
    cluster: Cluster,
    registry: Registry | None = None,
    now: Callable[[], int] = clock.now,
    images: Images | None = None,
) -> Starlette:
    """Return the application; what it is given is already open, and closed by who opened it."""
    services = Services(settings, store, cluster, registry, now, images, policies=Policies(settings.policy_probe))
    app = Starlette(
        routes=[
            *(path_of(route.method, route.path, Endpoint(route, services)) for route in ROUTES),
            *(path_of(page.method, page.path, Door(page, services)) for page in PAGES),
            path_of("GET", "/static/{name:path}", static.answer),
        ],
        exception_handlers={HTTPException: unrouted},
        lifespan=lambda _: background(services),
    )
    app.router.redirect_slashes = False  # `/envs/prod/` is not `/envs/prod` (S7)
    app.state.services = services
    return app


def path_of(method: str, path: str, work: Callable[[Request], Awaitable[Response]]) -> Path:
    """Return a path as Starlette has it; HEAD is not GET here, because streams have no end."""

    async def answer(request: Request) -> Response:
        return await work(request)

    found = Path(path, answer, methods=[method])
    found.methods = {method}
    # A `$` lets a line feed pass at the end: `/v1/info%0A` is not `/v1/info` (S7).
    found.path_regex = re.compile(found.path_regex.pattern.removesuffix("$") + r"\Z")
    return found


async def unrouted(request: Request, _: Exception) -> Response:
    """Answer what no route is for; where another method would do, say which. Who wants a page gets a page."""
    at = request.scope["path"]
    paths = [path for path in request.app.routes if isinstance(path, Path) and path.path_regex.match(at)]
    allowed = sorted(method for path in paths for method in path.methods or ())
    is_api = at.startswith("/v1/") or "text/html" not in request.headers.get("accept", "")

    async def refuse(_: Call) -> Response:
        raise Refused("method_not_allowed", "not with this method") if allowed else not_found()

    response = await answered(
        request, request.app.state.services, refuse, failed if is_api else partial(door.failed, request)
    )
    response.headers.update({} if is_api else door.HEADERS)
    response.headers.update({"Allow": ", ".join(allowed)} if allowed else {})
    return response


@asynccontextmanager
async def background(services: Services) -> AsyncIterator[None]:
    """Carry deploys to the cluster, follow what becomes of them, remove what is left, as long as the server runs."""
    works = [Dispatcher(services).run(), Follower(services).run(), keep_house(services), services.policies.run()]
    if services.store.shared:
        works.append(hear(services))
    if services.images is not None:
        works.append(Remover(services, services.images).run())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        services.stop()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
