"""The web as a source of files; a module of its own because `urllib.request` is slow to import."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

from kilter.errors import BadInput
from kilter.tools.download import CHUNK, NAME_A_MIRROR, Answer, NoSuchFile, check_url


class _Guarded(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to this machine, only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


@contextmanager
def open_url(url: str, offset: int, silence: float) -> Iterator[Answer]:
    """Open a url from byte `offset` on; a server that does not resume gives the whole, so does a finished file.

    Raises as `Source.open`, and BadInput for a url, or a proxy of the user's, that is no address.
    """
    check_url(url)
    headers = {"User-Agent": "kilter", **({"Range": f"bytes={offset}-"} if offset else {})}
    whole = False
    opener = urllib.request.build_opener(_Guarded())
    try:
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=silence)  # noqa: S310 - checked
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and offset:
                # Nothing comes after `offset`: the file is whole already, or it is another one than before.
                whole = error.headers.get("Content-Range") == f"bytes */{offset}"
                response = None
            elif error.code in (403, 404, 410):
                raise NoSuchFile(f"{url} does not exist (the server answered {error.code})") from None
            else:
                raise ConnectionError(f"the server answered {error.code}") from None
    except (http.client.InvalidURL, ValueError) as error:
        raise _no_address(url, error) from None
    if response is None and whole:
        yield Answer(offset, offset, iter(()))
        return
    if response is None:
        with open_url(url, 0, silence) as answer:
            yield answer
        return
    with response:
        start = offset if response.status == 206 else 0
        length = int(response.headers.get("Content-Length") or 0)
        yield Answer(start, start + length if length else 0, _body(response))


def _no_address(url: str, error: Exception) -> BadInput:
    """Blame the proxy where there is one and it is at fault, else the url; the user has named both."""
    scheme = url.partition(":")[0]
    proxy = urllib.request.getproxies().get(scheme, "").rpartition("//")[2].rpartition("@")[2].rstrip("/")
    try:
        _ = urlsplit(f"//{proxy}").port
    except ValueError:
        hint = f"write {scheme.upper()}_PROXY as http://<host>:<port>"
        return BadInput(f"the proxy {proxy} is no address", why=str(error), hint=hint)
    return BadInput(f"{url} is no address", why=str(error), hint=NAME_A_MIRROR)


def _body(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except http.client.HTTPException as error:  # no OSError, although it means a broken connection
        raise ConnectionError(f"the answer broke off: {type(error).__name__}") from error
