"""What comes back from an app's public host, whatever an app does to who asks for it."""

import asyncio

import httpx2
import pytest

from kilter.operator import gateway
from kilter.operator.gateway import Prober
from kilter.operator.settings import Gateway
from kilter.operator.steps.route import Answer

pytestmark = pytest.mark.requirement("DP-8", "O3")
URL = "https://gateway.test"


class Endless(httpx2.AsyncBaseTransport):
    """An app that goes on and on and never comes to its answer, as with one hint (103) after the other."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        while True:
            await asyncio.sleep(0.001)


def test_an_answer_is_its_status_and_the_release_that_it_names() -> None:
    def serve(request: httpx2.Request) -> httpx2.Response:
        assert (str(request.url), request.headers["Host"]) == (URL, "shop.x.test")
        return httpx2.Response(302, headers={"kilter-release": "d-1", "location": "https://elsewhere.test"})

    assert Prober(Gateway(URL), httpx2.MockTransport(serve)).ask("shop.x.test") == Answer(302, "d-1")


def test_an_app_that_never_comes_to_its_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "WHOLE", 0.01)
    assert Prober(Gateway(URL), Endless()).ask("shop.x.test") == Answer(0, why="TimeoutError")
