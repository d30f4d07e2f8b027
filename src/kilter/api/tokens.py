"""The format of tokens: `kilter_` + 12 of id + 33 of secret + 6 of checksum, all base62.

The secret has 196 bits, so SHA-256 at rest is enough; the checksum only spares the server a look-up of garbage.
"""

import hashlib
import secrets
import string
import zlib
from dataclasses import dataclass, field

PREFIX = "kilter_"
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 33, 6
ALPHABET = string.digits + string.ascii_letters


@dataclass(frozen=True)
class Token:
    """A token taken apart; the secret stays out of its representation."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The token as its owner holds it."""
        body = self.id + self.secret
        return PREFIX + body + checksum(body)

    @property
    def digest(self) -> str:
        """What is stored of the secret: SHA-256 in hex."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def mint() -> Token:
    """Make a new token from the system's randomness."""
    return Token(_random(ID_LENGTH), _random(SECRET_LENGTH))


def parse(text: str) -> Token | None:
    """Take a token apart; None when it cannot be one."""
    if len(text) != len(PREFIX) + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH or not text.startswith(PREFIX):
        return None
    body, check = text[len(PREFIX) : -CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    if not all(character in ALPHABET for character in body) or check != checksum(body):
        return None
    return Token(body[:ID_LENGTH], body[ID_LENGTH:])


def checksum(body: str) -> str:
    """Return the CRC-32 of the body in six base62 digits."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
