"""What a browser sends: forms that came from a page of ours, and addresses to go to that are ours too."""

import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from kilter.server import bodies
from kilter.server.portal import cookies
from kilter.server.refusals import Refused

LIMIT = 8192  # bytes of a form
FIELDS = 16
WORD = "form_word"
OUTSIDE = "this form did not come from a page of this portal, or the page is too old; open it again"
UNSAFE = re.compile(r"[\x00-\x20\\\x7f]")


async def read(request: Request, own: str, secret: str) -> dict[str, str]:
    """Return the fields of a form. Raises Refused where it is not from a page that this browser got from here (S14)."""
    if not from_here(request.headers, own):
        raise Refused("forbidden", OUTSIDE)
    media, _, _ = request.headers.get("content-type", "").partition(";")
    if media.strip().lower() != "application/x-www-form-urlencoded":
        raise Refused("wrong_media_type", "a form is application/x-www-form-urlencoded")
    body = await bodies.read(request, LIMIT)
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError as error:
        raise Refused("bad_request", "the form cannot be read") from error
    if any("\x00" in text for text in fields.values()):
        raise Refused("bad_request", "NUL stands in the form")
    word = fields.pop(WORD, "")
    if not secret or not hmac.compare_digest(word.encode(), cookies.form_word(secret).encode()):
        raise Refused("forbidden", OUTSIDE)
    return fields


def from_here(headers: Mapping[str, str], own: str) -> bool:
    """Tell whether a browser says that a request was made by a page of ours; one that says nothing is not believed."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    address = urlsplit(own)
    return headers.get("origin", "").lower() == f"{address.scheme}://{address.netloc}".lower()


def place(text: str) -> str:
    """Return where to go after signing in: a path of ours, else the first page (P2)."""
    if not text.startswith("/") or text.startswith("//") or UNSAFE.search(text) or urlsplit(text).netloc:
        return "/"
    return text
