"""The HTTP client of kilter-server: requests in, documents of `kilter.api` out, errors as kilter's own."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from kilter import __version__
from kilter.api.errors_v1 import ErrorBody, ErrorDocument
from kilter.deploy.logins import LOGIN, Login, is_local
from kilter.errors import BadInput, Busy, Failed, KilterError, NotAllowed, NotFound, PlanNeeded, Unreachable

if TYPE_CHECKING:  # it alone costs more than all the rest of a start
    import httpx2

Answer = TypeVar("Answer")

UNTRUSTED = "where an authority of your own signed it, name its file in SSL_CERT_FILE"
CONNECT, ANSWER, SILENCE = 10.0, 30.0, 60.0  # seconds: to connect, to answer, between two lines of a stream
ERRORS: Mapping[int, type[KilterError]] = {
    400: BadInput,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Busy,
    410: NotFound,
    412: PlanNeeded,
    413: BadInput,
    415: BadInput,
    422: BadInput,
    423: Busy,
    426: BadInput,
    428: PlanNeeded,
    429: Busy,
    503: Unreachable,
}


@dataclass(frozen=True)
class ServerSentEvent:
    """One event of a stream: its number, its name, its text."""

    id: str
    name: str
    data: str


@dataclass
class Client:
    """Speaks to one server with one token; as a context it closes the connection that it keeps between requests."""

    login: Login
    _http: "httpx2.Client | None" = field(default=None, init=False, repr=False)

    def get(self, path: str, kind: type[Answer], **query: str) -> Answer:
        """Ask for a document. Raises the error that the server's answer stands for."""
        return self._read(self._send("GET", path, query=query), kind)

    def post(self, path: str, kind: type[Answer], body: object) -> Answer:
        """Send a document; safe to repeat, because it carries a key of its own."""
        return self._read(self._send("POST", path, body=body, key=secrets.token_hex(16)), kind)

    def delete(self, path: str, kind: "type[Answer] | None" = None, body: object = None) -> "Answer | None":
        """Delete a thing; `kind` None is for an answer without a document."""
        answer = self._send("DELETE", path, body=body)
        return self._read(answer, kind) if kind else None

    def text(self, path: str, **query: str) -> str:
        """Ask for plain text."""
        return self._send("GET", path, query=query).text

    @contextmanager
    def stream(
        self, path: str, last: str = "", silence: float = SILENCE, query: Mapping[str, str] | None = None
    ) -> Iterator[Iterator[str]]:
        """Open a stream and give its lines; `last` is the number of the last event that was seen.

        Raises Unreachable after `silence` seconds without a line.
        """
        import httpx2

        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        limits = httpx2.Timeout(CONNECT, read=silence)
        try:
            with self._open().stream("GET", path, params=query or None, headers=headers, timeout=limits) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise self._error(answer)
                yield answer.iter_lines()
        except httpx2.TransportError as error:
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
            self._http = http_client(
                self.login.server, headers=headers, timeout=httpx2.Timeout(ANSWER, connect=CONNECT)
            )
        return self._http

    def _send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None, key: str = ""
    ) -> "httpx2.Response":
        import httpx2

        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Idempotency-Key": key} if key else {}
        content = msgspec.json.encode(body) if body is not None else None
        try:
            answer = self._open().request(method, path, params=query or None, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if answer.status_code >= 300:
            raise self._error(answer)
        return answer

    def _read(self, answer: "httpx2.Response", kind: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise Failed(
                f"{self.login.server} answered with something that this kilter does not understand",
                why=str(error),
                hint="is it a kilter-server? `kilter version` tells what this is",
            ) from None

    def _unreachable(self, error: Exception) -> Unreachable:
        why = str(error) or type(error).__name__
        hint = UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in why else "try again later"
        return Unreachable(f"{self.login.server} does not answer", why=why, hint=hint)

    def _error(self, answer: "httpx2.Response") -> KilterError:
        try:
            body = msgspec.json.decode(answer.content, type=ErrorDocument).error
        except msgspec.DecodeError:
            body = ErrorBody(code="", message=f"{self.login.server} answered {answer.status_code}")
        status = answer.status_code
        kind = ERRORS.get(status, Unreachable if status >= 500 else Failed)
        hint = body.next or (LOGIN if status == 401 else "")
        where = [f"field: {body.field}"] if body.field else []
        number = [f"request: {body.request_id}"] if body.request_id and status >= 500 else []
        return kind(body.message, hint=hint, details=[*where, *_details(body.details), *number])


def http_client(address: str, **options: Any) -> "httpx2.Client":
    """Return a client for one address. A name below `localhost` means this machine, whatever resolvers say of it.

    RFC 6761 section 6.3 asks that of resolvers; glibc's does not do it, nor should a proxy be asked.
    """
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
    if is_local(host):
        # Without TLS nobody is to be trusted; reading in whom to trust would take 30 ms of a start.
        verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if parts.scheme == "http" else True
        kind = Loopback if host.endswith(".localhost") else httpx2.HTTPTransport
        options |= {"transport": kind(verify=verify), "trust_env": False}
    return httpx2.Client(base_url=address, follow_redirects=False, **options)


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


def _details(details: Mapping[str, Any]) -> list[str]:
    """Return what a person can read of them: words, numbers, and lists of words."""
    told = {
        name: ", ".join(map(str, each)) or "none" if isinstance(each, list) else each for name, each in details.items()
    }
    return [f"{name}: {value}" for name, value in told.items() if isinstance(value, str | int | float)]
