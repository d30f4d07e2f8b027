"""Of when it is what the server tells of an environment, once it hears nothing from the cluster any more."""

import asyncio
from contextlib import suppress

import msgspec
from unit.server.orders import MINUTE, NOON
from unit.server.portal.conftest import signed_in
from unit.server.test_web_deploys import DEV, deploy, dispatch, report
from unit.server.web import Web

from kilter.api.environments import Environment
from kilter.cli.remote import environment_view
from kilter.deploy.documents import EnvironmentDocument
from kilter.server.follow import Follower
from kilter.server.seams import Alive

PAGES = ("/", "/projects/acme/shop", "/projects/acme/shop/envs/dev")


def age(web: Web) -> str | None:
    found: str | None = web.get(DEV, web.token("viewer")).json["as_of"]
    return found


def begin(web: Web) -> None:
    """Begin to follow a cluster that does not answer."""

    async def story() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(Follower(web.services).run(), 0.05)

    web.cluster.away = True
    web.runner.run(story())
    web.cluster.away = False


def ready(web: Web) -> None:
    deploy(web)
    dispatch(web)
    report(web, "Ready")


def test_what_the_cluster_told_lately_is_told_as_it_is_now(web: Web) -> None:
    begin(web)
    ready(web)
    web.now += 10 * MINUTE
    web.runner.run(Follower(web.services).record(Alive()))
    web.now += 2 * MINUTE
    assert age(web) is None


def test_what_was_never_told_is_of_no_time(web: Web) -> None:
    """Neither to this server nor to one before it."""
    begin(web)
    deploy(web)
    web.now += 4 * MINUTE
    assert age(web) is None


def test_what_is_told_without_a_word_from_the_cluster_for_minutes_says_of_when_it_is(web: Web) -> None:
    """F30: who reads that it is Ready would take it for the truth of now, however long the watch is broken."""
    begin(web)
    ready(web)
    web.now += 4 * MINUTE
    assert age(web) == "2026-06-01T12:00:00Z"
    found = msgspec.json.decode(web.get(DEV, web.token("viewer")).body, type=Environment)
    said = environment_view(EnvironmentDocument(server="https://x", environment=found))
    assert "as of 2026-06-01 12:00:00 UTC: the platform has heard nothing from its cluster since" in said
    browser = signed_in(web, web.token("viewer"))
    for page in PAGES:
        assert "as of 2026-06-01 12:00:00 UTC" in browser.get(page).text
    web.runner.run(Follower(web.services).record(Alive()))
    assert age(web) is None
    for page in PAGES:
        assert "as of" not in browser.get(page).text


def test_a_server_that_never_heard_of_the_cluster_goes_by_when_the_state_was_recorded(web: Web) -> None:
    ready(web)
    web.services.pulse.heard = None  # it was another process
    web.now += 60 * MINUTE
    begin(web)
    assert age(web) is None, "the cluster has a while to answer"
    web.now += 4 * MINUTE
    assert age(web) == "2026-06-01T12:00:00Z"


def test_what_another_process_recorded_later_is_as_of_then(web: Web) -> None:
    begin(web)
    ready(web)
    web.services.pulse.heard = NOON - 60 * MINUTE
    assert age(web) == "2026-06-01T12:00:00Z"
