"""Logging in to PostgreSQL, against a server that plays the exchange of RFC 7677."""

import base64
import hashlib
import hmac
import secrets
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from kilter.dev import postgres_wire
from kilter.dev.postgres_wire import Refused, authenticate

# RFC 7677, section 3: SCRAM-SHA-256 of user `user` with password `pencil`.
NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_FIRST = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
PROOF = "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
FINAL_WITHOUT_PROOF = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"


def message(code: int, text: str = "") -> bytes:
    """An authentication message of the server."""
    return b"R" + struct.pack("!ii", 8 + len(text), code) + text.encode()


OK, SASL = message(0), message(10, "SCRAM-SHA-256\0\0")


def refusal(text: str) -> bytes:
    """An error of the server, in PostgreSQL's form."""
    body = b"SFATAL\0C28P01\0M" + text.encode() + b"\0\0"
    return b"E" + struct.pack("!i", len(body) + 4) + body


class Server:
    """Plays the other end of a connection: reads one message, sends one answer, for each of the answers."""

    def __init__(self, connection: socket.socket, *answers: bytes) -> None:
        self.connection = connection
        self.heard: list[bytes] = []
        self.thread = threading.Thread(target=self._play, args=(answers,), daemon=True)
        self.thread.start()

    def _play(self, answers: tuple[bytes, ...]) -> None:
        try:
            for answer in answers:
                self.heard.append(self.connection.recv(65536))
                self.connection.sendall(answer)
            self.heard.append(self.connection.recv(65536))
        except OSError:
            pass
        finally:
            self.connection.close()


@pytest.fixture
def play() -> Iterator[Callable[..., tuple[socket.socket, Server]]]:
    """Connect a client to a server that gives the answers."""
    opened: list[tuple[socket.socket, Server]] = []

    def connect(*answers: bytes) -> tuple[socket.socket, Server]:
        near, far = socket.socketpair()
        near.settimeout(2)
        far.settimeout(2)
        opened.append((near, Server(far, *answers)))
        return opened[-1]

    yield connect
    for near, server in opened:
        near.close()
        server.thread.join(3)


@pytest.fixture(autouse=True)
def nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client choose the nonce of the RFC."""
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _size: NONCE)


def signature_for(first_bare: str, password: str) -> str:
    """The signature of a server that knows `password`; PostgreSQL takes the user from its own first message."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 4096)
    spoken = f"{first_bare},{SERVER_FIRST},{FINAL_WITHOUT_PROOF}".encode()
    return base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), spoken, "sha256")).decode()


def test_the_answer_is_that_of_the_rfc() -> None:
    reply, signature = postgres_wire._answer("pencil", NONCE, f"n=user,r={NONCE}", SERVER_FIRST)
    assert reply.decode() == f"{FINAL_WITHOUT_PROOF},{PROOF}"
    assert f"v={base64.b64encode(signature).decode()}" == SERVER_FINAL


def test_both_sides_prove_that_they_know_the_password(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    final = f"v={signature_for(f'n=,r={NONCE}', 'pencil')}"
    near, server = play(SASL, message(11, SERVER_FIRST), message(12, final) + OK)
    authenticate(near, "user", "pencil", "shop")
    server.thread.join(3)
    names = b"user\0user\0database\0shop\0application_name\0kilter\0\0"
    assert server.heard[0] == struct.pack("!ii", len(names) + 8, 196608) + names
    assert b"SCRAM-SHA-256\0" in server.heard[1]
    assert b"pencil" not in b"".join(server.heard)
    assert server.heard[-1] == b"X\0\0\0\x04", "the client says good-bye"


@pytest.mark.parametrize("other", ["Pencil", ""])
def test_a_server_with_another_password_is_refused(
    other: str, play: Callable[..., tuple[socket.socket, Server]]
) -> None:
    final = f"v={signature_for(f'n=,r={NONCE}', other)}"
    near, _ = play(SASL, message(11, SERVER_FIRST), message(12, final) + OK)
    with pytest.raises(Refused, match="does not know this project's password"):
        authenticate(near, "user", "pencil", "shop")


def test_a_server_that_signs_nothing_is_refused(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(SASL, message(11, SERVER_FIRST), message(12, "e=other-error") + OK)
    with pytest.raises(Refused, match="does not know this project's password"):
        authenticate(near, "user", "pencil", "shop")


def test_a_server_that_lets_everybody_in_proves_nothing(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(OK)
    with pytest.raises(Refused, match="does not ask for SCRAM"):
        authenticate(near, "user", "pencil", "shop")


def test_a_login_skipped_halfway_is_refused(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(SASL, OK)
    with pytest.raises(Refused, match="sent authentication 0 where 11 was due"):
        authenticate(near, "user", "pencil", "shop")


def test_an_answer_to_somebody_elses_login_is_refused(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(SASL, message(11, SERVER_FIRST.replace(NONCE, "x" * 20)))
    with pytest.raises(Refused, match="somebody else's login"):
        authenticate(near, "user", "pencil", "shop")


def test_what_the_server_says_is_passed_on(play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(refusal('password authentication failed for user "user"'))
    with pytest.raises(Refused, match="password authentication failed"):
        authenticate(near, "user", "pencil", "shop")


GARBAGE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "another message": b"Z\0\0\0\x05I",
    "too long": b"R\x7f\xff\xff\xff" + b"x" * 100,
    "too short": b"R\0\0\0\x03",
    "negative": b"R\xff\xff\xff\xff",
    "no code": b"R\0\0\0\x06xx",
}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=list(GARBAGE))
def test_a_server_of_another_protocol_is_refused(
    answer: bytes, play: Callable[..., tuple[socket.socket, Server]]
) -> None:
    near, _ = play(answer)
    with pytest.raises(Refused, match="does not speak PostgreSQL's protocol"):
        authenticate(near, "user", "pencil", "shop")


@pytest.mark.parametrize("answers", [(b"",), (b"R\0\0",), (SASL, b""), (SASL, message(11, SERVER_FIRST), b"")])
def test_a_server_that_closes_is_refused(
    answers: tuple[bytes, ...], play: Callable[..., tuple[socket.socket, Server]]
) -> None:
    near, server = play(*answers)
    server.connection.settimeout(0.1)
    with pytest.raises(Refused, match="closed during the login"):
        authenticate(near, "user", "pencil", "shop")


CHALLENGES = {
    "no salt": f"r={NONCE}x,i=4096",
    "no iterations": f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==",
    "bad salt": f"r={NONCE}x,s=a,i=4096",
    "bad iterations": f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=many",
    "no iteration at all": f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
    "no fields": "hello",
}


@pytest.mark.parametrize(
    "challenge",
    [pytest.param(text, id=name) for name, text in CHALLENGES.items()],
)
def test_a_malformed_challenge_is_refused(challenge: str, play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(SASL, message(11, challenge))
    with pytest.raises(Refused):
        authenticate(near, "user", "pencil", "shop")


def test_a_challenge_that_asks_for_endless_work_is_refused(
    play: Callable[..., tuple[socket.socket, Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(_name: str, _password: bytes, _salt: bytes, iterations: int) -> bytes:
        assert iterations < 10_000_000
        return b""

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", work)
    near, _ = play(SASL, message(11, f"r={NONCE}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483647"))
    with pytest.raises(Refused):
        authenticate(near, "user", "pencil", "shop")


@pytest.mark.parametrize("final", ["v=", "e=x", pytest.param("nonsense"), pytest.param("v=a")])
def test_a_malformed_signature_is_refused(final: str, play: Callable[..., tuple[socket.socket, Server]]) -> None:
    near, _ = play(SASL, message(11, SERVER_FIRST), message(12, final) + OK)
    with pytest.raises(Refused):
        authenticate(near, "user", "pencil", "shop")
