"""The HTTP client of kilter-server: requests in, documents of `kilter.api` out, errors as kilter's own."""

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from kilter import __version__
from kilter.deploy.logins import ADDRESS, Login, is_local
from kilter.deploy.refusals import AGAIN, AWAY, LOST, NEXT, UNTRUSTED, body_of, error_of, is_decided, unanswered
from kilter.errors import BadInput, Failed, KilterError, Unreachable

if TYPE_CHECKING:  # it alone costs more than all the rest of a start
    import httpx2

Answer = TypeVar("Answer")

CONNECT, ANSWER, SILENCE = 10.0, 30.0, 60.0  # seconds: to connect, to answer, between two lines of a stream
PAUSES = (0.5, 2.0)  # seconds before a request is sent again


@dataclass(frozen=True)
class ServerSentEvent:
    """One event of a stream: its number, its name, its text."""

    id: str
    name: str
    data: str


@dataclass
class Client:
    """Speaks to one server with one token; as a context it closes the connection that it keeps between requests.

    `connect` is how long a server may take to be there, in seconds.
    """

    login: Login
    connect: float = CONNECT
    _http: "httpx2.Client | None" = field(default=None, init=False, repr=False)

    def get(self, path: str, kind: type[Answer], **query: str) -> Answer:
        """Ask for a document, again where nobody was there to answer. Raises the error that the answer stands for."""
        return self._read(self._send("GET", path, query=query), kind)

    def post(self, path: str, kind: type[Answer], body: object, *, renews: bool = False) -> Answer:
        """Send a document, again where no answer comes; its key has the server carry it out once (F28).

        What `renews` may be carried out twice: its answer holds a secret, which the server does not keep. Without a
        login there are no keys, and nothing is sent again.
        Raises Unanswered where it may have been carried out all the same, or another error of which `may_be_done` says
        so.
        """
        return self._read_of_change(self._sent(path, body, renews), kind)

    def delete(
        self, path: str, kind: "type[Answer] | None" = None, body: object = None, *, gone: str = ""
    ) -> "Answer | None":
        """Delete a thing; `kind` None is for an answer without a document. Raises as `post` does, and sends once.

        A refusal with the code `gone` says that it is gone already, and is none.
        """
        answer = self._send("DELETE", path, body=body, passes=gone)
        return self._read_of_change(answer, kind) if kind else None

    def text(self, path: str, **query: str) -> str:
        """Ask for plain text. Raises as `get` does, Failed for an answer that is none."""
        answer = self._send("GET", path, query=query)
        self._check_type(answer, "text/plain", "plain text")
        return answer.text

    @contextmanager
    def stream(
        self, path: str, last: str = "", silence: float = SILENCE, query: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[str]]:
        """Open a stream, as `get` asks, and give its lines; `last` is the number of the last event that was seen.

        Raises Unreachable after `silence` seconds without a line, Failed for an answer that is no stream.
        """
        import httpx2

        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        limits = httpx2.Timeout(self.connect, read=silence)
        try:
            for pause in (*PAUSES, None):
                with self._open().stream("GET", path, params=query or None, headers=headers, timeout=limits) as answer:
                    if answer.is_success:
                        yield self._lines(answer)
                        return
                    answer.read()
                if pause is None or answer.status_code not in AWAY:
                    raise error_of(answer, self.login.server)
                time.sleep(pause)
        except httpx2.RequestError as error:
            raise self._unreachable(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.close()

    def _open(self) -> "httpx2.Client":
        if self._http is None:
            import httpx2

            headers = {"User-Agent": f"kilter/{__version__}"}
            if self.login.token:
                headers["Authorization"] = f"Bearer {self.login.token}"
            # A redirect would carry the token to a place that nobody named.
            limits = httpx2.Timeout(ANSWER, connect=self.connect)
            self._http = http_client(self.login.server, headers=headers, timeout=limits)
        return self._http

    def _sent(self, path: str, body: object, renews: bool) -> "httpx2.Response":
        import httpx2

        failed: KilterError
        key, lost = secrets.token_hex(16), False
        for pause in (*(PAUSES if self.login.token else ()), None):
            key = secrets.token_hex(16) if renews else key
            try:
                answer = self._request("POST", path, body=body, key=key)
            except httpx2.RequestError as error:
                failed = self._failure(error)
                lost = lost or was_sent(error)
                again = failed.hint not in UNTRUSTED.values()
            else:
                if answer.status_code < 300:
                    return answer
                failed = error_of(answer, self.login.server)
                # Where the first request may have come through, its answer may still be on its way.
                again = answer.status_code in AWAY or (lost and body_of(answer).code == "in_progress")
                lost = lost or answer.status_code in LOST
            if pause is None or not again:
                break
            time.sleep(pause)
        if lost and again:
            raise unanswered(failed)
        raise failed from unanswered(failed) if lost and not is_decided(failed) else None

    def _send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None, passes: str = ""
    ) -> "httpx2.Response":
        import httpx2

        changes = method != "GET"
        for pause in (*(() if changes else PAUSES), None):
            try:
                answer = self._request(method, path, query=query, body=body)
            except httpx2.RequestError as error:
                failed = self._failure(error)
                raise (unanswered(failed) if changes and was_sent(error) else failed) from None
            if answer.status_code < 300 or (passes and body_of(answer).code == passes):
                return answer
            # A gateway may still ask a server that ends, or none while one is replaced.
            if pause is None or answer.status_code not in AWAY:
                break
            time.sleep(pause)
        failed = error_of(answer, self.login.server)
        raise unanswered(failed) if changes and answer.status_code in LOST else failed

    def _request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None, key: str = ""
    ) -> "httpx2.Response":
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        content = msgspec.json.encode(body) if body is not None else None
        return self._open().request(method, path, params=query or None, content=content, headers=headers)

    def _read(self, answer: "httpx2.Response", kind: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._strange(str(error)) from None

    def _read_of_change(self, answer: "httpx2.Response", kind: type[Answer]) -> Answer:
        try:
            return self._read(answer, kind)
        except Failed as error:  # a success, whatever it says
            raise error from unanswered(error)

    def _lines(self, answer: "httpx2.Response") -> Iterator[str]:
        self._check_type(answer, "text/event-stream", "stream of events")
        return split(answer.iter_text())

    def _check_type(self, answer: "httpx2.Response", wanted: str, name: str) -> None:
        kind = answer.headers.get("content-type", "")
        # Of an environment that does not run, the server has no lines and sends nothing at all.
        if not kind.startswith(wanted) and answer.read():
            raise self._strange(f"it is {kind or 'of no type'}, and no {name}")

    def _strange(self, why: str) -> Failed:
        return Failed(
            f"{self.login.server} answered with something that this kilter does not understand",
            why=why,
            hint=NEXT[""],
        )

    def _failure(self, error: "httpx2.RequestError") -> KilterError:
        import httpx2

        return self._strange(str(error)) if isinstance(error, httpx2.DecodingError) else self._unreachable(error)

    def _unreachable(self, error: Exception) -> Unreachable:
        why = str(error) or type(error).__name__
        hint = next((hint for words, hint in UNTRUSTED.items() if words in why), AGAIN)
        return Unreachable(f"{self.login.server} does not answer", why=why, hint=hint)


def was_sent(error: "httpx2.RequestError") -> bool:
    """Tell whether a request may have reached the server before its connection failed."""
    import httpx2

    return not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)


def http_client(address: str, **options: Any) -> "httpx2.Client":
    """Return a client for one address. A name below `localhost` means this machine, whatever resolvers say of it.

    RFC 6761 section 6.3 asks that of resolvers; glibc's does not do it, nor should a proxy be asked.
    Raises BadInput for an address, a proxy or a file of authorities that no client can use.
    """
    import httpx2

    try:
        httpx2.URL(address)
    except httpx2.InvalidURL as error:
        raise BadInput(f"{address!r} is no address of a server", why=str(error), hint=ADDRESS) from None
    try:
        return httpx2.Client(base_url=address, follow_redirects=False, **_transport(address), **options)
    except OSError as error:
        authorities = os.environ.get("SSL_CERT_FILE")
        if not authorities:
            raise
        what = f"SSL_CERT_FILE is {authorities!r}, and no certificates can be read there"
        raise BadInput(what, why=str(error), hint="name a file of certificates in PEM, or unset it") from None
    except (httpx2.InvalidURL, ValueError, ImportError) as error:  # the last is how SOCKS is refused
        hint = "mend HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or name the platform's host in NO_PROXY"
        raise BadInput("a proxy of your environment cannot be used", why=str(error), hint=hint) from None


def _transport(address: str) -> dict[str, Any]:
    """Return the options of a client that lead it to an address of this machine; none for another's."""
    import ssl

    import httpx2

    class Loopback(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            # The header `Host` is set already; TLS, too, goes by the name.
            request.extensions = {**request.extensions, "sni_hostname": request.url.host}
            request.url = request.url.copy_with(host="127.0.0.1")
            return super().handle_request(request)

    parts = urlsplit(address)
    host = parts.hostname or ""
    if not is_local(host):
        return {}
    # Without TLS nobody is to be trusted; reading in whom to trust would take 30 ms of a start.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if parts.scheme == "http" else True
    kind = Loopback if host.endswith(".localhost") else httpx2.HTTPTransport
    return {"transport": kind(verify=verify), "trust_env": False}


def split(pieces: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text that comes in pieces; other ends of lines that Unicode knows may stand in JSON."""
    rest = ""
    for piece in pieces:
        *lines, rest = (rest + piece).split("\n")
        yield from (line.removesuffix("\r") for line in lines)
    if rest:
        yield rest


def events(lines: Iterator[str]) -> Iterator[ServerSentEvent]:
    """Read server-sent events off the lines of a stream (WHATWG HTML, 9.2); comments keep it alive and are left out."""
    found: dict[str, str] = {}
    for line in lines:
        if not line:
            if "data" in found:
                yield ServerSentEvent(found.get("id", ""), found.get("event", "message"), found["data"])
            found = {}
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in found:
            value = f"{found['data']}\n{value}"
        if name:
            found[name] = value
