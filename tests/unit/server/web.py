"""The application called directly, without sockets, and a cluster in memory."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import msgspec
from unit.server.orders import IMAGE, NOON

from kilter.api import tokens as token_format
from kilter.api.access import Scope
from kilter.api.kilterapp import KilterApp, Metadata, Spec
from kilter.api.kilterapp_status import Status
from kilter.api.words import Role
from kilter.server.app import create_app
from kilter.server.distribution import DistributionRegistry
from kilter.server.refusals import Unavailable
from kilter.server.seams import Change, Conflict, Gone, Listed, LogQuery, Seen
from kilter.server.settings import Settings
from kilter.server.store import tokens
from kilter.server.store.migrate import migrate
from kilter.server.store.sqlite import SqliteEngine, SqliteTx
from kilter.server.store.tokens import Grant
from kilter.signing.keys import Key, generate, read

KEY: Key = read(generate())
SETTINGS = Settings(cluster_domain="apps.example.com", registry="registry.example.com")
DAY = 86400 * 1_000_000
APP = {"port": 8080}
DEPLOY: dict[str, Any] = {"image": IMAGE, "app": APP}


@cache
def with_schema() -> bytes:
    """A store that holds nothing yet, made once."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(SqliteTx(connection))
        return connection.serialize()


class InlineEngine(SqliteEngine):
    """The store without its thread: these tests ask one thing after the other, and the other tests have the thread."""

    async def open(self) -> None:
        self._open()

    def _run(self, work: Callable[..., Any], *args: Any) -> Any:
        if work is not migrate or self._connection is None:
            return super()._run(work, *args)
        return self._connection.deserialize(with_schema())

    async def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._run(partial(work, **kwargs), *args)

    async def look(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._look(partial(work, **kwargs), *args)

    async def close(self) -> None:
        self._close()


class FakeCluster:
    """Keeps objects as the API server would: a lower sequence is refused, watchers are told."""

    def __init__(self) -> None:
        self.objects: dict[str, KilterApp] = {}
        self.applied: list[tuple[str, Spec]] = []
        self.deleted: list[tuple[str, str]] = []
        self.changes: asyncio.Queue[Change] = asyncio.Queue()
        self.lines: list[str] = []
        self.asked: list[LogQuery] = []
        self.away = False
        self.refusal = ""

    async def apply(self, name: str, spec: Spec) -> None:
        self._answer()
        present = self.objects.get(name)
        if self.refusal or (present and present.spec.sequence > spec.sequence):
            raise Conflict(self.refusal or "a lower sequence never overwrites a higher one")
        self.applied.append((name, spec))
        self.objects[name] = KilterApp(
            metadata=Metadata(name=name), spec=spec, status=present.status if present else Status()
        )

    async def exists(self, name: str) -> bool:
        self._answer()
        return name in self.objects

    async def delete(self, name: str, spec: Spec) -> None:
        self._answer()
        present = self.objects.get(name)
        if self.refusal or (present and present.spec.sequence > spec.sequence):
            raise Conflict(self.refusal or "a later deploy has made it anew")
        if name in self.objects:
            self.deleted.append((name, spec.database_on_delete))

    async def watch(self) -> AsyncIterator[Change]:
        self._answer()
        yield Listed(tuple(self.objects.values()), frozenset(self.objects))
        while True:
            yield await self.changes.get()

    async def logs(self, query: LogQuery) -> AsyncIterator[str]:
        self._answer()
        self.asked.append(query)
        for line in self.lines:
            yield line

    def report(self, name: str, **status: Any) -> None:
        """Say what the operator says of the spec that is there."""
        app = self.objects[name]
        fixed: dict[str, Any] = {"deploy_id": app.spec.deploy_id, "sequence": app.spec.sequence}
        self.objects[name] = msgspec.structs.replace(app, status=Status(**fixed, **status))
        self.changes.put_nowait(Seen(self.objects[name]))

    def vanish(self, name: str) -> None:
        """Finish a deletion."""
        del self.objects[name]
        self.changes.put_nowait(Gone(name))

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("the cluster does not answer")


@dataclass
class Reply:
    """What came back."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def code(self) -> str:
        return str(self.json["error"]["code"])


class Web:
    """A client of the application, with a clock of its own."""

    def __init__(self, runner: asyncio.Runner, settings: Settings = SETTINGS) -> None:
        self.runner, self.settings = runner, settings
        self.now = NOON
        self.store = InlineEngine(":memory:")
        runner.run(self.store.open())
        self.cluster = FakeCluster()
        self.registry = DistributionRegistry(settings, KEY)
        self.app = create_app(settings, self.store, self.cluster, self.registry, lambda: self.now)
        self.services = self.app.state.services

    def close(self) -> None:
        self.runner.run(self.store.close())

    def token(self, role: Role = "admin", project: str = "acme/*", env: str = "*", actor: str = "") -> str:
        """Make a token."""
        return self.runner.run(self.token_later(role, project, env, actor))

    async def token_later(self, role: Role = "admin", project: str = "acme/*", env: str = "*", actor: str = "") -> str:
        """Make a token where a loop is running."""
        token = token_format.mint()
        grant = Grant(token.id, actor or role, role, (Scope(project=project, env=env),), self.now + 90 * DAY)
        await self.store.run(tokens.insert, token, grant, created_by="test", now=self.now)
        return token.text

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self.runner.run(self.store.run(work, *args, **kwargs))

    def __call__(self, method: str, url: str, token: str = "", **more: Any) -> Reply:
        """Send a request and read the whole answer."""
        return self.runner.run(self.send(method, url, token, **more))

    def get(self, url: str, token: str = "", **more: Any) -> Reply:
        return self("GET", url, token, **more)

    def post(self, url: str, token: str = "", body: Any = None, **more: Any) -> Reply:
        return self("POST", url, token, json=body, **more)

    async def send(
        self,
        method: str,
        url: str,
        token: str = "",
        *,
        json: Any = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        until: Callable[[bytes], bool] | None = None,
    ) -> Reply:
        """Send a request; `until` leaves as soon as it is true of what has come so far."""
        parts = content if content is not None else [] if json is None else [msgspec.json.encode(json)]
        given = {"content-type": "application/json"} if parts else {}
        given |= {"content-length": str(sum(map(len, parts)))} if isinstance(parts, list) and parts else {}
        given |= {"authorization": f"Bearer {token}"} if token else {}
        given |= {name.lower(): value for name, value in (headers or {}).items()}
        reply, left = Reply(), asyncio.Event()
        messages = chunks(parts)

        async def receive() -> MutableMapping[str, Any]:
            for message in messages:
                return message
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                reply.status = message["status"]
                reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                reply.body += message.get("body", b"")
            if until and until(reply.body):
                left.set()

        path, _, query = url.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
            "client": ("203.0.113.9", 1234),
            "server": ("kilter.example.com", 443),
            "root_path": "",
            "app": self.app,
        }
        await self.app(scope, receive, send)
        return reply


Webs = Callable[[Settings], Web]


def chunks(parts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield a body part by part, as a server passes it on."""
    for part in parts:
        yield {"type": "http.request", "body": part, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
