"""The Git server: four requests for those who may, and nothing for anybody else, however much they send."""

import gzip
import http.client
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from harness.repository import READER, WRITER, Open, Repository, Serving, change, git

from kilter.errors import in_one_line
from kilter.gitops.layout import blob_id
from kilter.gitops.model import Result, Unpublished
from kilter.gitops.served import Limits
from kilter.gitops.tokens import Right, line

ADVERTISED = "/flux.git/info/refs?service=git-upload-pack"


def ask(
    service: Serving, path: str, *, method: str = "GET", token: str = WRITER, body: object = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Send one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    head = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        head["Authorization"] = f"Bearer {token}"
    with closing(connection):
        connection.request(method, path, body=body, headers=head)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def until_closed(service: Serving, sent: str) -> bytes:
    """Send some bytes and return all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", service.port), 15) as client, client.makefile("rb") as answers:
        client.sendall(sent.encode())
        return answers.read()


UNFINISHED = (
    f"POST /flux.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {WRITER}\r\n"
    "Content-Type: application/x-git-receive-pack-request\r\nContent-Length: 1000\r\n\r\n00"
)


def test_a_writer_publishes_through_the_server(repository: Repository, service: Serving, writer: Open) -> None:
    opened = writer(remote=service.remote())
    future = opened.submit(change())
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert repository.files()["apps/acme/shop/prod/configmap-a.yaml"] == "a: 1\n"
    assert opened.files("acme", "shop", "prod") == {"configmap-a.yaml": "a: 1\n"}


@pytest.mark.requirement("DP-Q16")
@pytest.mark.parametrize(
    ("token", "why"), [(READER, "not allowed to do that"), ("wrong", "not known"), ("", "not known")]
)
def test_without_the_right_token_nothing_is_written_and_the_login_is_said_to_be_refused(
    repository: Repository, service: Serving, writer: Open, token: str, why: str
) -> None:
    """Git alone says that it could not read a user's name, because it may ask nobody."""
    with pytest.raises(Unpublished) as caught:
        writer(remote=service.remote(token))
    error = caught.value
    assert error.what == "the repository's server refuses the login"
    assert why in error.why
    assert "git.secretName" in error.hint
    said = in_one_line(error)
    assert not [words for words in ("could not read", "terminal prompts", "--git-dir") if words in said]
    assert ("this token may only read" in said) == (token == READER)
    assert git("for-each-ref", cwd=repository.path) == ""


@pytest.mark.parametrize(
    ("token", "rights"),
    [(READER, (True, False)), (WRITER, (True, True)), ("wrong", (False, False)), ("", (False, False))],
)
def test_people_with_git_read_and_write_as_their_token_says(
    repository: Repository, service: Serving, writer: Open, tmp_path: Path, token: str, rights: tuple[bool, bool]
) -> None:
    writer()
    reads, writes = rights
    cloned = service.git(token, "clone", "--quiet", "--depth=1", service.url, tmp_path / "c", ok=False)
    assert cloned.startswith("0 ") == reads
    work = tmp_path / "work"
    git("clone", "--quiet", repository.path, work)
    git("commit", "--quiet", "--allow-empty", "-m", "Mine", cwd=work)
    pushed = service.git(token, "-C", work, "push", "--quiet", service.url, "HEAD:main", ok=False)
    assert pushed.startswith("0 ") == writes
    assert len(repository.commits()) == 1 + writes


@pytest.mark.requirement("F32", "A8")
@pytest.mark.parametrize("how", ["rewind", "delete"])
def test_not_even_who_may_write_can_rewrite_the_history(
    repository: Repository, service: Serving, writer: Open, tmp_path: Path, how: str
) -> None:
    opened = writer()
    opened.submit(change())
    opened.flush()
    git("clone", "--quiet", repository.path, tmp_path / "work")
    what = "+HEAD^:main" if how == "rewind" else ":main"
    refused = service.git(WRITER, "-C", tmp_path / "work", "push", service.url, what, ok=False)
    assert "remote rejected" in refused
    assert len(repository.commits()) == 2


@pytest.mark.requirement("C9")
@pytest.mark.parametrize(
    "path",
    [
        "/", "/flux.git", "/flux.git/", "/flux.git/HEAD", "/flux.git/config", "/flux.git/objects/info/packs",
        "/flux.git/info/refs", "/flux.git/info/refs?service=git-upload-archive", ADVERTISED + "&x=y",
        ADVERTISED.replace("git-upload", "git-upload%2d"), "/other.git/info/refs?service=git-upload-pack",
        "/flux.git/../flux.git/info/refs?service=git-upload-pack", "/flux.git/%2e%2e/info/refs?service=git-upload-pack",
        "/../../etc/passwd", "/flux.git//info/refs?service=git-upload-pack", "/healthz/", "/readyz?x",
    ],
)  # fmt: skip
def test_there_is_nothing_but_the_four_requests(service: Serving, path: str) -> None:
    assert ask(service, path)[0] == 404
    assert ask(service, path, token="")[0] == 401
    assert ask(service, path, method="POST", body=b"")[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "HEAD", "PROPFIND"])
def test_other_methods_are_not_there(service: Serving, method: str) -> None:
    assert ask(service, ADVERTISED, method=method)[0] == 501


def test_health_needs_no_token_and_says_nothing_else(repository: Repository, service: Serving) -> None:
    for path in ("/healthz", "/readyz"):
        status, headers, text = ask(service, path, token="")
        assert (status, text) == (200, b"ok\n")
        assert "python" not in headers["server"].lower()
    (repository.path / "HEAD").rename(repository.path / "gone")
    assert ask(service, "/readyz", token="")[0] == 503
    assert ask(service, "/healthz", token="")[0] == 200


def test_who_has_no_token_is_told_how_to_bring_one(service: Serving) -> None:
    status, headers, _ = ask(service, ADVERTISED, token="wrong")
    assert (status, headers["www-authenticate"]) == (401, 'Basic realm="kilter"')


def test_a_renewed_token_counts_at_once(service: Serving) -> None:
    service.tokens.write_text(line(Right.READ, "renewed"))
    os.utime(service.tokens, ns=(1, 1))
    assert ask(service, ADVERTISED, token="renewed")[0] == 200
    assert ask(service, ADVERTISED, token=WRITER)[0] == 401
    service.tokens.write_text("spoilt\n")
    os.utime(service.tokens, ns=(2, 2))
    assert ask(service, ADVERTISED, token="renewed")[0] == 500  # and not a word of the file


@pytest.mark.parametrize("limits", [Limits(body=20_000)], indirect=True)
class TestTooLarge:
    def test_a_length_beyond_the_limit_is_refused_before_it_is_read(self, service: Serving) -> None:
        path = "/flux.git/git-receive-pack"
        assert ask(service, path, method="POST", body=b"x" * 20_001)[0] == 413
        assert ask(service, path, method="POST", body=b"x" * 20_001, token="")[0] == 401

    def test_pieces_beyond_the_limit_are_refused_as_they_come(self, service: Serving) -> None:
        """What is sent is the beginning of a push of very many branches, to which git would listen to the end."""
        words = (f"{'0' * 40} {'1' * 40} refs/heads/{number:09}" for number in range(300))
        pieces = (f"{len(line) + 4:04x}{line}".encode() for line in words)
        kind = "application/x-git-receive-pack-request"
        status, _, _ = ask(service, "/flux.git/git-receive-pack", method="POST", body=pieces, Content_Type=kind)
        assert status == 413

    def test_a_push_beyond_the_limit_changes_nothing(
        self, repository: Repository, service: Serving, writer: Open
    ) -> None:
        opened = writer(remote=service.remote())
        future = opened.submit(change(text=f"a: {os.urandom(40_000).hex()}\n"))
        opened.flush()
        with pytest.raises(Unpublished):
            future.result(0)
        assert len(repository.commits()) == 1
        assert repository.is_sound()


@pytest.mark.parametrize("sent", [b"", b"0000", b"0000" + b"\0" * 5_000_000, b"00", os.urandom(10_000)])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_that_is_no_push_changes_nothing(
    repository: Repository, service: Serving, sent: bytes, encoding: str
) -> None:
    headers = {"Content_Encoding": encoding, "Content_Type": "application/x-git-receive-pack-request"}
    data = gzip.compress(sent) if encoding == "gzip" else sent
    with suppress(http.client.IncompleteRead, ConnectionError):  # git may break off, the answer or the listening
        ask(service, "/flux.git/git-receive-pack", method="POST", body=data, **headers)
    assert git("for-each-ref", cwd=repository.path) == ""
    assert ask(service, ADVERTISED)[0] == 200


def test_a_push_of_many_megabytes_arrives(repository: Repository, service: Serving, writer: Open) -> None:
    """Beyond one megabyte git sends pieces without a length, and asks first whether it may."""
    opened = writer(remote=service.remote())
    texts = {f"configmap-{number}.yaml": f"a: {os.urandom(250_000).hex()}\n" for number in range(7)}
    future = opened.submit(change(files=texts))
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert repository.files()["apps/acme/shop/prod/configmap-3.yaml"] == texts["configmap-3.yaml"]


def test_a_request_after_another_on_one_connection(service: Serving) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as connection:
        for _ in range(3):
            connection.request("GET", ADVERTISED, headers={"Authorization": f"Bearer {READER}"})
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.read().startswith(b"001e# service=git-upload-pack\n")
            assert connection.sock is not None  # kept open


def test_two_lengths_are_refused(service: Serving) -> None:
    """What two readers could take for different requests is none (request smuggling)."""
    head = (
        f"POST /flux.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\n"
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    answer = until_closed(service, head)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize("limits", [Limits(silence=0.3)], indirect=True)
@pytest.mark.parametrize("sent", ["", "GET /", f"GET {ADVERTISED} HTTP/1.1\r\nX: "])
def test_a_client_that_says_nothing_is_let_go(service: Serving, sent: str) -> None:
    assert until_closed(service, sent) == b""


@pytest.mark.parametrize("limits", [Limits(silence=0.3)], indirect=True)
def test_a_client_that_stops_within_a_push_is_let_go_and_its_git_ends(repository: Repository, service: Serving) -> None:
    until_closed(service, UNFINISHED)
    assert until(lambda: children("http-backend") == [])


def children(word: str) -> list[str]:
    """Return the command lines of this process's living children that hold a word."""
    found = subprocess.run(
        ["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    return [row for row in found.stdout.splitlines() if word in row]


def until(condition: Callable[[], bool], limit: float = 10.0) -> bool:
    """Wait until something is so; returns whether it came to be."""
    end = time.monotonic() + limit
    while not (so := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return so


@pytest.mark.parametrize("limits", [Limits(connections=2)], indirect=True)
def test_connections_that_no_thread_could_be_had_for_count_no_more(
    service: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where processes and threads are bounded, as in a pod, some moments have none left."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(service, "/healthz")
    assert ask(service, "/healthz")[0] == 200


@pytest.mark.parametrize("limits", [Limits(connections=2, silence=30)], indirect=True)
def test_connections_beyond_the_limit_are_turned_away_at_once(service: Serving) -> None:
    address = ("127.0.0.1", service.port)
    with socket.create_connection(address, 10), socket.create_connection(address, 10):
        began = time.monotonic()
        assert ask(service, "/healthz")[0] == 503  # connections are taken in their order
        assert time.monotonic() - began < 10
    assert until(lambda: ask(service, "/healthz")[0] == 200)


@pytest.mark.parametrize("limits", [Limits(processes=1, wait=0.2, silence=30)], indirect=True)
def test_requests_beyond_the_limit_of_processes_are_told_to_come_again(service: Serving) -> None:
    with socket.create_connection(("127.0.0.1", service.port), 10) as client:
        client.sendall(UNFINISHED.encode())
        assert until(lambda: ask(service, ADVERTISED)[0] == 503)
        status, headers, _ = ask(service, ADVERTISED)
        assert (status, headers["retry-after"]) == (503, "1")
        assert ask(service, "/healthz")[0] == 200
    assert until(lambda: ask(service, ADVERTISED)[0] == 200)


@pytest.mark.parametrize("limits", [Limits(request=0.5, silence=20)], indirect=True)
def test_a_git_that_takes_too_long_is_ended(service: Serving) -> None:
    began = time.monotonic()
    until_closed(service, UNFINISHED)
    assert time.monotonic() - began < 15
    assert until(lambda: children("http-backend") == [])


def test_upkeep_packs_what_many_pushes_left(repository: Repository, service: Serving, writer: Open) -> None:
    opened = writer(remote=service.remote())
    opened.submit(change())
    opened.flush()
    for number in range(30):
        loose(repository, number)
    before = len(list((repository.path / "objects" / "pack").glob("*.pack")))
    service.server.served.upkeep()
    assert len(list((repository.path / "objects" / "pack").glob("*.pack"))) == before + 1
    assert repository.is_sound()


def loose(repository: Repository, number: int) -> None:
    """Leave a loose object in the folder `17`, by which git guesses how many there are in all."""
    salts = (f"{number} {salt}" for salt in itertools.count())
    text = next(text for text in salts if blob_id(text).startswith("17"))
    file = repository.path / "objects" / "17" / blob_id(text)[2:]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(zlib.compress(b"blob %d\0%b" % (len(text), text.encode())))


def start(repository: Path, tokens: Path, *more: str) -> "subprocess.Popen[str]":
    words = ["--repository", str(repository), "--tokens", str(tokens), "--listen", "127.0.0.1:0", *more]
    return subprocess.Popen([sys.executable, "-m", "kilter.gitops.service", *words], stderr=subprocess.PIPE, text=True)


def test_a_repository_whose_making_was_cut_off_is_completed_and_one_that_is_there_stays(
    repository: Repository, service: Serving, writer: Open, tmp_path: Path
) -> None:
    opened = writer()
    opened.submit(change())
    opened.flush()
    (repository.path / "hooks").mkdir(exist_ok=True)
    (repository.path / "hooks" / "mine").write_text("mine\n")
    before = git("for-each-ref", cwd=repository.path)
    service.server.served.prepare("other")
    assert git("for-each-ref", cwd=repository.path) == before
    assert (repository.path / "HEAD").read_text() == "ref: refs/heads/main\n"
    assert (repository.path / "hooks" / "mine").exists()
    half = replace(service.server.served, repository=tmp_path / "half.git")
    half.repository.mkdir()
    (half.repository / "HEAD").write_text("ref: refs/heads/main\n")
    half.prepare()
    assert git("for-each-ref", cwd=half.repository) == ""


def test_the_lock_of_a_push_that_was_killed_is_removed_and_that_of_one_under_way_stays(
    repository: Repository, service: Serving, writer: Open
) -> None:
    """A branch whose lock nobody holds any more takes no commit, for good."""
    opened = writer()
    opened.submit(change())
    opened.flush()
    left, held = (repository.path / "refs/heads" / name for name in ("main.lock", "other.lock"))
    left.touch()
    held.touch()
    with pytest.raises(AssertionError, match="cannot lock ref"):
        git("update-ref", "refs/heads/main", "HEAD", cwd=repository.path)
    long_ago = time.time() - 3 * Limits().request
    os.utime(left, (long_ago, long_ago))
    service.server.served.prepare()
    taken = opened.submit(change(text="a: 2\n", release=2))
    opened.flush()
    assert taken.result(0).result is Result.PUBLISHED
    assert (left.exists(), held.exists()) == (False, True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_makes_the_repository_serves_it_and_ends_when_asked(tmp_path: Path, number: int) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(line(Right.READ, READER))
    with start(tmp_path / "new.git", tokens, "--branch", "trunk") as server:
        assert server.stderr is not None
        assert "serving" in server.stderr.readline()
        assert (tmp_path / "new.git" / "HEAD").read_text() == "ref: refs/heads/trunk\n"
        server.send_signal(number)
        assert server.wait(20) == 0


def test_the_program_says_what_is_wrong_with_its_tokens(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("canary\n")
    with start(tmp_path / "new.git", tmp_path / "tokens") as server:
        assert server.stderr is not None
        said = server.stderr.read()
        assert server.wait(20) == 2
    assert "line 1 of the tokens" in said
    assert "canary" not in said
