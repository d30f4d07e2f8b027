"""The loop ends when it is told to, whatever happens in the same moment."""

import asyncio
import time

import pytest

from kilter.operator.loop import Loop
from kilter.operator.metrics import Metrics


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
