"""Whether the cluster enforces network policies, as two ports of one program tell."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from unit.server.portal.conftest import signed_in
from unit.server.test_web_deploys import NAME, follow
from unit.server.web import DEPLOY, Web

from kilter.server import policies, settings
from kilter.server.dispatch import Dispatcher
from kilter.server.policies import Doors, Policies, answers, doors, tried

pytestmark = pytest.mark.requirement("DP-Q57")
PLACE = Doors("127.0.0.1", 1, 2)


def reached(*seen: bool | None) -> Callable[[str, int], object]:
    """Stand for connections that do this, one after the other; the ports are in their order."""
    turns = iter(zip((PLACE.opened, PLACE.shut, PLACE.opened), seen, strict=False))

    async def knock(address: str, port: int) -> bool | None:
        expected, answer = next(turns)
        assert (address, port) == ("127.0.0.1", expected)
        return answer

    return knock


def numeric(address: str, port: int, *_: object, **__: object) -> list[object]:
    """Know the addresses of no host but those that are written down as one."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port))]


@pytest.mark.parametrize(
    ("seen", "enforced"),
    [
        ((True, False, True), True),
        ((True, True), False),
        ((False,), None),
        ((True, False, False), None),
        ((None,), None),
        ((True, None), None),
        ((True, False, None), None),
    ],
    ids=[
        "the shut port alone is silent",
        "both answer",
        "none answers",
        "the operator ends in between",
        "the operator is slow",
        "the operator is slow at the port that nobody is let in by",
        "the operator is slow in the end",
    ],
)
def test_only_a_port_that_is_shut_beside_one_that_answers_is_shut_by_a_policy(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, seen: tuple[bool | None, ...], enforced: bool | None
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", numeric)
    monkeypatch.setattr(policies, "answers", reached(*seen))
    assert runner.run(tried(PLACE)) is enforced


def test_without_an_operator_nobody_knows(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise OSError("no such host")

    async def ask() -> bool | None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown, raising=False)
        return await tried(PLACE)

    assert runner.run(ask()) is None


async def dropped(*_: object) -> None:
    await asyncio.Event().wait()


class Deaf:
    def write(self, _: bytes) -> None:
        pass

    def close(self) -> None:
        pass


async def taken(*_: object) -> tuple[asyncio.StreamReader, Deaf]:
    return asyncio.StreamReader(), Deaf()


@pytest.mark.parametrize(("connect", "open_"), [(dropped, False), (taken, None)], ids=["dropped", "taken"])
def test_a_port_is_shut_that_takes_no_connection_and_not_one_that_is_slow_to_answer(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, connect: object, open_: bool | None
) -> None:
    """The operator's machine may be busy."""
    monkeypatch.setattr(policies, "PATIENCE", 0.02)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    assert runner.run(answers("127.0.0.1", 1)) is open_


def test_it_is_tried_again_soon_until_the_policies_are_known_to_be_enforced(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen, slept = iter([None, False, False, True]), list[float]()
    found = Policies(PLACE)

    async def trial(_: Doors) -> bool | None:
        return next(seen)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if found.enforced:
            raise asyncio.CancelledError

    monkeypatch.setattr(policies, "tried", trial)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        runner.run(found.run())
    assert slept == [policies.SOON, policies.SOON, policies.SOON, policies.EVERY]
    assert [record.message for record in caplog.records] == [
        "this cluster enforces no network policies: apps can reach each other"
    ]


def test_the_place_is_a_setting() -> None:
    asked = {"KILTER_SERVER_CLUSTER_DOMAIN": "x.test", "KILTER_SERVER_POLICY_PROBE": "operator.kilter.svc:8080,8081"}
    assert settings.read(asked).policy_probe == Doors("operator.kilter.svc", 8080, 8081)
    for text in ("operator", "operator:80", "operator:80,", ":80,81", "operator:a,b"):
        with pytest.raises(ValueError, match="host"):
            doors(text)


@pytest.mark.parametrize("enforced", [True, False, None])
def test_clients_are_told_what_was_found_last(web: Web, enforced: bool | None) -> None:
    web.services.policies.enforced = enforced
    assert web.get("/v1/info", web.token("viewer")).json["network_policy_enforced"] is enforced


@pytest.mark.parametrize("enforced", [True, False, None])
def test_the_portal_warns_only_where_they_are_known_not_to_be_enforced(web: Web, enforced: bool | None) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    browser = signed_in(web, web.token("viewer"))
    web.services.policies.enforced = enforced
    assert ("enforces no network policies" in browser.get("/").text) is (enforced is False)


@pytest.mark.parametrize(("url", "warned"), [("", True), ("https://shop.example.com", False)])
def test_an_internal_app_that_others_can_reach_is_said_to_be_so(web: Web, url: str, warned: bool) -> None:
    web.post("/v1/projects/acme/shop/envs/dev/deploys", web.token("deployer"), DEPLOY)
    web.services.policies.enforced = False
    web.runner.run(Dispatcher(web.services).step())
    web.cluster.report(NAME, phase="Ready", url=url, internal_url="http://shop.acme-shop-dev.svc:8080")
    follow(web)
    page = signed_in(web, web.token("viewer")).get("/projects/acme/shop/envs/dev").text
    assert ("meant to be internal" in page) is warned
    web.services.policies.enforced = True
    assert "meant to be internal" not in signed_in(web, web.token("viewer")).get("/projects/acme/shop/envs/dev").text
