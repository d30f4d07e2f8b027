"""The cluster through lightkube, against an API server made of answers: what is asked, what is made of answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from lightkube import AsyncClient
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User
from unit.server.orders import SHOP, reported, spec

from kilter.api.kilterapp import Spec
from kilter.errors import BadInput
from kilter.server import podlogs
from kilter.server.cluster import WATCH_SECONDS, KubeCluster, connect
from kilter.server.follow import AGAIN
from kilter.server.lines import split
from kilter.server.refusals import Unavailable
from kilter.server.seams import Alive, Conflict, Gone, Listed, LogQuery, Seen

Answering = Callable[[httpx2.Request], httpx2.Response]
OBJECT = msgspec.to_builtins(reported("acme-shop-dev", SHOP, "dep-1", 1, "Ready"))
UID = "5f8d7c1e-0000-4000-8000-000000000001"
OBJECT["metadata"] |= {"uid": UID, "resourceVersion": "7", "managedFields": [{"manager": "kilter-server"}]}


class Api:
    """Answers requests and keeps them."""

    def __init__(self, answer: Answering) -> None:
        self.answer, self.requests = answer, list[httpx2.Request]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return self.answer(request)

    def cluster(self) -> KubeCluster:
        CLIENTS.current = self
        return KubeCluster(CLIENTS.shared, CLIENTS.streams)


class Clients:
    """The clients of all tests, because making them costs more than all of these."""

    current: Api

    def __init__(self) -> None:
        user = User(token="t")  # lightkube trips over a server without one
        config = KubeConfig.from_one(cluster=Cluster(server="https://10.0.0.1"), user=user, context_name="x").get()
        transport = httpx2.MockTransport(self._answer)
        self.shared = AsyncClient(config=config, transport=transport, trust_env=False)
        self.streams = httpx2.AsyncClient(base_url="https://10.0.0.1", transport=transport)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        return self.current(request)


CLIENTS = Clients()


def failure(code: int, message: str = "no") -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "status": "Failure", "code": code, "message": message})


def listed(*items: Any) -> httpx2.Response:
    return httpx2.Response(200, json={"metadata": {"resourceVersion": "42"}, "items": list(items)})


def test_a_spec_is_applied_as_the_server_and_never_by_force(runner: asyncio.Runner) -> None:
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    runner.run(api.cluster().apply("acme-shop-dev", spec(public=False)))
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
    [*[(code, Conflict) for code in (400, 403, 409, 413, 422)], *[(code, Unavailable) for code in (404, 429, 500)]],
)
def test_a_refused_write_is_a_conflict_and_a_failing_server_is_away(
    runner: asyncio.Runner, code: int, kind: type[Exception]
) -> None:
    api = Api(lambda _: failure(code, "spec.sequence: a lower sequence never overwrites a higher one"))
    with pytest.raises(kind):
        runner.run(api.cluster().apply("x", spec()))


@pytest.mark.parametrize(
    "message",
    [
        "etcdserver: request is too large",
        "rpc error: trying to send message larger than max (2097162 vs. 2097152)",
        "failed to create typed patch object (kilter-apps/x): .spec.services: duplicate entries for key",
    ],
)
def test_what_will_never_be_taken_is_refused_for_good(runner: asyncio.Runner, message: str) -> None:
    """The API server calls it a failure of its own: etcd has no room for it, or two entries have one key."""
    with pytest.raises(Conflict, match=message.partition("(")[0]):
        runner.run(Api(lambda _: failure(500, message)).cluster().apply("x", spec()))


@pytest.mark.parametrize(
    ("code", "kind"),
    [*[(code, Conflict) for code in (400, 403, 422)], *[(code, Unavailable) for code in (409, 429, 500)]],
)
def test_a_refused_delete_is_a_conflict_unless_it_only_met_another_write(
    runner: asyncio.Runner, code: int, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        runner.run(Api(lambda _: failure(code)).cluster().delete("x", spec()))


def test_a_server_that_cannot_be_reached_is_unavailable(runner: asyncio.Runner) -> None:
    def down(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("connection refused")

    with pytest.raises(Unavailable, match="ConnectError"):
        runner.run(Api(down).cluster().exists("x"))


def test_an_object_exists_also_when_it_cannot_be_read(runner: asyncio.Runner) -> None:
    poison = {"metadata": {"name": "poison"}, "spec": {"org": 7}}

    def answering(found: Any) -> Api:
        return Api(lambda _: httpx2.Response(200, json=found))

    for found in (OBJECT, poison):
        assert runner.run(answering(found).cluster().exists("x"))


def test_what_does_not_exist_is_fine_to_delete(runner: asyncio.Runner) -> None:
    cluster = Api(lambda _: failure(404)).cluster()
    assert not runner.run(cluster.exists("x"))
    runner.run(cluster.delete("x", spec()))


def ended(**changes: Any) -> Spec:
    """Return the spec of a delete."""
    return msgspec.structs.replace(
        spec(), **{"sequence": 2, "database_on_delete": "drop", "class_": "protected", **changes}
    )


def test_a_delete_says_what_becomes_of_the_database_and_takes_no_other_field(runner: asyncio.Runner) -> None:
    """DP-Q25."""
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    runner.run(api.cluster().delete("acme-shop-dev", ended()))
    _, patch, delete = api.requests
    assert (patch.method, patch.headers["content-type"]) == ("PATCH", "application/merge-patch+json")
    assert json.loads(patch.content) == {
        "metadata": {"uid": UID},
        "spec": {"databaseOnDelete": "drop", "class": "protected"},
    }
    assert (delete.method, json.loads(delete.content)) == ("DELETE", {"preconditions": {"uid": UID}})


@pytest.mark.parametrize(
    ("present", "wanted", "expected"),
    [("protected", "standard", "protected"), ("ephemeral", "standard", "standard"), (None, "ephemeral", "ephemeral")],
)
def test_a_delete_never_lowers_the_class_by_which_a_database_is_kept(
    present: str | None, wanted: str, expected: str, runner: asyncio.Runner
) -> None:
    """DP-Q25: a store that was restored from a backup may know of an older class than the object has."""
    found = OBJECT | {"spec": OBJECT["spec"] | {"class": present}}
    api = Api(lambda _: httpx2.Response(200, json=found))
    runner.run(api.cluster().delete("acme-shop-dev", ended(class_=wanted)))
    assert json.loads(api.requests[1].content)["spec"]["class"] == expected


def test_a_delete_touches_nothing_that_a_later_deploy_made(runner: asyncio.Runner) -> None:
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    with pytest.raises(Conflict, match="deploy 1 of it, which is later than this delete"):
        runner.run(api.cluster().delete("acme-shop-dev", ended(sequence=0)))
    assert [request.method for request in api.requests] == ["GET"]


def test_a_delete_touches_no_other_environment_that_has_the_name_by_now(runner: asyncio.Runner) -> None:
    api = Api(lambda _: httpx2.Response(200, json=OBJECT))
    with pytest.raises(Conflict, match="has acme/shop/dev under that name by now"):
        runner.run(api.cluster().delete("acme-shop-dev", ended(org="acme-shop", app="x")))
    assert [request.method for request in api.requests] == ["GET"]


def test_an_answer_that_is_no_document_is_one_of_a_server_that_is_away(runner: asyncio.Runner) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        away = httpx2.Response(429, text="Too many requests, please try again later.")
        return away if request.method == "DELETE" else httpx2.Response(200, json=OBJECT)

    with pytest.raises(Unavailable, match="429"):
        runner.run(Api(answer).cluster().delete("acme-shop-dev", ended()))


def test_an_object_that_went_after_it_was_looked_at_is_fine_to_delete(runner: asyncio.Runner) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return failure(404) if request.method == "DELETE" else httpx2.Response(200, json=OBJECT)

    runner.run(Api(answer).cluster().delete("acme-shop-dev", ended()))


def watch_answer(*rounds: Any) -> Answering:
    """Answer a list, then watches: with events, or as told."""
    left = iter([listed(OBJECT, {"metadata": {"name": "poison"}, "spec": {"org": 7}}), *rounds])

    def answer(_: httpx2.Request) -> httpx2.Response:
        found = next(left)
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


@pytest.fixture
def _without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kilter.server.cluster.PAUSE", 0.0)


@pytest.mark.usefixtures("_without_a_pause")
def test_a_watch_begins_with_what_there_is_and_tells_what_changes(runner: asyncio.Runner) -> None:
    poison = {"metadata": {"name": "poison", "resourceVersion": "8"}, "spec": {}}
    events = [
        {"type": "MODIFIED", "object": OBJECT},
        {"type": "ADDED", "object": poison},
        {"type": "DELETED", "object": poison},
    ]
    api = Api(watch_answer(events, failure(500)))
    found, error = runner.run(collected(api.cluster().watch()))
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
    found, error = runner.run(collected(Api(watch_answer([gone])).cluster().watch()))
    assert len(found) == 1
    assert "410" in str(error)


@pytest.mark.usefixtures("_without_a_pause")
def test_what_exists_is_told_anew_after_some_minutes(runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was missed when its event came would be missed for ever."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    class Quiet(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            now[0] += WATCH_SECONDS / 2
            yield json.dumps({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "900"}}}).encode() + b"\n"

    quiet = [httpx2.Response(200, stream=Quiet()) for _ in range(2)]
    found, _ = runner.run(collected(Api(watch_answer(*quiet, listed(OBJECT), failure(500))).cluster().watch()))
    assert [type(change) for change in found] == [Listed, Alive, Alive, Listed]


@pytest.mark.usefixtures("_without_a_pause")
def test_a_watch_that_the_api_server_ends_goes_on_where_the_last_bookmark_was(runner: asyncio.Runner) -> None:
    """F30: nothing is listed anew because of it, however quiet this kind is and however busy the cluster."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "900"}}}
    api = Api(watch_answer([bookmark], [], failure(500)))
    found, _ = runner.run(collected(api.cluster().watch()))
    assert [type(change) for change in found] == [Listed, Alive]
    assert [request.url.params["resourceVersion"] for request in api.requests[1:]] == ["42", "900", "900"]
    assert {request.url.params["allowWatchBookmarks"] for request in api.requests[1:]} == {"true"}


def test_a_watch_that_says_nothing_for_longer_than_bookmarks_take_has_broken(runner: asyncio.Runner) -> None:
    """F30: silently stalled, and caught up within two minutes."""

    class Silence(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            raise httpx2.ReadTimeout("")
            yield b""

    api = Api(watch_answer(httpx2.Response(200, stream=Silence())))
    found, error = runner.run(collected(api.cluster().watch()))
    assert [type(change) for change in found] == [Listed]
    assert "ReadTimeout" in str(error)
    assert 60 < api.requests[1].extensions["timeout"]["read"] + AGAIN < 120


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
        return [line async for line in api.cluster().logs(QUERY)]

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


def one_unread(found: Callable[[], httpx2.Response], *names: str) -> Answering:
    """Answer for pods of which those of these names have no log to give."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pods"):
            return listed(*[pod(f"shop-{number}", "app") for number in (1, 2, 3)])
        return found() if request.url.path.split("/")[-2] in names else httpx2.Response(200, text="one\n")

    return answer


def silent() -> httpx2.Response:
    raise httpx2.ReadTimeout("")


@pytest.mark.parametrize(
    ("found", "why"),
    [(lambda: failure(500, "no route to host"), "the cluster answers 500"), (silent, "ReadTimeout")],
    ids=["refused", "silent"],
)
def test_a_pod_whose_node_does_not_answer_hides_no_others_log(
    runner: asyncio.Runner, found: Callable[[], httpx2.Response], why: str
) -> None:
    async def story() -> list[str]:
        return [line async for line in Api(one_unread(found, "shop-1", "shop-2")).cluster().logs(QUERY)]

    unread = [f"{name} (its log cannot be read: {why})" for name in ("shop-1", "shop-2")]
    assert runner.run(story()) == ["shop-3 one", *unread]


@pytest.mark.parametrize("found", [lambda: failure(500), silent], ids=["refused", "silent"])
def test_where_no_pods_log_can_be_read_the_cluster_is_away(
    runner: asyncio.Runner, found: Callable[[], httpx2.Response]
) -> None:
    async def story() -> list[str]:
        return [line async for line in Api(one_unread(found, "shop-1", "shop-2", "shop-3")).cluster().logs(QUERY)]

    with pytest.raises(Unavailable):
        runner.run(story())


def stamped(*texts: str, start: int = 0) -> str:
    """Write lines as the kubelet does with `timestamps`, a second apart."""
    return "".join(f"2026-01-02T03:04:{start + n:02d}.000000001Z {text}\n" for n, text in enumerate(texts))


def followed(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, count: int, answers: Callable[[int], Any]
) -> tuple[list[str], list[dict[str, str]]]:
    """Follow one pod for so many lines; returns them, and what its log was asked. Each time it is asked counts."""
    monkeypatch.setattr(podlogs, "LOOK_AGAIN", 0.001)
    asked = list[dict[str, str]]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pods"):
            return listed(pod("shop-1", "app"))
        asked.append(dict(request.url.params))
        found = answers(len(asked))
        return httpx2.Response(200, text=found) if isinstance(found, str) else found

    async def story() -> list[str]:
        async with asyncio.timeout(5), aclosing(Api(answer).cluster().logs(FOLLOW)) as lines:  # type: ignore[type-var]
            return [await anext(lines) for _ in range(count)]

    return runner.run(story()), asked


def test_lines_are_followed_across_pods_that_come_and_slow_readers_lose_some(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7, DP-Q45."""
    monkeypatch.setattr(podlogs, "LOOK_AGAIN", 0.001)
    monkeypatch.setattr(podlogs, "QUEUE", 2)
    looks = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal looks
        if request.url.path.endswith("/pods"):
            looks += 1
            return listed(*[pod(f"shop-{number}", "app") for number in range(1, min(looks, 2) + 1)])
        return httpx2.Response(200, text=stamped("a", "b", "c", "d"))

    async def story() -> list[str]:
        async with asyncio.timeout(5), aclosing(Api(answer).cluster().logs(FOLLOW)) as lines:  # type: ignore[type-var]
            return [await anext(lines) for _ in range(5)]

    found = runner.run(story())
    assert {line.split()[0] for line in found if line.startswith("shop")} == {"shop-1", "shop-2"}
    assert any(" dropped: " in line for line in found)


def test_a_reader_who_is_slow_costs_no_more_memory_than_is_said(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs, "HELD", 100)
    found, _ = followed(runner, monkeypatch, 2, lambda _: stamped("x" * 60, "y" * 60, "z" * 60))
    assert found == ["(2 lines dropped: more came than were read)", f"shop-1 {'x' * 60}"]


def test_a_pod_that_has_not_started_is_asked_again_and_a_lost_one_taken_up_where_it_was(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield stamped("one").encode()
            raise httpx2.ReadError("reset")

    answers = [failure(400, "ContainerCreating"), httpx2.Response(200, stream=Broken())]
    found, asked = followed(
        runner, monkeypatch, 3, lambda turn: answers[turn - 1] if turn < 3 else stamped("one", "two")
    )
    assert found == ["shop-1 one", "shop-1 (the connection was lost and is made anew)", "shop-1 two"]
    assert [each.get("tailLines") for each in asked[:3]] == ["5", "5", None]
    assert asked[2]["sinceTime"] == "2026-01-02T03:04:00.000000001Z"


def test_a_container_that_starts_anew_is_followed_on_and_no_line_comes_twice(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7: its stream ends without an error, and while it rests its log can be read again."""

    def answers(turn: int) -> str:
        return stamped("crash") if turn < 3 else stamped("start", "ready", start=7)

    found, asked = followed(runner, monkeypatch, 3, answers)
    assert found == ["shop-1 crash", "shop-1 start", "shop-1 ready"]
    assert {each["timestamps"] for each in asked} == {"true"}


def test_what_the_node_itself_says_in_a_log_is_passed_on_once(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(turn: int) -> str:
        return "unable to retrieve container logs\n" if turn < 3 else stamped("start")

    found, _ = followed(runner, monkeypatch, 2, answers)
    assert found == ["shop-1 unable to retrieve container logs", "shop-1 start"]


def test_a_pod_whose_log_cannot_be_followed_says_so_once_and_goes_on_where_it_can(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As without `follow`: whoever watches an app would take a node that is down for an app that is silent."""
    answers = [failure(400, "ContainerCreating"), *[failure(500, "no route to host")] * 3, stamped("one")]
    found, _ = followed(
        runner, monkeypatch, 3, lambda turn: answers[turn - 1] if turn < 6 else failure(500, "no route to host")
    )
    unread = "shop-1 (its log cannot be read: the cluster answers 500; it is asked again)"
    assert found == [unread, "shop-1 one", unread]


def test_a_pod_that_is_over_is_read_once(runner: asyncio.Runner) -> None:
    looks = asked = 0

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal looks, asked
        if request.url.path.endswith("/pods"):
            looks += 1
            return listed({**pod("shop-1", "app"), "status": {"phase": "Succeeded"}})
        asked += 1
        return httpx2.Response(200, text=stamped("done"))

    async def story() -> None:
        cluster = Api(answer).cluster()
        pods = podlogs.Followed(podlogs.Api(cluster._client, cluster._streams), FOLLOW)
        await pods.look()
        assert await pods.take() == "shop-1 done"
        for _ in range(3):
            await pods.look()
        pods.end()

    runner.run(story())
    assert (looks, asked) == (4, 1)


def crowd(request: httpx2.Request) -> httpx2.Response:
    """Answer for three pods of which one has ended."""
    if request.url.path.endswith("/pods"):
        over = {**pod("shop-1", "app"), "status": {"phase": "Succeeded"}}
        return listed(over, pod("shop-2", "app"), pod("shop-3", "app"))
    return httpx2.Response(200, text=stamped("here"))


def test_where_pods_are_too_many_those_that_ended_are_left_out_and_it_says_so(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs, "PODS", 2)

    async def story() -> list[str]:
        return [line async for line in Api(crowd).cluster().logs(QUERY)]

    *lines, last = runner.run(story())
    assert [line.split()[0] for line in lines] == ["shop-2", "shop-3"]
    assert last == "(2 of 3 pods are read, those that run first: name a process)"


def test_that_pods_are_left_out_is_told_once_while_others_are_followed(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs, "PODS", 2)

    async def story() -> list[str]:
        cluster = Api(crowd).cluster()
        pods = podlogs.Followed(podlogs.Api(cluster._client, cluster._streams), FOLLOW)
        for _ in range(3):
            await pods.look()
        found = [await pods.take() for _ in range(3)]
        assert pods._queue.empty()
        pods.end()
        return found

    async def limited() -> list[str]:
        async with asyncio.timeout(5):
            return await story()

    found = runner.run(limited())
    assert sorted(found) == [
        "(2 of 3 pods are read, those that run first: name a process)",
        "shop-2 here",
        "shop-3 here",
    ]


class Endless(httpx2.AsyncByteStream):
    """A line without an end, in pieces; counts what was taken."""

    taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(64):
            Endless.taken += 1
            yield b"x" * 1024 if Endless.taken > 1 else stamped("x").strip().encode()
        yield b"\n" + stamped("after", start=9).encode()


def test_of_a_line_without_an_end_the_beginning_is_passed_on_and_its_length_told(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L7."""
    found, _ = followed(runner, monkeypatch, 2, lambda _: httpx2.Response(200, stream=Endless()))
    assert found == [f"shop-1 {'x' * 16384} … ({63 * 1024 + 1} bytes)", "shop-1 after"]


def test_no_more_of_a_line_is_kept_than_is_passed_on(runner: asyncio.Runner) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"ab"
        yield b"\n\nc"

    async def story() -> list[tuple[bytes, int]]:
        return [each async for each in split(pieces(), 5)]

    assert runner.run(story()) == [(b"ababa", 20), (b"", 0), (b"c", 1)]


def test_a_log_that_is_longer_than_is_read_at_once_says_where_it_was_cut(
    runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podlogs, "LOG", 1 << 20)
    asked = list[str]()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/pods"):
            return listed(pod("shop-1", "app"), pod("shop-2", "app"))
        asked.append(request.url.params["limitBytes"])
        return httpx2.Response(200, text="whole\n" if "shop-2" in request.url.path else ("y" * 1023 + "\n") * 1024)

    async def story() -> list[str]:
        return [line async for line in Api(answer).cluster().logs(QUERY)]

    *_, cut, whole = runner.run(story())
    assert cut == "shop-1 (cut after 1 MiB: ask for fewer lines, or for younger ones)"
    assert whole == "shop-2 whole"
    assert asked == [str(1 << 20)] * 2


def test_logs_have_connections_of_their_own_as_many_as_there_are_streams(tmp_path: Path) -> None:
    """F30: who follows logs keeps nobody from deploying."""
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    users = [{"name": "a", "user": {"token": "x"}}]
    found = {"current-context": "a", "contexts": [context], "clusters": [cluster], "users": users}
    file = tmp_path / "config"
    file.write_text(json.dumps(found))
    made = connect(file)
    assert made._streams is not made._client._client._client
    assert made._streams._transport._pool._max_connections > 10**6  # type: ignore[attr-defined]


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
