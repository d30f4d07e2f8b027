"""Many writers on one branch: everybody's work is there in the end, and the history only grows."""

import random
import threading
import time
from pathlib import Path

import pytest
from harness.repository import FENCE, Open, Repository, Serving, change

from kilter.gitops.model import Receipt, Result
from kilter.gitops.remote import Remote
from kilter.gitops.writer import Writer
from kilter.proc import SubprocessRunner


@pytest.mark.requirement("F31")
def test_f31_twenty_writers_that_push_at_once_make_twenty_commits(repository: Repository, tmp_path: Path) -> None:
    """They share one fence, so that nothing but Git itself keeps them apart."""
    writers = [
        Writer(SubprocessRunner(), Remote(repository.url), tmp_path / f"w{number}", FENCE) for number in range(20)
    ]
    for opened in writers:
        opened.open()
    assert len(repository.commits()) == 1
    futures = [opened.submit(change(f"app{number}")) for number, opened in enumerate(writers)]
    began = time.monotonic()
    threads = [threading.Thread(target=opened.flush) for opened in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 60
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
    while number < 8 or len(theirs) < 4:
        number += 1
        futures = [opened.submit(change(app, f"a: {number}\n")) for app in ("one", "two", "three")]
        opened.flush()
        receipts += [future.result(0) for future in futures]
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
