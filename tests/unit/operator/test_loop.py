"""What the loop does with looks that fail, and that it ends when it is told to, whatever happens in the same moment."""

import asyncio
import time

import pytest

from kilter.operator.kube import KubeError
from kilter.operator.lease import Deposed, Lapsed
from kilter.operator.loop import Loop
from kilter.operator.metrics import Metrics
from kilter.operator.reconcile import Again


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.requirement("F26")
@pytest.mark.parametrize("later", range(4))
def test_a_loop_that_is_cancelled_as_work_comes_in_ends_all_the_same(later: int) -> None:
    async def main() -> None:
        loop = Loop(2, Metrics())
        loop.queue.add_after("acme-shop-prod", 60.0, time.monotonic())
        task = asyncio.create_task(loop.run())
        await turns(10)
        loop._wake.set()
        await turns(later)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=5)
        assert done == {task}

    asyncio.run(main())


@pytest.mark.requirement("O3")
@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (Lapsed("late"), "WARNING", "a look was broken off: the lease was not renewed in time"),
        (KubeError(0, "", "refused"), "WARNING", "the API server is out of reach: refused"),
        (ValueError("canary"), "ERROR", "a look at a KilterApp failed"),
    ],
)
def test_a_look_that_fails_is_told_of_and_tried_again(
    error: Exception, level: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    def look(_: str) -> Again:
        raise error

    assert Loop(1, Metrics(), look)._look("acme-shop-dev") == Again(failed=True)
    assert [(each.levelname, each.message) for each in caplog.records] == [(level, said)]


@pytest.mark.requirement("F26")
def test_who_was_deposed_looks_at_nothing_more() -> None:
    def look(_: str) -> Again:
        raise Deposed("a later leader writes")

    async def main() -> None:
        loop = Loop(2, Metrics(), look)
        loop.add_all(["one", "two", "three"])
        async with asyncio.timeout(5):
            with pytest.raises(ExceptionGroup) as caught:
                await loop.run()
        assert caught.group_contains(Deposed)

    asyncio.run(main())


def test_what_comes_while_all_wait_is_looked_at_and_again_when_it_asks_for_that() -> None:
    async def main() -> None:
        turning, seen, enough = asyncio.get_running_loop(), list[str](), asyncio.Event()

        def look(key: str) -> Again:
            seen.append(key)
            if len(seen) == 3:
                turning.call_soon_threadsafe(enough.set)
            return Again(0.0 if seen == ["late"] else None)

        loop = Loop(1, Metrics(), look)
        working = turning.create_task(loop.run())
        for _ in range(5):
            await asyncio.sleep(0)
        loop.add("late")
        loop.add_all(["routine"])
        async with asyncio.timeout(5):
            await enough.wait()
        assert sorted(seen) == ["late", "late", "routine"]
        working.cancel()
        await asyncio.wait({working})

    asyncio.run(main())


def test_what_failed_counts_until_it_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    loop = Loop(1, Metrics())
    for failures in (1, 2):
        loop._account("shop", Again(failed=True), 5.0)
        assert loop.queue.failures("shop") == failures
    loop._account("shop", Again(), 5.0)
    assert loop.queue.failures("shop") == 0
    assert caplog.text == ""
    loop._account("shop", Again(), 5.1)
    assert caplog.messages == ["a look took long"]
