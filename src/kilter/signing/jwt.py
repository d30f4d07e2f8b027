"""JSON Web Tokens, as little of them as the registry needs: one key, one algorithm, no choices for who sends one."""

import base64
import binascii
import json
from typing import Any

from kilter.signing.keys import Key, base64url


def encode(key: Key, claims: dict[str, Any]) -> str:
    """Sign claims."""
    header = {"typ": "JWT", "alg": key.algorithm, "kid": key.jwk["kid"]}
    content = ".".join(base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
    return f"{content}.{base64url(key.sign(content.encode()))}"


def decode(key: Key, text: str) -> dict[str, Any] | None:
    """Return the claims of a token that this key signed; None for anything else. Times are the caller's to check."""
    parts = text.split(".")
    if len(parts) != 3 or not text.isascii():
        return None
    try:
        header, claims, signature = (unpadded(part) for part in parts)
        told = json.loads(header)
        if not isinstance(told, dict) or told.get("alg") != key.algorithm:
            return None
        if not key.signed(f"{parts[0]}.{parts[1]}".encode(), signature):
            return None
        found = json.loads(claims)
    except (ValueError, binascii.Error, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def unpadded(text: str) -> bytes:
    """Read base64url without padding. Raises ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
