"""Many writers on one branch: everybody's work is there in the end, and the history only grows."""

import random
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from harness.repository import FENCE, Meddling, Open, Repository, Serving, change

from kilter.gitops.model import Receipt, Result, Unpublished
from kilter.gitops.publisher import REFUSALS, Limits
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner


@pytest.mark.requirement("F31")
def test_f31_twenty_writers_that_push_at_once_make_twenty_commits(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share one fence, so that nothing but Git itself keeps them apart; and no machine is too slow for them."""
    monkeypatch.setattr("kilter.gitops.writer.Limits", partial(Limits, patience=900.0))
    writers = [
        Writer(SubprocessRunner(), Remote(repository.url), tmp_path / f"w{number}", FENCE) for number in range(20)
    ]
    for opened in writers:
        opened.open()
    assert len(repository.commits()) == 1
    futures = [opened.submit(change(f"app{number}")) for number, opened in enumerate(writers)]
    threads = [threading.Thread(target=opened.flush) for opened in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {future.result(0).result for future in futures} == {Result.PUBLISHED}
    assert len(repository.commits()) == 21
    assert {future.result(0).commit for future in futures} == set(repository.commits()[:-1])
    assert len(repository.names("apps/")) == 60
    assert repository.is_sound()
    for opened in writers:
        opened.close()


@pytest.mark.requirement("F31")
def test_writing_beside_people_who_push_by_hand_loses_nothing_of_theirs(
    repository: Repository, service: Serving, writer: Open
) -> None:
    opened = writer(remote=service.remote())
    theirs: list[str] = []
    over = threading.Event()

    def person(name: str) -> None:
        count = 0
        while not over.is_set():
            try:
                theirs.append(repository.by_hand({f"people/{name}/{count}": "x\n"}))
                count += 1
            except AssertionError:
                pass  # somebody else was faster; by_hand begins again from the new head
            time.sleep(random.uniform(0.1, 0.5))  # noqa: S311

    people = [threading.Thread(target=person, args=(name,)) for name in ("ann", "bob")]
    for thread in people:
        thread.start()
    receipts: list[Receipt] = []
    number = 0
    try:
        while number < 8 or len(theirs) < 4:
            assert all(thread.is_alive() for thread in people)
            number += 1
            futures = [opened.submit(change(app, f"a: {number}\n")) for app in ("one", "two", "three")]
            opened.flush()
            receipts += [future.result(0) for future in futures]
    finally:
        over.set()
        for thread in people:
            thread.join()
    files, commits = repository.files(), repository.commits()
    assert {receipt.result for receipt in receipts} == {Result.PUBLISHED}
    assert {receipt.commit for receipt in receipts} | set(theirs) < set(commits)
    assert len(commits) == 1 + number + len(theirs)
    assert sum(path.startswith("people/") for path in files) == len(theirs) > 0
    assert {files[f"apps/acme/{app}/prod/configmap-a.yaml"] for app in ("one", "two", "three")} == {f"a: {number}\n"}
    assert any(receipt.others for receipt in receipts)
    assert repository.is_sound()


@pytest.fixture
def held_lock(repository: Repository, writer: Open) -> Path:
    """The lock that a push holds while it writes to the branch, or that one which was cut off has left."""
    writer(folder="before").close()
    lock = repository.path / "refs/heads/main.lock"
    lock.touch()
    return lock


@pytest.mark.requirement("F31")
def test_a_push_that_meets_another_one_at_work_goes_on_until_that_has_ended(
    repository: Repository, writer: Open, held_lock: Path
) -> None:
    """However often: that is nobody's will, as a server's rules are."""
    runner = Meddling()

    def end() -> None:
        if runner.pushes() > 2 * REFUSALS:
            held_lock.unlink(missing_ok=True)

    runner.before["push"] = end
    opened = writer(runner=runner)
    future = opened.submit(change())
    opened.flush()
    assert future.result(0).result is Result.PUBLISHED
    assert future.result(0).commit == repository.commits()[0]
    assert runner.pushes() > 2 * REFUSALS


def test_a_lock_that_stays_is_said_to_be_what_keeps_the_commit_out(
    repository: Repository, writer: Open, held_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kilter.gitops.writer.Limits", partial(Limits, patience=0.1))
    runner = Meddling()
    opened = writer(runner=runner)
    before = repository.commits()
    future = opened.submit(change())
    opened.flush()
    with pytest.raises(Unpublished, match="as if another push were under way") as caught:
        future.result(0)
    assert "failed to update ref" in caught.value.why
    assert "rules" not in caught.value.hint
    assert repository.commits() == before
