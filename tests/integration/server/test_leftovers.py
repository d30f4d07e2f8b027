"""Removing images of deleted environments, by the API of a registry on a real socket."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from integration.server.registry import FakeRegistry, serving
from unit.server.conftest import Store
from unit.server.orders import MINUTE, NOON, SHOP, order, reported, spec
from unit.server.test_registry import access_of, ask
from unit.server.test_store_images import deleted, deployed
from unit.server.web import KEY, SETTINGS, Web

from kilter.render.names import Slot
from kilter.server.app import create_app
from kilter.server.distribution import DistributionRegistry
from kilter.server.follow import Follower
from kilter.server.hub import IMAGES
from kilter.server.leftovers import PUSHING, Remover
from kilter.server.manifests import RegistryImages
from kilter.server.refusals import Unavailable
from kilter.server.seams import Kept, Listed
from kilter.server.store import deploys, images

PR = Slot("acme", "shop", "pr-5")
NAME = "acme/shop"
A, B, C, D = (f"sha256:{letter * 64}" for letter in "abcd")


def image(digest: str) -> str:
    return f"registry.example.com/{NAME}@{digest}"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with serving() as found:
        yield found


@pytest.fixture
def client(registry: FakeRegistry, runner: asyncio.Runner) -> Iterator[RegistryImages]:
    found = RegistryImages(registry.url, DistributionRegistry(SETTINGS, KEY))
    yield found
    runner.run(found.close())


@pytest.fixture
def store(web: Web) -> Store:
    return Store(web.store, web.runner)


def left_behind(store: Store, registry: FakeRegistry, *digests: str) -> None:
    """Delete an environment that was deployed with these images, which nobody else has."""
    for digest in digests:
        registry.put(NAME, digest)
    deployed(store, PR, *map(image, digests))
    deleted(store, PR)


def step(web: Web, client: RegistryImages) -> bool:
    return web.runner.run(Remover(web.services, client).step())


async def nothing() -> frozenset[str]:
    """What is needed of the repository beside what is to go."""
    return frozenset()


def remove(web: Web, client: RegistryImages, digest: str, *kept: str) -> tuple[str, ...]:
    async def needed() -> frozenset[str]:
        return frozenset(kept)

    return web.runner.run(client.remove(NAME, digest, needed))


def facts(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.facts for record in caplog.records if hasattr(record, "facts")]


def test_images_of_a_deleted_environment_go_and_those_of_others_stay(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "kilter.server")
    for digest in (A, B, C, D):
        registry.put(NAME, digest)
    deployed(store, PR, image(A), image(B))
    deployed(store, SHOP, image(B), image(C))
    deleted(store, PR)
    assert step(web, client)
    assert set(registry.manifests[NAME]) == {B, C, D}  # D is nobody's deploy
    assert facts(caplog) == [{"env": "acme/shop/pr-5", "repository": NAME, "digests": [A]}]
    assert not step(web, client)


def test_an_image_that_is_not_there_is_removed_already(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages, caplog: pytest.LogCaptureFixture
) -> None:
    deployed(store, PR, image(A))
    deleted(store, PR)
    assert step(web, client)
    assert not step(web, client)
    assert (len(registry.asked), facts(caplog)) == (1, [])


@pytest.mark.parametrize("status", [401, 405, 500, 503])
def test_what_the_registry_does_not_remove_is_tried_again(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages, status: int
) -> None:
    """Also by another process: what is to be done stands in the store."""
    registry.put(NAME, A)
    registry.status = status
    deployed(store, PR, image(A))
    deleted(store, PR)
    assert step(web, client)
    assert not step(web, client)
    registry.status = 0
    web.now = NOON + MINUTE
    assert step(web, client)
    assert registry.manifests[NAME] == {}


def test_a_registry_that_is_away_is_unavailable(runner: asyncio.Runner) -> None:
    async def story() -> None:
        client = RegistryImages("http://127.0.0.1:1", DistributionRegistry(SETTINGS, KEY))
        try:
            await client.remove(NAME, A, nothing)
        finally:
            await client.close()

    with pytest.raises(Unavailable, match="ConnectError"):
        runner.run(story())


def test_a_list_goes_with_what_it_alone_lists(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    """An image for several platforms, or one with an attestation."""
    for digest in (B, C):
        registry.put(NAME, digest)
    registry.put(NAME, A, B, C)
    assert remove(web, client, A) == (B, C, A)


def test_what_a_list_names_goes_by_its_digest_alone(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    """Whoever may push writes lists: a tag, or the way to another repository, would go in the server's name."""
    registry.put(NAME, B, tag="prod")
    for elsewhere in (f"{C}/../../../blog/manifests/{C}", "../../blog/manifests/prod", "prod"):
        registry.put(NAME, A, elsewhere, D)
        registry.asked.clear()
        assert remove(web, client, A) == (A,)
        assert [each for each in registry.asked if each.startswith("DELETE")] == [
            f"DELETE /v2/{NAME}/manifests/{D}",
            f"DELETE /v2/{NAME}/manifests/{A}",
        ]
    assert set(registry.manifests[NAME]) == {B}


def test_what_another_list_or_a_tag_leads_to_stays(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    e, f, g = (f"sha256:{letter * 64}" for letter in "ef0")
    for digest in (B, C, D, e):
        registry.put(NAME, digest)
    registry.put(NAME, A, B, C, D, e, tag="a")
    registry.put(NAME, f, B)
    registry.put(NAME, g, C, tag="x")
    registry.tags[NAME] |= {"b": D, "y": D, "z": D}
    assert remove(web, client, A, f) == (e, A)
    assert "GET /v2/acme/shop/tags/list?last=y" in registry.asked


def test_a_part_of_a_list_that_is_needed_stays_though_it_was_deployed_by_itself(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    registry.put(NAME, B)
    registry.put(NAME, C, B, tag="prod")
    deployed(store, PR, image(B))
    deployed(store, SHOP, image(C))
    deleted(store, PR)
    assert step(web, client)
    assert set(registry.manifests[NAME]) == {B, C}


@pytest.mark.requirement("F40")
def test_nothing_is_removed_before_the_cluster_said_what_it_runs(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    """The store may be a backup in which an environment is deleted that was deployed anew since."""
    left_behind(store, registry, A)
    web.cluster.objects["acme-shop-pr-5"] = reported("acme-shop-pr-5", PR, "dep-later", 3, "Ready")
    web.cluster.away = True

    async def begin() -> None:
        application = create_app(SETTINGS, web.store, web.cluster, web.registry, lambda: NOON + 20 * MINUTE, client)
        async with application.router.lifespan_context(application), asyncio.timeout(10):
            await asyncio.sleep(0.2)

    web.runner.run(begin())
    assert set(registry.manifests[NAME]) == {A}


def test_the_first_word_of_the_cluster_begins_the_removing(web: Web) -> None:
    empty = Listed((), frozenset())
    follower = Follower(web.services)
    with web.services.hub.listen(IMAGES) as listener:
        web.runner.run(follower.record(empty))
        assert web.runner.run(listener.wait(0.01))
        web.runner.run(follower.record(empty))
        assert not web.runner.run(listener.wait(0.01))


def test_a_list_that_was_removed_half_is_completed(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    registry.put(NAME, C)
    registry.put(NAME, A, B, C)
    assert remove(web, client, A) == (C, A)


def test_an_answer_that_is_none_is_unavailable(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    registry.manifests[NAME] = {A: ["x"]}
    with pytest.raises(Unavailable, match="JSON"):
        remove(web, client, A)


def test_a_token_to_push_with_puts_removing_off(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    """The same image may just be pushed for the next environment."""
    left_behind(store, registry, A)
    token = web.token("deployer")
    assert access_of(ask(web, token, "repository:acme/shop:pull,push")) == {NAME: ["pull", "push"]}
    assert not step(web, client)
    web.now = NOON + 9 * MINUTE
    access_of(ask(web, token, "repository:acme/shop:pull"))
    web.now = NOON + 10 * MINUTE
    assert step(web, client)
    assert registry.manifests[NAME] == {}


class Watched:
    """A registry that does something before each image that it is to remove."""

    def __init__(self, registry: RegistryImages, before: Callable[[], Any]) -> None:
        self._registry, self._before = registry, before

    async def remove(self, repository: str, digest: str, kept: Kept) -> tuple[str, ...]:
        await self._before()
        return await self._registry.remove(repository, digest, kept)


def test_who_begins_to_push_while_images_are_removed_finds_the_rest(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    left_behind(store, registry, A, B)

    async def push() -> None:
        if A not in registry.manifests[NAME]:
            await web.store.run(images.spare, ("acme", "shop"), "", NOON, NOON + PUSHING)

    remover = Remover(web.services, Watched(client, push))
    assert [web.runner.run(remover.step()) for _ in range(2)] == [True, False]
    assert set(registry.manifests[NAME]) == {B}
    web.now += PUSHING
    assert web.runner.run(remover.step())
    assert registry.manifests[NAME] == {}


def test_an_image_that_is_deployed_while_others_are_removed_stays(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    left_behind(store, registry, A, B)

    async def deploy() -> None:
        await web.store.run(deploys.accept, order(SHOP, spec=spec(image=image(B))), NOON)

    assert web.runner.run(Remover(web.services, Watched(client, deploy)).step())
    assert set(registry.manifests[NAME]) == {B}


def test_a_part_of_a_list_that_is_deployed_while_another_is_removed_stays(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two builds of the same code have their image in common, and each an attestation of its own."""
    registry.put(NAME, C)
    for digest in (A, B):
        registry.put(NAME, digest, C)
    deployed(store, PR, image(A))
    deleted(store, PR)
    read = client._reachable

    async def reachable(repository: str, digest: str, kept: frozenset[str]) -> frozenset[str]:
        found = await read(repository, digest, kept)
        if not kept:
            await web.store.run(deploys.accept, order(SHOP, spec=spec(image=image(B))), NOON)
        return found

    monkeypatch.setattr(client, "_reachable", reachable)
    assert web.runner.run(Remover(web.services, client).step())
    assert set(registry.manifests[NAME]) == {B, C}


def test_a_list_that_may_not_go_stays_whole(web: Web, registry: FakeRegistry, client: RegistryImages) -> None:
    """It is asked when all is known about it: that takes a while where there are many tags."""
    for digest in (B, C):
        registry.put(NAME, digest)
    registry.put(NAME, A, B, C)
    asked = list[str]()

    async def kept() -> frozenset[str] | None:
        asked[:] = registry.asked
        return None if registry.asked.count("GET /v2/acme/shop/tags/list") else frozenset()

    assert web.runner.run(client.remove(NAME, A, kept)) == ()
    assert set(registry.manifests[NAME]) == {A, B, C}
    assert asked == registry.asked


def test_it_works_beside_the_server_and_is_woken(
    web: Web, store: Store, registry: FakeRegistry, client: RegistryImages
) -> None:
    registry.put(NAME, A)
    deployed(store, PR, image(A))
    app = create_app(SETTINGS, web.store, web.cluster, web.registry, lambda: NOON, client)

    async def story() -> None:
        async with app.router.lifespan_context(app), asyncio.timeout(10):
            while app.state.services.hub.waiting() < 2:
                await asyncio.sleep(0.01)
            await web.store.run(lambda tx: tx.execute("UPDATE environments SET deleted_at = 1, images_due_at = 1"))
            app.state.services.hub.tell([IMAGES])
            while registry.manifests[NAME]:
                await asyncio.sleep(0.01)

    web.runner.run(story())
