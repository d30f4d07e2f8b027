"""How many read logs at once: of one, of all, and of those who stay."""

from contextlib import ExitStack, suppress

import pytest

from kilter.server.readers import FOLLOWED, OF_ACTOR, OF_ALL, Readers


def let_in(readers: Readers, stack: ExitStack, *actors: str, follow: bool = False) -> int:
    """Let in as many of these as there is room for, and return how many they are."""
    count = 0
    for actor in actors:
        if readers.has_room(actor, follow=follow):
            stack.enter_context(readers.reading(actor, follow=follow))
            count += 1
    return count


def each_another(count: int) -> list[str]:
    return [f"actor {number}" for number in range(count)]


@pytest.mark.parametrize("follow", [True, False])
def test_one_actor_has_a_share_and_has_it_again_when_it_is_done(follow: bool) -> None:
    readers = Readers()
    for _ in range(2):
        with ExitStack() as stack:
            assert let_in(readers, stack, *["ann"] * (OF_ACTOR + 1), follow=follow) == OF_ACTOR
            assert let_in(readers, stack, "bob", follow=follow) == 1


def test_of_all_who_read_some_may_stay_and_the_others_have_room_all_the_same() -> None:
    readers = Readers()
    for _ in range(2):
        with ExitStack() as stack:
            assert let_in(readers, stack, *each_another(OF_ALL), follow=True) == FOLLOWED
            assert let_in(readers, stack, *each_another(OF_ALL)) == OF_ALL - FOLLOWED


def test_who_is_done_makes_room_for_one_however_it_ended() -> None:
    readers = Readers()
    with ExitStack() as stack:
        let_in(readers, stack, *["ann"] * (OF_ACTOR - 1))
        for _ in range(3):
            with suppress(OSError), readers.reading("ann", follow=True):
                assert not readers.has_room("ann", follow=True)
                raise OSError("the connection was cut")
            assert readers.has_room("ann", follow=True)
        assert let_in(readers, stack, *["ann"] * 3) == 1
