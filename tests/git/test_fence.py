"""Only the latest leader writes: the number is checked where the write lands."""

import threading
from pathlib import Path

import pytest
from harness.repository import FENCE, Meddling, Open, Repository, change

from kilter.errors import KilterError
from kilter.gitops.model import Deposed, Fence, Result, Unpublished
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner

LATER = Fence(2, "operator-b")


@pytest.mark.requirement("F26")
def test_a_deposed_leader_writes_nothing_any_more(repository: Repository, writer: Open) -> None:
    old = writer()
    new = writer(LATER)
    futures = [old.submit(change("one")), old.submit(change("two"))]
    old.flush()
    for future in futures:
        with pytest.raises(Deposed, match=r"leader 1 \(operator-a\) may not write any more") as caught:
            future.result(0)
    assert caught.value.why == ".kilter/leader names leader 2 (operator-b)"
    with pytest.raises(Deposed):
        old.submit(change())
    published = new.submit(change())
    new.flush()
    assert published.result(0).result is Result.PUBLISHED
    assert len(repository.commits()) == 3
    assert repository.names("apps/acme/one") == []


@pytest.mark.requirement("F26")
def test_a_leader_that_slept_between_commit_and_push_is_refused_by_git(repository: Repository, writer: Open) -> None:
    runner = Meddling()
    old = writer(runner=runner)

    def meanwhile() -> None:
        runner.before.clear()
        writer(LATER)

    runner.before["push"] = meanwhile
    future = old.submit(change())
    old.flush()
    with pytest.raises(Deposed):
        future.result(0)
    assert repository.names("apps/") == []
    assert repository.message().startswith("Take over as leader 2")


@pytest.mark.requirement("F26")
def test_a_deposed_leader_may_not_even_say_that_nothing_changed(repository: Repository, writer: Open) -> None:
    old = writer()
    old.submit(change())
    old.flush()
    writer(LATER)
    future = old.submit(change())
    old.flush()
    with pytest.raises(Deposed):
        future.result(0)


def test_an_earlier_leader_cannot_take_over_from_a_later_one(repository: Repository, writer: Open) -> None:
    writer(LATER)
    for fence in (FENCE, Fence(2, "operator-c")):
        with pytest.raises(Deposed):
            writer(fence)
    assert len(repository.commits()) == 1


@pytest.mark.requirement("F26")
def test_of_leaders_that_claim_at_once_the_latest_stays(repository: Repository, tmp_path: Path) -> None:
    writers = [
        Writer(SubprocessRunner(), Remote(repository.url), tmp_path / str(number), Fence(number, "x"))
        for number in range(6)
    ]
    ended: list[KilterError] = []

    def claim(opened: Writer) -> None:
        try:
            opened.open()
        except KilterError as error:
            ended.append(error)

    threads = [threading.Thread(target=claim, args=(opened,)) for opened in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {type(error) for error in ended} <= {Deposed}
    for opened in writers[:-1]:
        try:
            future = opened.submit(change())
            opened.flush()
        except KilterError:
            continue  # it never became leader
        with pytest.raises(Deposed):
            future.result(0)
    last = writers[-1].submit(change())
    writers[-1].flush()
    assert last.result(0).result is Result.PUBLISHED
    for opened in writers:
        opened.close()


@pytest.mark.parametrize("text", [None, "{}", '{"number": 0, "holder": "x"}'])
def test_a_leader_whose_mark_somebody_changed_stops(repository: Repository, writer: Open, text: str | None) -> None:
    opened = writer()
    repository.by_hand({".kilter/leader": text})
    future = opened.submit(change("other", "a: 5\n"))
    opened.flush()
    with pytest.raises(Deposed):
        future.result(0)


def test_a_mark_that_cannot_be_read_needs_a_person(repository: Repository, writer: Open) -> None:
    writer()
    repository.by_hand({".kilter/leader": "leader: me\n"})
    with pytest.raises(Unpublished) as caught:
        writer(LATER)
    assert "not as kilter writes it" in caught.value.what
    repository.by_hand({".kilter/leader": None})
    writer(LATER)
