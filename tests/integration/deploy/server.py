"""A kilter-server that answers from a table, over a real socket on the loopback."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HANGS_UP = 0  # in place of a status: the request is taken, and the connection ends without an answer


@dataclass
class Table:
    """What is answered per `METHOD path` (a list: in turn; a text to who wants a stream is one), and what was asked."""

    answers: dict[str, list[tuple[int, Any]]]
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    address: str = ""


@contextmanager
def serving(tls: ssl.SSLContext | None = None, /, **answers: list[tuple[int, Any]]) -> Iterator[Table]:
    """Serve until the block ends; keys are written with `__` for the blank: `GET__/v1/info`."""
    table = Table({key.replace("__", " ", 1): list(value) for key, value in answers.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece: a second one would wait for the client's word on the first

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            key = f"{self.command} {self.path.partition('?')[0]}"
            table.asked.append((f"{self.command} {self.path}", dict(self.headers), json.loads(body) if body else None))
            given = table.answers.get(key) or [(404, {"error": {"code": "not_found", "message": f"no {key}"}})]
            status, content = given.pop(0) if len(given) > 1 else given[0]
            if status == HANGS_UP:
                self.close_connection = True
                return
            text = content if isinstance(content, str) else "" if isinstance(content, bytes) else json.dumps(content)
            data = content if isinstance(content, bytes) else text.encode()
            self.send_response(status)
            for name, value in (content.get("_headers", {}) if isinstance(content, dict) else {}).items():
                self.send_header(name, value)
            if "text/event-stream" in self.headers.get("Accept", "") and isinstance(content, str) and content:
                self.send_header("Content-Type", "text/event-stream; charset=utf-8")
            elif isinstance(content, str) and content:
                self.send_header(
                    "Content-Type", "text/html" if content.startswith("<") else "text/plain; charset=utf-8"
                )
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_CONNECT = answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    table.address = f"http{'s' if tls else ''}://kilter.localhost:{server.server_port}"
    try:
        yield table
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
