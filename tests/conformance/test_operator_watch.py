"""List and watch against a real API server: what is told, what is survived, what is started over."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from kilter.operator import kinds
from kilter.operator.kube import Kube, KubeError, async_session, configuration, session
from kilter.operator.store import Place, Store
from kilter.operator.watch import Limits, Source, Watch

from .apiserver import ApiServer
from .proxy import SilentProxy

CONFIG_MAP = kinds.Kind("v1", "ConfigMap", "configmaps")
SOON = 20.0  # seconds; the machine may be busy


@pytest.fixture(scope="module")
def kube(api: ApiServer) -> Iterator[Kube]:
    with session(configuration(api.kubeconfig())) as client:
        yield Kube(client)


@pytest.fixture
def space(api: ApiServer, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name = f"watch-{abs(hash(request.node.name)) % 10**8}"
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


def config_map(space: str, name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": data}


def put(api: ApiServer, space: str, name: str, **data: str) -> None:
    api.apply(CONFIG_MAP.path(space, name), config_map(space, name, **data))


class Watched:
    """A running watch and what it told."""

    def __init__(self, watch: "Watch[dict[str, Any]]", told: list[Place]) -> None:
        self.watch = watch
        self.store = watch.store
        self.told = told

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(SOON):
            while not condition():
                await asyncio.sleep(0.02)


@asynccontextmanager
async def watching(api: ApiServer, space: str, *, url: str = "", **changes: Any) -> AsyncIterator[Watched]:
    limits = Limits(**({"first_wait": 0.05} | changes))
    source = Source(CONFIG_MAP, msgspec.json.decode, namespace=space)
    store: Store[dict[str, Any]] = Store()
    told: list[Place] = []
    async with async_session(configuration(api.kubeconfig("watcher", url=url))) as client:
        watch = Watch(client, source, store, told.append, limits)
        task = asyncio.create_task(watch.run())
        try:
            async with asyncio.timeout(SOON):
                await watch.synced.wait()
            yield Watched(watch, told)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def run(main: Awaitable[None]) -> None:
    async def all_of_it() -> None:
        await main

    asyncio.run(all_of_it())


def test_what_is_there_comes_by_list_page_by_page_and_what_changes_by_watch(
    api: ApiServer, kube: Kube, space: str
) -> None:
    for number in range(7):
        put(api, space, f"c{number}", text="\u2028 and \x85 end no line of JSON")

    async def main() -> None:
        async with watching(api, space, page=3) as watched:
            assert len(watched.store) == 7
            put(api, space, "c0", text="other \x85")
            await watched.until(lambda: watched.store.get(space, "c0")["data"]["text"] == "other \x85")  # type: ignore[index]
            uid = kube.get(CONFIG_MAP, space, "c1")["metadata"]["uid"]  # type: ignore[index]
            kube.delete(CONFIG_MAP, space, "c1", uid)
            await watched.until(lambda: watched.store.get(space, "c1") is None)
            assert watched.told[-2:] == [(space, "c0"), (space, "c1")]
            assert not watched.watch.restarts

    run(main())


@pytest.mark.requirement("F30")
def test_a_stream_that_the_server_ends_goes_on_without_a_list(api: ApiServer, kube: Kube, space: str) -> None:
    async def main() -> None:
        async with watching(api, space, lifetime=2) as watched:
            await asyncio.sleep(3.5)
            put(api, space, "later", a="1")
            await watched.until(lambda: watched.store.get(space, "later"))
            assert not watched.watch.restarts

    run(main())


@pytest.mark.requirement("F30")
def test_a_version_that_is_too_old_is_answered_by_a_new_list(api: ApiServer, kube: Kube, space: str) -> None:
    """The server's history is compacted, so that the watch meets a real 410."""
    put(api, space, "kept", a="1")

    async def main() -> None:
        async with watching(api, space) as watched:
            watch = watched.watch
            old = watched.store.seen
            for number in range(3):
                put(api, space, "kept", a=f"{number}x")
            await watched.until(lambda: watched.store.get(space, "kept")["data"]["a"] == "2x")  # type: ignore[index]
            api.compact()
            api.stop(sent=signal.SIGKILL)  # its memory of recent events goes too
            api.start_api()
            async with asyncio.timeout(SOON):
                assert await refused(watch, old - 1) == 410
            put(api, space, "kept", a="after")
            await watched.until(lambda: watched.store.get(space, "kept")["data"]["a"] == "after")  # type: ignore[index]

    run(main())


async def refused(watch: "Watch[dict[str, Any]]", version: int) -> int:
    """Watch from a version on, and return the code with which that is refused for good.

    A server that has just started says 429 until it has made its cache of a kind.
    """
    while True:
        try:
            await watch._follow(version)
        except KubeError as error:
            if error.code != 429:
                return error.code
            await asyncio.sleep(0.2)


@pytest.mark.requirement("F30")
def test_a_connection_that_falls_silent_is_dropped_and_everything_is_listed_anew(
    api: ApiServer, kube: Kube, space: str
) -> None:
    async def main() -> None:
        with SilentProxy(api.port) as proxy:
            async with watching(api, space, url=proxy.url, silence=2.0) as watched:
                proxy.silent.set()
                put(api, space, "unheard", a="1")
                await asyncio.sleep(1.0)
                assert watched.store.get(space, "unheard") is None
                await watched.until(lambda: watched.watch.restarts["silence"] == 1)
                proxy.silent.clear()
                await watched.until(lambda: watched.store.get(space, "unheard"))

    run(main())


@pytest.mark.requirement("F30")
def test_a_broken_connection_is_made_again_and_nothing_is_missed(api: ApiServer, kube: Kube, space: str) -> None:
    async def main() -> None:
        with SilentProxy(api.port) as proxy:
            async with watching(api, space, url=proxy.url) as watched:
                for number in range(3):
                    proxy.drop()
                    put(api, space, f"c{number}", a="1")
                    await watched.until(lambda n=number: watched.store.get(space, f"c{n}"))  # type: ignore[misc]

    run(main())


@pytest.mark.requirement("F30")
def test_a_quiet_kind_stays_watched_because_bookmarks_come(api: ApiServer, space: str) -> None:
    """The limit of silence stands on this: a healthy server says something about every minute."""

    async def main() -> None:
        async with watching(api, space, silence=75.0) as watched:
            first = watched.store.seen
            api.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"{space}-other"}})
            api.request("POST", f"/api/v1/namespaces/{space}-other/configmaps", config_map(f"{space}-other", "x"))
            async with asyncio.timeout(80):
                while watched.store.seen == first:
                    await asyncio.sleep(0.5)
            assert not watched.watch.restarts

    run(main())


def test_an_unknown_kind_counts_as_none_and_is_found_once_it_exists(api: ApiServer, kube: Kube) -> None:
    thing = kinds.Kind("test.example.com/v1", "Thing", "things")

    async def main() -> None:
        async with async_session(configuration(api.kubeconfig("watcher"))) as client:
            store: Store[dict[str, Any]] = Store()
            source = Source(thing, msgspec.json.decode)
            watch = Watch(client, source, store, lambda _: None, Limits(first_wait=0.05, longest_wait=0.5))
            task = asyncio.create_task(watch.run())
            await asyncio.wait_for(watch.synced.wait(), SOON)
            assert watch.absent
            kube.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd(thing))
            async with asyncio.timeout(SOON):
                while watch.absent:
                    await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(main())


def crd(kind: kinds.Kind) -> dict[str, Any]:
    group, version = kind.api_version.split("/")
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }
