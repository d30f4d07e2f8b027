"""A Git server for tests: the repositories of a folder over HTTP, by Git's own `git http-backend`."""

import base64
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness.certificates import Certificates


class Handler(BaseHTTPRequestHandler):
    """One request, one process of git http-backend, as the gateway interface CGI has it."""

    folder: Path
    login: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", "0"))))

    def answer(self, body: bytes) -> None:
        """Run the backend and pass on what it printed; only who logs in may push."""
        given = self.headers.get("Authorization", "")
        if self.login and given != f"Basic {base64.b64encode(self.login.encode()).decode()}":
            self.reply(401, {"WWW-Authenticate": 'Basic realm="git"'}, b"")
            return
        path, _, query = self.path.partition("?")
        variables = {
            "GIT_PROJECT_ROOT": str(self.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH": os.environ["PATH"],
            **({"REMOTE_USER": self.login.partition(":")[0]} if self.login else {}),
        }
        done = subprocess.run(["git", "http-backend"], input=body, capture_output=True, env=variables, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.reply(int(headers.pop("Status", "200").split()[0]), headers, content)

    def reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(folder: Path, address: str, login: str = "", trusted: Certificates | None = None) -> Iterator[int]:
    """Serve the bare repositories of a folder on a free port of an address; yields the port.

    A login, `user:password`, is asked of everybody. With certificates it is served over TLS.
    """
    handler = type("FolderHandler", (Handler,), {"folder": folder, "login": login})
    with ThreadingHTTPServer((address, 0), handler) as server:
        if trusted:
            shown = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            shown.load_cert_chain(trusted.certificate, trusted.key)
            # The handshake is left to the thread of the connection, so that one who breaks it off keeps nobody waiting.
            server.socket = shown.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
