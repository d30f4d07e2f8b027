"""The password with which an environment's nodes pull its app's images: signed, for one repository, and only to read.

It has no end, because nobody is there to renew it while operator and server are away; it ends with the key.
"""

from typing import Final

from kilter.signing import jwt
from kilter.signing.keys import Key

AUDIENCE: Final = "kilter-pull"  # neither the registry's own nor that of a push credential


def password(key: Key, issuer: str, repository: str) -> str:
    """Make the password for a repository."""
    return jwt.encode(key, {"iss": issuer, "sub": "pull", "aud": AUDIENCE, "repository": repository})


def repository_of(key: Key, issuer: str, text: str) -> str | None:
    """Return the repository that a password is for; None when it is none of ours."""
    claims = jwt.decode(key, text)
    if claims is None or (claims.get("iss"), claims.get("aud")) != (issuer, AUDIENCE):
        return None
    return str(claims.get("repository"))
