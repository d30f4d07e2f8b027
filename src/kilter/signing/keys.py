"""The key that signs for the registry: an EC key on P-256 (ES256) or an RSA key (RS256), and its JWK."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from kilter.errors import BadInput

SIZE = 32  # bytes of a coordinate on P-256
RSA_LEAST = 2048  # bits
SHA256 = hashes.SHA256()


@dataclass(frozen=True)
class Key:
    """A private key and what is told of it in public."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def algorithm(self) -> str:
        """The name of the signature in a JWT."""
        return "ES256" if isinstance(self.private, ec.EllipticCurvePrivateKey) else "RS256"

    @property
    def jwk(self) -> dict[str, str]:
        """The public key with its thumbprint as id (RFC 7638)."""
        bare = self._bare_jwk()
        digest = hashlib.sha256(json.dumps(bare, separators=(",", ":"), sort_keys=True).encode()).digest()
        return bare | {"kid": base64url(digest), "use": "sig", "alg": self.algorithm}

    def _bare_jwk(self) -> dict[str, str]:
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            point = self.private.public_key().public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": number(point.x, SIZE), "y": number(point.y, SIZE)}
        public = self.private.public_key().public_numbers()
        return {"kty": "RSA", "n": number(public.n), "e": number(public.e)}

    def sign(self, content: bytes) -> bytes:
        """Sign as JWS has it: both numbers in full length for EC, PKCS #1 v1.5 for RSA."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            r, s = decode_dss_signature(self.private.sign(content, ec.ECDSA(SHA256)))
            return r.to_bytes(SIZE, "big") + s.to_bytes(SIZE, "big")
        return self.private.sign(content, padding.PKCS1v15(), SHA256)

    def signed(self, content: bytes, signature: bytes) -> bool:
        """Tell whether this key made a signature."""
        try:
            if isinstance(self.private, ec.EllipticCurvePrivateKey):
                if len(signature) != 2 * SIZE:
                    return False
                r, s = (int.from_bytes(half, "big") for half in (signature[:SIZE], signature[SIZE:]))
                self.private.public_key().verify(encode_dss_signature(r, s), content, ec.ECDSA(SHA256))
            else:
                self.private.public_key().verify(signature, content, padding.PKCS1v15(), SHA256)
        except InvalidSignature:
            return False
        return True


def read(pem: str) -> Key:
    """Read a private key. Raises BadInput; the key itself is never shown."""
    try:
        private = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        raise BadInput("the registry's key is no private key in PEM without a password") from None
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        return Key(private)
    if isinstance(private, rsa.RSAPrivateKey) and private.key_size >= RSA_LEAST:
        return Key(private)
    raise BadInput("the registry's key must be an EC key on P-256, or an RSA key of 2048 bits or more")


def generate() -> str:
    """Make a new key; returns it as PEM."""
    private = ec.generate_private_key(ec.SECP256R1())
    kind, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private.private_bytes(kind, form, serialization.NoEncryption()).decode()


def jwks(key: Key) -> dict[str, Any]:
    """Return the set of keys that the registry is to trust (its option `jwks`)."""
    return {"keys": [key.jwk]}


def number(value: int, length: int | None = None) -> str:
    """Write a number as a JWK has it."""
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


def base64url(content: bytes) -> str:
    """Write bytes without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
