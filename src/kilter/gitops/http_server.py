"""Serves one repository over smart HTTP, one thread per connection, all of it bounded; git itself answers, as a CGI."""

import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from kilter.errors import KilterError
from kilter.gitops.served import LOG, MIB, Served
from kilter.gitops.smart_http import PIECE, BadRequest, Route, answer, body, routes, variables
from kilter.gitops.tokens import Right
from kilter.proc import Pipe
from kilter.tools.git import plain

GRACE = 1.0  # seconds for a client to take notice before its connection is closed
HUNG_UP = 499  # in the log alone


class Server(ThreadingHTTPServer):
    """Takes connections, at most so many at a time, and ends when the last answer is given."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], served: Served) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.served = served
        self.routes = routes(served.repository.name)
        self.processes = threading.BoundedSemaphore(served.limits.processes)
        self.ending = False
        self._connections = threading.BoundedSemaphore(served.limits.connections)
        super().__init__(address, Handler)

    def server_bind(self) -> None:
        """Bind without the base class's look-up of a name, which takes long where no DNS answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or say at once that too many are being answered."""
        if self._connections.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:  # no thread could be begun, which would give it back
                self._connections.release()
                raise
            return
        with suppress(OSError):
            request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See ThreadingHTTPServer."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what went wrong with a connection; clients that hang up are nothing to note."""
        error = sys.exception()
        if not isinstance(error, OSError):
            LOG.error("a request failed: %s", plain(f"{type(error).__name__}: {error}"))


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "kilter-git", ""
    disable_nagle_algorithm = True  # an answer in two small parts would wait 40 ms for the client's word in between

    def setup(self) -> None:
        """Bound how long a client may be silent."""
        super().setup()
        self.connection.settimeout(self.server.served.limits.silence)

    def do_GET(self) -> None:
        """Answer health checks and advertisements."""
        if self.path == "/healthz":
            self._say(200, "ok\n")
        elif self.path == "/readyz":
            there = (self.server.served.repository / "HEAD").exists()
            self._say(200 if there else 503, "ok\n" if there else "no repository\n")
        else:
            self._serve()

    def do_POST(self) -> None:
        """Answer exchanges."""
        self._serve()

    def handle_expect_100(self) -> bool:
        """Let the client send its body only where that will be read."""
        return True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Leave the base class's own lines out: they hold what the client sent."""

    def _serve(self) -> None:
        began = time.monotonic()
        self._status, self._begun = 500, False
        route = self.server.routes.get((self.command, self.path))
        try:
            self._exchange(self._admitted(route))
        except BadRequest as error:
            self._refuse(error)
        except KilterError as error:
            LOG.warning("git failed: %s %s", plain(error.what), plain(" ".join(error.details)))
            self._refuse(BadRequest(500, "git failed"))
        except OSError:
            self._status, self.close_connection = HUNG_UP, True
        finally:
            # Of the client's words only those that name something that exists are written down.
            what = f"{self.command} {route.service}" if route else "something else"
            LOG.info("%s from %s: %d, %.3fs", what, self.client_address[0], self._status, time.monotonic() - began)
            self.close_connection = self.close_connection or self.server.ending

    def _admitted(self, route: Route | None) -> Route:
        """Return the route if the client may take it; who has no token learns nothing of what there is."""
        right = self.server.served.tokens.current().right(self.headers.get("Authorization", ""))
        if right is Right.NONE:
            raise BadRequest(401, "a token is needed")
        if route is None:
            raise BadRequest(404, "there is nothing here")
        if right < route.needs:
            raise BadRequest(403, "this token may only read")
        if self.request_version != "HTTP/1.1":
            raise BadRequest(505, "HTTP/1.1 is needed")
        return route

    def _exchange(self, route: Route) -> None:
        served = self.server.served
        pieces = body(self.headers, self.rfile, served.limits.body)
        if not self.server.processes.acquire(timeout=served.limits.wait):
            raise BadRequest(503, "too many requests at a time")
        try:
            if self.headers.get("Expect", "").lower() == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            request = variables(route, served.repository, self.headers)
            with served.runner.pipe(served.git.http_backend(request, served.limits.request)) as pipe:
                self._answer(pipe, pieces)
            self._chunk(b"")  # only now: an answer without an end is one that failed
        finally:
            self.server.processes.release()

    def _answer(self, pipe: Pipe, pieces: Iterator[bytes]) -> None:
        """Feed git and pass on what it says, both at once: it may answer before it has read everything."""
        failed: list[Exception] = []
        feeder = threading.Thread(target=_feed, args=(pipe, pieces, failed), daemon=True)
        feeder.start()
        try:
            status, headers = answer(pipe.stdout)
            piece = pipe.stdout.read1(PIECE)  # git begins its answer before it reads, but says nothing until it has
            if failed and isinstance(failed[0], BadRequest):
                raise failed[0]
            self._begin(status, headers)
            while piece:
                self._chunk(piece)
                piece = pipe.stdout.read1(PIECE)
        finally:
            pipe.stdout.close()  # a git that cannot speak ends, and keeps the feeder waiting no longer
            feeder.join(GRACE)
            if feeder.is_alive():
                with suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RD)
                feeder.join()
            if failed:
                self.close_connection = True  # what is left of the body would be taken for the next request

    def _begin(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        self._status, self._begun = status, True
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def _refuse(self, error: BadRequest) -> None:
        self._status, self.close_connection = error.status, True
        if self._begun:
            return  # the answer stays without its end, by which the client knows
        extra = {401: ("WWW-Authenticate", 'Basic realm="kilter"'), 503: ("Retry-After", "1")}.get(error.status)
        with suppress(OSError):
            self._say(error.status, f"{error.text}\n", extra)
            self._drain()

    def _say(self, status: int, text: str, extra: tuple[str, str] | None = None) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/plain"),
            ("Content-Length", str(len(data))),
            *([extra] if extra else []),
        ):
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def _drain(self) -> None:
        """Read a little of a body that nobody wanted: a connection closed on unread bytes takes the answer with it."""
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(GRACE)
        left = MIB
        while left > 0 and (piece := self.rfile.read1(PIECE)):
            left -= len(piece)


def _feed(pipe: Pipe, pieces: Iterator[bytes], failed: list[Exception]) -> None:
    try:
        for piece in pieces:
            pipe.stdin.write(piece)
    except (BadRequest, OSError, ValueError) as error:
        failed.append(error)
    finally:
        with suppress(OSError, ValueError):
            pipe.stdin.close()
