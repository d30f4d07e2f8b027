"""Who waits for an acceptance goes first, but not for ever."""

import asyncio

from kilter.server.rush import GIVEN_WAY, Rush


async def begun(rush: Rush) -> "asyncio.Task[None]":
    """Begin to wait for the end of a rush, and let everything else go on for a while."""
    task = asyncio.ensure_future(rush.over())
    await others()
    return task


async def others() -> None:
    """Let everything else go on, as far as it can at this moment."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_nobody_is_waited_for_where_nobody_waits() -> None:
    async def story() -> None:
        rush = Rush()
        for _ in range(2):
            assert (await begun(rush)).done()
            with rush.waiting():
                pass

    asyncio.run(story())


def test_the_last_of_those_who_wait_ends_a_rush_however_it_goes_with_them() -> None:
    async def story() -> None:
        rush = Rush()
        first, second = rush.waiting(), rush.waiting()
        first.__enter__()
        second.__enter__()
        task = await begun(rush)
        first.__exit__(ValueError, ValueError(), None)
        await others()
        assert not task.done()
        second.__exit__(None, None, None)
        await others()
        assert task.done()  # at once, and not when a rush that lasts would be over

    asyncio.run(story())


def test_a_rush_that_lasts_keeps_nobody_back() -> None:
    async def story() -> None:
        now = [100.0]
        rush = Rush(lambda: now[0])
        with rush.waiting():
            waits = await begun(rush)
            now[0] += GIVEN_WAY
            with rush.waiting():  # another one does not make it new
                assert (await begun(rush)).done()
            waits.cancel()
        now[0] += 60
        with rush.waiting():
            task = await begun(rush)
            assert not task.done()  # this one is new
        await task

    asyncio.run(story())


def test_who_waits_for_the_end_of_a_rush_waits_for_no_more_than_was_left_of_it() -> None:
    async def story() -> None:
        now = [100.0]
        rush = Rush(lambda: now[0])
        with rush.waiting():
            now[0] += GIVEN_WAY - 0.001
            async with asyncio.timeout(30):
                await rush.over()

    asyncio.run(story())
