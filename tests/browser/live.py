"""The real server on a port of this machine, with a store of its own; of the world outside, the cluster is a fake."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Self

import httpx2
import uvicorn
from unit.server.web import DAY, DEPLOY, KEY, FakeCluster

from kilter.api import tokens as token_format
from kilter.api.access import Scope
from kilter.api.words import Role
from kilter.server import clock
from kilter.server.app import create_app
from kilter.server.distribution import DistributionRegistry
from kilter.server.seams import LogQuery
from kilter.server.settings import Settings
from kilter.server.store import sessions, tokens
from kilter.server.store.sqlite import SqliteEngine
from kilter.server.store.tokens import Grant

SECONDS = 10.0  # for anything that is waited for


class TalkativeCluster(FakeCluster):
    """Also prints lines while somebody follows."""

    def __init__(self) -> None:
        super().__init__()
        self.printed: asyncio.Queue[str] = asyncio.Queue()

    async def logs(self, query: LogQuery) -> AsyncIterator[str]:
        async for line in super().logs(query):
            yield line
        while query.follow:
            yield await self.printed.get()


class Live:
    """A server at work."""

    def __init__(self, folder: Path, cluster: type[TalkativeCluster] = TalkativeCluster, **settings: Any) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        # asyncio does so only by itself where it has made the socket; without it every answer takes 40 ms.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        fixed = {"cluster_domain": "apps.example.com", "public_url": self.url, "registry": "registry.example.com"}
        self.settings = Settings(**(fixed | settings))
        self.store = SqliteEngine(folder / "store.db")
        self.cluster_kind = cluster
        self.loop = asyncio.new_event_loop()
        self.started = threading.Event()
        self.thread = threading.Thread(target=self._serve, name="server")

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.started.wait(SECONDS), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end)
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), "the server did not end"

    def _end(self) -> None:
        self.app.state.services.stop()
        self.server.should_exit = True
        self.cluster.printed.put_nowait("")

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._story())
        self.loop.close()

    async def _story(self) -> None:
        await self.store.open()
        self.cluster = self.cluster_kind()
        self.app = create_app(self.settings, self.store, self.cluster, DistributionRegistry(self.settings, KEY))
        config = uvicorn.Config(
            self.app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1, server_header=False
        )
        self.server = uvicorn.Server(config)
        self.loop.call_soon(self.started.set)
        await self.server.serve(sockets=[self.socket])
        await self.store.close()

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a transaction."""
        return asyncio.run_coroutine_threadsafe(self.store.run(work, *args, **kwargs), self.loop).result(SECONDS)

    def token(self, role: Role = "admin", project: str = "*/*", env: str = "*", actor: str = "") -> str:
        """Make a token."""
        token = token_format.mint()
        grant = Grant(token.id, actor or role, role, (Scope(project=project, env=env),), clock.now() + 90 * DAY)
        self.run(tokens.insert, token, grant, created_by="installation", now=clock.now())
        return token.text

    def session(self, token: str) -> str:
        """Begin a session, as signing in does; returns what the browser holds."""
        parsed = token_format.parse(token)
        assert parsed
        return str(self.run(sessions.start, parsed.id, clock.now()))

    def api(self, method: str, path: str, token: str, body: Any = None) -> Any:
        """Ask the API; returns the document."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = httpx2.request(method, self.url + path, headers=headers, json=body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def deploy(self, token: str, org: str, app: str, env: str, **source: Any) -> str:
        """Deploy; returns the deploy's id."""
        image = DEPLOY["image"].replace("acme/shop", f"{org}/{app}")
        body = {**DEPLOY, "image": image, "source": source}
        accepted = self.api("POST", f"/v1/projects/{org}/{app}/envs/{env}/deploys", token, body)
        return str(accepted["deploy_id"])

    def applied(self, deploy_id: str) -> str:
        """Wait until the cluster has a deploy; returns the name of its object."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            for name, app in list(self.cluster.objects.items()):
                if app.spec.deploy_id == deploy_id:
                    return name
            time.sleep(0.02)
        raise AssertionError(f"{deploy_id} never came to the cluster")

    def report(self, name: str, **status: Any) -> None:
        """Say what the operator says."""
        self.loop.call_soon_threadsafe(lambda: self.cluster.report(name, **status))

    def print_line(self, line: str) -> None:
        """Have a pod print a line, for who follows."""
        self.loop.call_soon_threadsafe(self.cluster.printed.put_nowait, line)
