"""The cluster through lightkube, against an API server made of answers: what is asked, what is made of answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from unit.server.orders import SHOP, reported, spec

from kilter.errors import BadInput
from kilter.server import podlogs
from kilter.server.cluster import KubeCluster, connect
from kilter.server.refusals import Unavailable
from kilter.server.seams import Conflict, Gone, Listed, LogQuery, Seen

Answering = Callable[[httpx2.Request], httpx2.Response]
OBJECT = msgspec.to_builtins(reported("acme-shop-dev", SHOP, "dep-1", 1, "Ready"))
OBJECT["metadata"] |= {"resourceVersion": "7", "managedFields": [{"manager": "kilter-server"}]}


class Api:
    """Answers requests and keeps them."""

    def __init__(self, answer: Answering) -> None:
        self.answer, self.requests = answer, list[httpx2.Request]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answer(request)

    def client(self) -> AsyncClient:
        CLIENTS.current = self
        return CLIENTS.shared


class Clients:
    """One client for all tests, because making one costs more than all of them."""

    current: Api

    def __init__(self) -> None:
        user = User(token="t")  # lightkube trips over a server without one
        config = KubeConfig.from_one(cluster=Cluster(server="https://10.0.0.1"), user=user, context_name="x").get()
        transport = httpx2.MockTransport(self._answer)
        self.shared = AsyncClient(config=config, transport=transport, trust_env=False)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        return self.current(request)


CLIENTS = Clients()


def failure(code: int, message: str = "no") -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "status": "Failure", "code": code, "message": message})


def listed(*items: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"metadata": {"resourceVersion": "42"}, "items": list(items)})


def test_a_spec_is_applied_as_the_server_and_never_by_force(runner: asyncio.Runner) -> None:
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    runner.run(KubeCluster(api.client()).apply("acme-shop-dev", spec(public=False)))
    [request] = api.requests
    assert request.method == "PATCH"
    assert request.url.path == "/apis/kilter.dev/v1alpha1/namespaces/kilter-apps/kilterapps/acme-shop-dev"
    assert request.headers["content-type"] == "application/apply-patch+yaml"
    assert request.url.params["fieldManager"] == "kilter-server"
    assert request.url.params.get("force", "false").lower() == "false"
    body = json.loads(request.content)
    assert body["metadata"]["labels"]["kilter.dev/org"] == "acme"
    assert (body["spec"]["public"], body["spec"]["port"]) == (False, 8080)
    assert "status" not in body
    assert "secrets" not in body["spec"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [*[(code, Conflict) for code in (400, 403, 409, 422)], *[(code, Unavailable) for code in (404, 429, 500)]],
)
def test_a_refused_write_is_a_conflict_and_a_failing_server_is_away(
    runner: asyncio.Runner, code: int, kind: type[Exception]
) -> None:
    api = Api(lambda _: failure(code, "spec.sequence: a lower sequence never overwrites a higher one"))
    with pytest.raises(kind):
        runner.run(KubeCluster(api.client()).apply("x", spec()))


def test_a_server_that_cannot_be_reached_is_unavailable(runner: asyncio.Runner) -> None:
    def down(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    with pytest.raises(Unavailable, match="ConnectError"):
        runner.run(KubeCluster(Api(down).client()).read("x"))


def test_an_object_is_read_with_its_status(runner: asyncio.Runner) -> None:
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    app = runner.run(KubeCluster(api.client()).read("acme-shop-dev"))
    assert app is not None
    assert (app.status.phase, app.metadata.resource_version) == ("Ready", "7")


def test_what_does_not_exist_is_none_to_read_and_fine_to_delete(runner: asyncio.Runner) -> None:
    cluster = KubeCluster(Api(lambda _: failure(404)).client())
    assert runner.run(cluster.read("x")) is None
    runner.run(cluster.delete("x", "keep"))


def test_a_delete_says_what_becomes_of_the_database_and_takes_no_other_field(runner: asyncio.Runner) -> None:
    """DP-Q25."""
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    runner.run(KubeCluster(api.client()).delete("acme-shop-dev", "drop"))
    patch, delete = api.requests
    assert (patch.method, patch.headers["content-type"]) == ("PATCH", "application/merge-patch+json")
    assert json.loads(patch.content) == {"spec": {"databaseOnDelete": "drop"}}
    assert delete.method == "DELETE"


def watch_answer(events: list[Any], end: int = 200) -> Answering:
    """Answer a list, then one watch, then fail."""
    rounds = iter([listed(OBJECT, {"metadata": {"name": "poison"}, "spec": {"org": 7}}), events, failure(end)])

    def answer(_: httpx2.Request) -> httpx2.Response:
        found = next(rounds)
        if isinstance(found, httpx2.Response):
            return found
        return httpx2.Response(200, content="".join(json.dumps(event) + "\n" for event in found).encode())

    return answer


async def collected(changes: AsyncIterator[Any]) -> tuple[list[Any], Exception | None]:
    found = []
    try:
        async for change in changes:
            found.append(change)  # noqa: PERF401 - what came before the error is wanted too
    except Unavailable as error:
        return found, error
    return found, None


def test_a_watch_begins_with_what_there_is_and_tells_what_changes(runner: asyncio.Runner) -> None:
    poison = {"metadata": {"name": "poison", "resourceVersion": "8"}, "spec": {}}
    events = [
        {"type": "MODIFIED", "object": OBJECT},
        {"type": "ADDED", "object": poison},
        {"type": "DELETED", "object": poison},
        {"type": "BOOKMARK", "object": poison},
    ]
    api = Api(watch_answer(events, 500))
    found, error = runner.run(collected(KubeCluster(api.client()).watch()))
    first, *rest = found
    assert isinstance(first, Listed)
    assert first.names == {"acme-shop-dev", "poison"}
    assert [app.metadata.name for app in first.apps] == ["acme-shop-dev"]
    assert [type(change) for change in rest] == [Seen, Gone]
    assert isinstance(error, Unavailable)
    assert api.requests[1].url.params["resourceVersion"] == "42"
    assert api.requests[1].url.params["timeoutSeconds"] == "300"


def test_a_version_that_is_too_old_ends_the_watch(runner: asyncio.Runner) -> None:
    """F30: who follows then begins with a fresh list."""
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
    found, error = runner.run(collected(KubeCluster(Api(watch_answer([gone])).client()).watch()))
    assert len(found) == 1
    assert "410" in str(error)


def test_a_watch_that_says_nothing_for_too_long_is_begun_anew(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F30: silently stalled."""
    monkeypatch.setattr("kilter.server.cluster.STALLED_SECONDS", 0.01)

    class Silence(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            await asyncio.sleep(60)
            yield b""

    rounds = iter([listed(OBJECT), httpx2.Response(200, stream=Silence()), listed(), failure(500)])
    found, _ = runner.run(collected(KubeCluster(Api(lambda _: next(rounds)).client()).watch()))
    assert [len(change.names) for change in found] == [1, 0]


def pod(name: str, *containers: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": each} for each in containers]}}


QUERY = LogQuery("acme-shop-dev", (("kilter.dev/app", "shop"),), lines=5, since=60, follow=False)


def test_lines_come_from_the_main_container_of_every_pod(runner: asyncio.Runner) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pods"):
            return listed(pod("shop-2", "app"), pod("shop-1", "app", "sidecar"))
        name = request.url.path.split("/")[-2]
        return failure(400, "ContainerCreating") if name == "shop-2" else httpx2.Response(200, text="one\ntwo\n")

    async def story() -> list[str]:
        return [line async for line in KubeCluster(api.client()).logs(QUERY)]

    api = Api(answer)
    assert runner.run(story()) == ["shop-1 one", "shop-1 two"]
    listing, log, _ = api.requests
    assert listing.url.params["labelSelector"] == "kilter.dev/app=shop"
    asked = dict(log.url.params)
    assert (asked["container"], asked["sinceSeconds"], asked["tailLines"], asked["follow"]) == (
        "app",
        "60",
        "5",
        "false",
    )


def test_lines_are_followed_across_pods_that_come_and_slow_readers_lose_some(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7, DP-Q45."""
    monkeypatch.setattr(podlogs, "LOOK_AGAIN", 0.01)
    monkeypatch.setattr(podlogs, "QUEUE", 2)
    looks = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal looks
        if request.url.path.endswith("/pods"):
            looks += 1
            return listed(*[pod(f"shop-{number}", "app") for number in range(1, min(looks, 2) + 1)])
        return httpx2.Response(200, text="a\nb\nc\nd\n")

    async def story() -> list[str]:
        found: list[str] = []
        lines = KubeCluster(Api(answer).client()).logs(FOLLOW)
        async for line in lines:
            found.append(line)
            if len(found) == 6:
                break
        await lines.aclose()  # type: ignore[attr-defined]
        return found

    found = runner.run(story())
    assert {line.split()[0] for line in found if line.startswith("shop")} == {"shop-1", "shop-2"}
    assert any("lines were dropped" in line for line in found)


def test_a_pod_that_has_not_started_is_asked_again_and_a_lost_one_taken_up(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs, "LOOK_AGAIN", 0.01)
    asked = list[str]()

    class Broken(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"one\n"
            raise httpx2.ReadError("reset")

    answers = iter([failure(400, "ContainerCreating"), httpx2.Response(200, stream=Broken()), None])

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pods"):
            return listed(pod("shop-1", "app"))
        asked.append(request.url.params["tailLines"])
        return next(answers, None) or httpx2.Response(200, text="two\n")

    async def story() -> list[str]:
        lines = KubeCluster(Api(answer).client()).logs(FOLLOW)
        return [await anext(lines) for _ in range(3)]

    found = runner.run(story())
    assert found == ["shop-1 one", "shop-1 (the connection was lost and is made anew)", "shop-1 two"]
    assert asked == ["5", "5", "0"]


FOLLOW = LogQuery("acme-shop-dev", (("kilter.dev/app", "shop"),), lines=5, since=None, follow=True)


def test_without_a_pod_or_a_kubeconfig_there_is_no_cluster_and_never_the_users_own(tmp_path: Path) -> None:
    """C11."""
    home = tmp_path / "home/.kube"
    home.mkdir(parents=True)
    (home / "config").write_text("apiVersion: v1\nkind: Config\n")
    with pytest.raises(BadInput, match="finds no cluster"):
        connect(None)
    with pytest.raises(BadInput, match="finds no cluster"):
        connect(tmp_path / "missing")
