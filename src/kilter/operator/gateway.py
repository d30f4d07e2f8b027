"""The proof that an app answers: one real request through the Gateway, at the app's public host (DP-8)."""

import asyncio
import ssl
from typing import Final

import httpx2

from kilter.operator.settings import Gateway
from kilter.operator.steps.route import Answer
from kilter.render.names import RELEASE_HEADER

TIMES: Final = httpx2.Timeout(3.0, connect=2.0)
WHOLE: Final = 6.0  # seconds for one request: the others begin anew with each byte, and an app may send hints for ever


class Prober:
    """Asks the Gateway as a browser would, whatever DNS says of the host. Thread-safe."""

    def __init__(self, gateway: Gateway, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self._gateway, self._transport = gateway, transport
        self._trust = ssl.create_default_context(cafile=str(gateway.ca) if gateway.ca else None)
        if not gateway.ca:
            # Whether the certificate is a good one is for browsers to judge; here only the answer counts.
            self._trust.check_hostname, self._trust.verify_mode = False, ssl.CERT_NONE

    @property
    def reachable(self) -> bool:
        """Whether the operator was told where the Gateway is."""
        return bool(self._gateway.url)

    def ask(self, host: str) -> Answer:
        """Send one request for `/` and return what came back; its body is not read. Not for an event loop's thread."""
        return asyncio.run(self._ask(host))

    async def _ask(self, host: str) -> Answer:
        headers, extensions = {"Host": host}, {"sni_hostname": host}
        try:
            async with (
                asyncio.timeout(WHOLE),
                httpx2.AsyncClient(
                    verify=self._trust, timeout=TIMES, trust_env=False, transport=self._transport
                ) as client,
                client.stream("GET", self._gateway.url, headers=headers, extensions=extensions) as answer,
            ):
                return Answer(answer.status_code, answer.headers.get(RELEASE_HEADER, ""))
        except (httpx2.HTTPError, TimeoutError) as error:
            return Answer(0, why=type(error).__name__)
