"""The web as a source of files; a module of its own because `urllib.request` is slow to import."""

import base64
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import IO
from urllib.parse import unquote, urlsplit

from kilter.errors import BadInput
from kilter.tools.download import CHUNK, NAME_A_MIRROR, Answer, NoSuchFile, check_url, shown

LOGIN = "Authorization"


class _Guarded(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and to this machine, only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        check_url(newurl)
        again = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        login = req.unredirected_hdrs.get(LOGIN)
        if again and login and (again.type, again.host) == (req.type, req.host):  # nobody else is to hear it
            again.add_unredirected_header(LOGIN, login)
        return again


@contextmanager
def open_url(url: str, offset: int, silence: float) -> Iterator[Answer]:
    """Open a url from byte `offset` on; a server that does not resume gives the whole, so does a finished file.

    A login in the url goes into a header. Raises as `Source.open`, and BadInput for a url, or a proxy of the user's,
    that is no address.
    """
    check_url(url)
    given, (url, login) = url, _apart(url)
    headers = {"User-Agent": "kilter", **({"Range": f"bytes={offset}-"} if offset else {})}
    whole = False
    opener = urllib.request.build_opener(_Guarded())
    try:
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked
        if login:
            request.add_unredirected_header(LOGIN, login)
        response = opener.open(request, timeout=silence)
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
    except http.client.HTTPException as error:  # no OSError, although what answered speaks something else
        raise _broken(error) from error
    if response is None and whole:
        yield Answer(offset, offset, iter(()))
        return
    if response is None:
        with open_url(given, 0, silence) as answer:
            yield answer
        return
    with response:
        yield _answer(response, offset)


def _answer(response: http.client.HTTPResponse, offset: int) -> Answer:
    if response.headers.get_content_type() == "text/html":
        raise ConnectionError("a web page came in place of the file; perhaps the network asks for a login")
    start = offset if response.status == 206 else 0
    length = response.length or 0  # None where the answer does not say it, or says no number
    return Answer(start, start + length if length else 0, _body(response))


def _apart(url: str) -> tuple[str, str]:
    """Return a url without the login in it, and that login as the value of a header; empty where there is none."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    login, at, place = host.rpartition("@")
    if not at:
        return url, ""
    name, _, password = login.partition(":")
    given = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode())
    return f"{scheme}://{place}{slash}{path}", f"Basic {given.decode()}"


def _no_address(url: str, error: Exception) -> BadInput:
    """Blame the proxy where there is one and it is at fault, else the url; the user has named both."""
    scheme = url.partition(":")[0]
    proxy = urllib.request.getproxies().get(scheme, "").rpartition("//")[2].rpartition("@")[2].rstrip("/")
    try:
        _ = urlsplit(f"//{proxy}").port
    except ValueError:
        hint = f"write {scheme.upper()}_PROXY as http://<host>:<port>"
        return BadInput(f"the proxy {proxy} is no address", why=str(error), hint=hint)
    why = "" if "@" in url else str(error)  # a password that holds a `/` would stand in it
    return BadInput(f"{shown(url)} is no address", why=why, hint=NAME_A_MIRROR)


def _body(response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read(CHUNK):
            yield chunk
    except http.client.HTTPException as error:  # no OSError, although it means a broken connection
        raise _broken(error) from error


def _broken(error: http.client.HTTPException) -> ConnectionError:
    return ConnectionError(f"the answer is not whole, or no HTTP: {type(error).__name__}")
