"""Cookies of the portal: what a browser holds in place of a token, and the word that makes a form ours."""

import hashlib
import secrets
from collections.abc import Mapping

from starlette.responses import Response

from kilter.server import clock
from kilter.server.settings import Settings
from kilter.server.store import sessions

SESSION = "kilter"
FORM = "kilter-form"  # for forms before anybody is signed in


def name_of(settings: Settings, name: str) -> str:
    """Return a cookie's name; behind https it is bound to this host, and no sibling can set it (P2)."""
    return f"__Host-{name}" if is_secure(settings) else name


def is_secure(settings: Settings) -> bool:
    """Tell whether browsers reach the server by https."""
    return settings.url.startswith("https://")


def held(settings: Settings, cookies: Mapping[str, str], name: str) -> str:
    """Return what a browser holds, or nothing."""
    return cookies.get(name_of(settings, name), "")


def give(response: Response, settings: Settings, name: str, secret: str) -> None:
    """Have a browser hold a secret.

    Lax, so that who follows a link in a chat is signed in there too; no GET changes anything.
    """
    response.set_cookie(
        name_of(settings, name),
        secret,
        max_age=sessions.LIFETIME // clock.SECOND,
        path="/",
        secure=is_secure(settings),
        httponly=True,
        samesite="lax",
    )


def take(response: Response, settings: Settings, name: str) -> None:
    """Have a browser forget a secret."""
    response.delete_cookie(name_of(settings, name), path="/", secure=is_secure(settings), httponly=True, samesite="lax")


def new_secret() -> str:
    """Make a secret for a browser that has none."""
    return secrets.token_urlsafe(32)


def form_word(secret: str) -> str:
    """Return what a form must hold to be from a page that we gave this browser."""
    return hashlib.sha256(b"form:" + secret.encode()).hexdigest()
