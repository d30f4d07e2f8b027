"""The proof that an app answers: one real request through the Gateway, at the app's public host (DP-8)."""

import ssl
from typing import Final

import httpx2

from kilter.operator.settings import Gateway
from kilter.operator.steps.route import Answer
from kilter.render.names import RELEASE_HEADER

TIMES: Final = httpx2.Timeout(3.0, connect=2.0)


class Prober:
    """Asks the Gateway as a browser would, whatever DNS says of the host. Thread-safe."""

    def __init__(self, gateway: Gateway, transport: httpx2.BaseTransport | None = None) -> None:
        self._gateway = gateway
        # Whether the certificate is a good one is for browsers to judge; here only the answer counts.
        trust: ssl.SSLContext | bool = ssl.create_default_context(cafile=str(gateway.ca)) if gateway.ca else False
        self._client = httpx2.Client(verify=trust, timeout=TIMES, trust_env=False, transport=transport)

    @property
    def reachable(self) -> bool:
        """Whether the operator was told where the Gateway is."""
        return bool(self._gateway.url)

    def ask(self, host: str) -> Answer:
        """Send one request for `/` and return what came back; its body is not read."""
        request = self._client.build_request(
            "GET", self._gateway.url, headers={"Host": host}, extensions={"sni_hostname": host}
        )
        try:
            answer = self._client.send(request, stream=True, follow_redirects=False)
        except httpx2.HTTPError as error:
            return Answer(0, why=type(error).__name__)
        answer.close()
        return Answer(answer.status_code, answer.headers.get(RELEASE_HEADER, ""))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
