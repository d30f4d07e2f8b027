"""The registry of the platform: distribution (`registry:3`) with token authentication, whose token server this is.

A push credential is a signed text too, with another audience than the registry's, so that neither passes for the other.
"""

from datetime import datetime
from typing import Final

from kilter.server import ids
from kilter.server.seams import Access, Pushing
from kilter.server.settings import Settings
from kilter.signing import jwt, pulls
from kilter.signing.keys import Key

LIFETIME: Final = 300  # seconds of a token for the registry; a client asks anew when one is over
LEEWAY: Final = 60  # seconds that clocks may differ
PUSH_AUDIENCE: Final = "kilter-push"


class DistributionRegistry:
    """Signs for one registry."""

    def __init__(self, settings: Settings, key: Key) -> None:
        host, _, scope = settings.registry.partition("/")
        self.service = settings.registry_service or host
        self.prefix = f"{scope.strip('/')}/" if scope.strip("/") else ""
        self._issuer, self._key = settings.url, key

    def push_credential(self, pushing: Pushing, until: datetime) -> str:
        """Make the password that lets one client push to one repository."""
        claims = {
            "iss": self._issuer,
            "sub": pushing.actor,
            "aud": PUSH_AUDIENCE,
            "exp": int(until.timestamp()),
            "jti": pushing.id,
            "tid": pushing.token_id,
            "repository": pushing.repository,
        }
        return jwt.encode(self._key, claims)

    def read_push_credential(self, password: str, now: datetime) -> Pushing | None:
        """Return what a password says; None when it is none of ours, or over."""
        claims = jwt.decode(self._key, password)
        if claims is None or (claims.get("iss"), claims.get("aud")) != (self._issuer, PUSH_AUDIENCE):
            return None
        if not isinstance(claims.get("exp"), int) or claims["exp"] <= now.timestamp():
            return None
        said = (str(claims.get(name)) for name in ("jti", "sub", "tid", "repository"))
        return Pushing(*said)

    def read_pull_credential(self, password: str) -> str | None:
        """Return the repository that an environment's password is for; None when it is none of ours."""
        return pulls.repository_of(self._key, self._issuer, password)

    def token(self, subject: str, access: tuple[Access, ...], now: datetime) -> tuple[str, int]:
        """Make the token that the registry asks for; returns it with its life in seconds."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "aud": self.service,
            "exp": issued + LIFETIME,
            "nbf": issued - LEEWAY,
            "iat": issued,
            "jti": ids.new("reg"),
            "access": [{"type": "repository", "name": each.name, "actions": list(each.actions)} for each in access],
        }
        return jwt.encode(self._key, claims), LIFETIME
