"""A watch that comes to nothing is made again, later each time; a real API server is asked in the conformance tests."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2
import msgspec
import pytest

from kilter.operator import kinds
from kilter.operator.store import Store
from kilter.operator.watch import Limits, Rewound, Source, Watch

GONE = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old", "metadata": {}}}
NEWS = {"type": "ADDED", "object": {"metadata": {"name": "a", "namespace": "b", "resourceVersion": "8"}}}
NOTHING = {"metadata": {"resourceVersion": "7"}, "items": []}
ENOUGH = 6  # lists


@dataclass(frozen=True)
class Counted(Limits):
    """Notes after how many failures it was asked to wait, and waits for nothing."""

    asked: list[int] = field(default_factory=list)

    def wait(self, failures: int) -> float:
        self.asked.append(failures)
        return 0.0


def watched(answer: Callable[[], httpx2.Response]) -> list[int]:
    """What a watch waits for whose lists go well, and whose streams are answered so."""
    lists = 0

    def serve(request: httpx2.Request) -> httpx2.Response:
        nonlocal lists
        if "watch" in request.url.params:
            return answer()
        lists += 1
        if lists > ENOUGH:
            raise asyncio.CancelledError
        return httpx2.Response(200, json={"metadata": {"resourceVersion": "8"}, "items": []})

    limits = Counted()

    async def main() -> None:
        async with httpx2.AsyncClient(base_url="https://api", transport=httpx2.MockTransport(serve)) as client:
            source = Source(kinds.POD, msgspec.json.decode)
            await Watch(client, source, Store(), lambda _: None, limits).run()

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    return limits.asked


def lines(*events: object) -> httpx2.Response:
    return httpx2.Response(200, content="".join(json.dumps(event) + "\n" for event in events))


@pytest.mark.requirement("F30")
def test_a_server_that_forgets_every_version_at_once_is_asked_later_each_time() -> None:
    assert watched(lambda: lines(GONE)) == [1, 2, 3, 4, 5]


@pytest.mark.requirement("F30")
def test_a_version_that_gets_too_old_after_events_is_answered_by_a_list_at_once() -> None:
    assert watched(lambda: lines(NEWS, GONE)) == []


@pytest.mark.requirement("F30")
def test_a_server_that_lists_and_refuses_to_watch_is_asked_later_each_time() -> None:
    assert watched(lambda: httpx2.Response(500, json={"message": "no room"})) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("dispensable", [True, False])
def test_a_kind_that_an_older_chart_gives_no_right_to_keeps_nobody_from_leading(dispensable: bool) -> None:
    """Of any other, a leader that knows nothing would take everything for lost."""
    said = "statefulsets.apps is forbidden"
    answers = iter([httpx2.Response(403, json={"message": said}), httpx2.Response(200, json=NOTHING)])
    seen: list[tuple[bool, str]] = []

    def serve(request: httpx2.Request) -> httpx2.Response:
        seen.append((watch.synced.is_set(), store.refused))
        if "watch" in request.url.params:
            raise asyncio.CancelledError
        return next(answers)

    store: Store[object] = Store()
    client = httpx2.AsyncClient(base_url="https://api", transport=httpx2.MockTransport(serve))
    source = Source(kinds.STATEFUL_SET, msgspec.json.decode, dispensable=dispensable)
    watch = Watch(client, source, store, lambda _: None, Counted())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(watch.run())
    assert seen == [(False, ""), (dispensable, said if dispensable else ""), (True, "")]


@pytest.mark.requirement("F30")
def test_a_server_that_came_back_from_a_backup_ends_the_watch_for_a_fresh_start() -> None:
    """What was seen since would hide all that comes until the server has counted as far again."""
    versions = iter(("900", "600"))

    def serve(request: httpx2.Request) -> httpx2.Response:
        if "watch" in request.url.params:
            return lines(GONE)
        metadata = {"name": "a", "namespace": "b", "resourceVersion": "500"}
        return httpx2.Response(
            200, json={"metadata": {"resourceVersion": next(versions)}, "items": [{"metadata": metadata}]}
        )

    async def main() -> None:
        async with httpx2.AsyncClient(base_url="https://api", transport=httpx2.MockTransport(serve)) as client:
            source = Source(kinds.POD, msgspec.json.decode)
            await Watch(client, source, Store(), lambda _: None, Counted()).run()

    with pytest.raises(Rewound, match="pods are as they were before") as raised:
        asyncio.run(main())
    assert raised.value.why == "it is at version 600 and was at 900: it came back from a backup"
