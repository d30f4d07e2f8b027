"""A registry that answers over a real socket: manifests and tags in memory, tokens checked as distribution does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from unit.server.web import KEY, SETTINGS

from kilter.signing import jwt

PAGE = 2  # tags


@dataclass
class FakeRegistry:
    """By repository: manifests by digest, digests by tag. `status` is answered to everything once it is set."""

    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 0
    url: str = ""

    def put(self, repository: str, digest: str, *listed: str, tag: str = "") -> None:
        """Store a manifest, or a list of some."""
        content: dict[str, Any] = {"manifests": [{"digest": each} for each in listed]} if listed else {"config": {}}
        self.manifests.setdefault(repository, {})[digest] = content
        if tag:
            self.tags.setdefault(repository, {})[tag] = digest

    def answer(self, method: str, path: str, token: str) -> tuple[int, Any, dict[str, str]]:
        """Answer one request: status, document, headers."""
        self.asked.append(f"{method} {path}")
        if self.status:
            return self.status, "trouble", {}
        path, _, query = path.partition("?")
        repository, _, what = path.removeprefix("/v2/").replace("/tags/", "/manifests/tags/").partition("/manifests/")
        claims = jwt.decode(KEY, token) or {}
        wanted = {"type": "repository", "name": repository, "actions": ["pull", "delete"]}
        if (claims.get("iss"), claims.get("aud"), claims.get("access")) != (
            SETTINGS.url,
            "registry.example.com",
            [wanted],
        ):
            return 401, {}, {}
        if what == "tags/list":
            return self._page(repository, query)
        digest = self.tags.get(repository, {}).get(what, what)
        held = self.manifests.get(repository, {})
        if digest not in held:
            return 404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}, {}
        if method == "DELETE":
            del held[digest]
            self.tags[repository] = {tag: to for tag, to in self.tags.get(repository, {}).items() if to != digest}
            return 202, None, {}
        return 200, held[digest], {"Docker-Content-Digest": digest}

    def _page(self, repository: str, query: str) -> tuple[int, Any, dict[str, str]]:
        after = query.removeprefix("last=")
        rest = [tag for tag in sorted(self.tags.get(repository, {})) if tag > after]
        following = {"Link": f'</v2/{repository}/tags/list?last={rest[PAGE - 1]}>; rel="next"'} if rest[PAGE:] else {}
        return 200, {"name": repository, "tags": rest[:PAGE] or None}, following


@contextmanager
def serving() -> Iterator[FakeRegistry]:
    """Serve until the block ends."""
    registry = FakeRegistry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece: a second one would wait for the client's word on the first

        def answer(self) -> None:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, content, headers = registry.answer(self.command, self.path, token)
            data = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    registry.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
