"""Downloads over real sockets of this machine: resuming, a finished file, redirects. Needs no engine."""

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kilter.errors import BadInput
from kilter.progress import Recorder
from kilter.tools.download import NoSuchFile, WebSource, fetch

CONTENT = bytes(range(256)) * 4096


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges at /file, without at /plain, half of it once at /breaks, redirects at /away, /near.

    At /other it redirects to another name of this machine, at /portal is a page that asks for a login.
    """

    broken = False
    asked: list[str | None]
    logins: list[str | None]

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        type(self).asked.append(asked)
        type(self).logins.append(self.headers.get("Authorization"))
        if self.path == "/portal":
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<html>log in</html>")
            return
        if self.path == "/other":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.connection.getsockname()[1]}/file")
            self.end_headers()
            return
        if self.path in ("/away", "/near"):
            self.send_response(302)
            self.send_header("Location", "http://mirror.example/file" if self.path == "/away" else "/file")
            self.end_headers()
        elif self.path not in ("/file", "/plain", "/breaks"):
            self.send_error(404)
        else:
            self.send_file(int(asked[6:-1]) if asked and self.path != "/plain" else 0)

    def send_file(self, start: int) -> None:
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        if self.path == "/breaks" and not type(self).broken:
            type(self).broken = True
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
        else:
            self.wfile.write(CONTENT[start:])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Server.broken, Server.asked, Server.logins = False, [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def get(url: str, part: Path) -> bytes:
    with Recorder().step("x") as step:
        fetch(WebSource(), url, part, step, sleep=lambda _: None)
    return part.read_bytes()


def test_a_file_is_fetched_whole(base: str, tmp_path: Path) -> None:
    assert get(f"{base}/file", tmp_path / "part") == CONTENT


def test_a_broken_connection_is_taken_up_in_the_middle(base: str, tmp_path: Path) -> None:
    assert get(f"{base}/breaks", tmp_path / "part") == CONTENT
    assert Server.asked[0] is None
    assert Server.asked[-1] is not None


def test_a_file_that_is_whole_already_is_not_fetched_again(base: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(CONTENT)
    assert get(f"{base}/file", tmp_path / "part") == CONTENT
    assert Server.asked == [f"bytes={len(CONTENT)}-"]


def test_a_longer_leftover_of_another_file_is_replaced(base: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"x" * (len(CONTENT) + 1))
    assert get(f"{base}/file", tmp_path / "part") == CONTENT


def test_a_server_without_ranges_starts_again(base: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"half")
    assert get(f"{base}/plain", tmp_path / "part") == CONTENT


def test_a_missing_file_is_said_to_be_missing(base: str, tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile, match="the server answered 404"):
        get(f"{base}/none", tmp_path / "part")
    assert len(Server.asked) == 1


def test_a_redirect_away_from_encryption_is_refused(base: str, tmp_path: Path) -> None:
    assert get(f"{base}/near", tmp_path / "part") == CONTENT
    with pytest.raises(BadInput, match="not an https address"):
        get(f"{base}/away", tmp_path / "other")


@pytest.mark.requirement("C16")
def test_the_login_of_a_mirror_goes_to_it_and_to_nobody_else(base: str, tmp_path: Path) -> None:
    mirror = base.replace("//", "//me:s3%2Fcr%40t@")
    login = f"Basic {base64.b64encode(b'me:s3/cr@t').decode()}"
    assert get(f"{mirror}/near", tmp_path / "near") == CONTENT
    assert Server.logins == [login, login]
    assert get(f"{mirror}/other", tmp_path / "other") == CONTENT
    assert Server.logins[2:] == [login, None]
    with pytest.raises(NoSuchFile) as caught:
        get(f"{mirror}/none", tmp_path / "none")
    assert "s3" not in caught.value.what


@pytest.mark.requirement("F16")
def test_a_page_that_asks_for_a_login_is_no_part_of_a_file(base: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="a web page came in place of the file"):
        get(f"{base}/portal", tmp_path / "part")
    assert not (tmp_path / "part").exists()
