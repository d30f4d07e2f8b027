"""Just enough of PostgreSQL's protocol to prove who serves a port: log in with SCRAM-SHA-256 and log out.

Message formats: PostgreSQL documentation, "Frontend/Backend Protocol" 53.7; the exchange: RFC 5802 and RFC 7677. A
driver would bring a native library into the CLI for these thirty bytes. The server's signature is checked as well, so
that success proves that both sides hold the same password.
"""

import base64
import hashlib
import hmac
import secrets
import socket
import struct

PROTOCOL = 196608  # 3.0
MOST_ROUNDS = 1_000_000  # PostgreSQL's default is 4096; more would only keep this machine busy
OK, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12


class Refused(Exception):
    """The server refused the login, or did not speak the protocol; the text says which."""


def authenticate(connection: socket.socket, user: str, password: str, database: str) -> None:
    """Log in and out again; raises Refused, or OSError when the connection breaks."""
    names = f"user\0{user}\0database\0{database}\0application_name\0kilter\0\0".encode()
    try:
        _login(connection, password, struct.pack("!ii", len(names) + 8, PROTOCOL) + names)
    except (KeyError, ValueError) as error:
        raise Refused(f"the server's login does not follow the protocol: {error}") from None


def _login(connection: socket.socket, password: str, startup: bytes) -> None:
    connection.sendall(startup)
    code, _ = _authentication(connection)
    if code != SASL:
        raise Refused(f"the server does not ask for SCRAM (authentication {code})")
    nonce = secrets.token_urlsafe(18)
    first_bare = f"n=,r={nonce}"
    opening = f"n,,{first_bare}".encode()
    _send(connection, b"SCRAM-SHA-256\0" + struct.pack("!i", len(opening)) + opening)
    challenge = _expect(connection, SASL_CONTINUE).decode()
    reply, signature = _answer(password, nonce, first_bare, challenge)
    _send(connection, reply)
    final = dict(part.split("=", 1) for part in _expect(connection, SASL_FINAL).decode().split(","))
    if not hmac.compare_digest(base64.b64decode(final.get("v", "")), signature):
        raise Refused("the server does not know this project's password")
    _expect(connection, OK)
    connection.sendall(b"X" + struct.pack("!i", 4))


def _answer(password: str, nonce: str, first_bare: str, challenge: str) -> tuple[bytes, bytes]:
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    if not fields.get("r", "").startswith(nonce):
        raise Refused("the server answered somebody else's login")
    rounds = int(fields["i"])
    if not 1 <= rounds <= MOST_ROUNDS:
        raise Refused(f"the server asks for {rounds} rounds of hashing")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), rounds)
    without_proof = f"c=biws,r={fields['r']}"
    spoken = f"{first_bare},{challenge},{without_proof}".encode()
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    client_signature = hmac.digest(hashlib.sha256(client_key).digest(), spoken, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, client_signature, strict=True))
    server_signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), spoken, "sha256")
    return f"{without_proof},p={base64.b64encode(proof).decode()}".encode(), server_signature


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"p" + struct.pack("!i", len(body) + 4) + body)


def _expect(connection: socket.socket, wanted: int) -> bytes:
    code, body = _authentication(connection)
    if code != wanted:
        raise Refused(f"the server sent authentication {code} where {wanted} was due")
    return body


def _authentication(connection: socket.socket) -> tuple[int, bytes]:
    kind, length = struct.unpack("!ci", _read(connection, 5))
    if not 4 <= length <= 65536:
        raise Refused("the server does not speak PostgreSQL's protocol")
    body = _read(connection, length - 4)
    if kind == b"E":
        fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
        raise Refused(fields.get(b"M", b"refused").decode(errors="replace"))
    if kind != b"R" or len(body) < 4:
        raise Refused("the server does not speak PostgreSQL's protocol")
    return struct.unpack("!i", body[:4])[0], body[4:]


def _read(connection: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        piece = connection.recv(size - len(read))
        if not piece:
            raise Refused("the connection was closed during the login")
        read += piece
    return read
