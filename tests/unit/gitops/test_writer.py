"""Who is answered what by the one writer, and when; what it does in a repository is asked of a real one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from kilter.errors import BadInput, Busy
from kilter.gitops import writer as writing
from kilter.gitops.layout import Laid
from kilter.gitops.model import Change, Deposed, Fence, Receipt, Refused, Result, Unpublished
from kilter.gitops.writer import Writer

SHOP = Change("acme", "shop", "prod", "acme-shop-prod", {"a.yaml": "a: 1\n"})
BLOG = Change("acme", "blog", "prod", "acme-blog-prod", {"a.yaml": "a: 1\n"})
DONE = Receipt(Result.PUBLISHED, "c" * 40)


@dataclass
class Published:
    """A publisher that keeps what it is given, and answers with what is set."""

    batches: list[list[str]] = field(default_factory=list)
    answers: list[Receipt | Refused | BaseException] = field(default_factory=list)
    closed: bool = False

    def publish(self, batch: Sequence[Laid]) -> list[Receipt | Refused]:
        assert not self.closed
        self.batches.append([laid.change.label for laid in batch])
        found = [self.answers.pop(0) if self.answers else DONE for _ in batch]
        for each in found:
            if not isinstance(each, Receipt | Refused):
                raise each
        return [each for each in found if isinstance(each, Receipt | Refused)]

    def claim(self, *, anew: bool) -> str:
        del anew
        if self.answers and isinstance(self.answers[0], BaseException):
            raise self.answers[0]
        return "c" * 40

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def writer(published: Published, tmp_path: Path) -> Writer:
    nothing: Any = None
    found = Writer(nothing, nothing, tmp_path / "git", Fence(1, "me"))
    found._publisher = cast("Any", published)
    return found


def test_changes_that_wait_make_up_one_commit_and_each_has_its_own_answer(writer: Writer, published: Published) -> None:
    published.answers = [DONE, Refused("it stands in the way")]
    one, two = writer.submit(SHOP), writer.submit(BLOG)
    assert (one.done(), writer.flush(), writer.flush()) == (False, 2, 0)
    assert published.batches == [["acme/shop/prod", "acme/blog/prod"]], "and nothing is published of nothing"
    assert one.result(0) == DONE
    assert isinstance(two.exception(0), Refused)


def test_a_commit_holds_no_more_changes_than_its_limit(
    writer: Writer, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 1)
    writer.submit(SHOP)
    writer.submit(BLOG)
    assert (writer.flush(), writer.flush()) == (1, 1)
    assert published.batches == [["acme/shop/prod"], ["acme/blog/prod"]]


def test_a_later_change_takes_the_place_of_one_that_waits_which_is_told_so(
    writer: Writer, published: Published
) -> None:
    first, called_off = writer.submit(SHOP), writer.submit(BLOG)
    assert called_off.cancel()
    later = [writer.submit(replace(each, deploy="d-2")) for each in (SHOP, BLOG)]
    assert first.result(0) == Receipt(Result.SUPERSEDED, path="apps/acme/shop/prod")
    writer.flush()
    assert [each.result(0) for each in later] == [DONE, DONE]
    assert len(published.batches) == 1


def test_a_change_that_was_called_off_in_time_is_not_published(writer: Writer, published: Published) -> None:
    assert writer.submit(SHOP).cancel()
    assert writer.flush() == 0
    assert published.batches == []


def test_what_could_not_be_published_may_be_handed_in_again(writer: Writer, published: Published) -> None:
    published.answers = [Unpublished("out of reach")]
    failed = writer.submit(SHOP)
    writer.flush()
    assert isinstance(failed.exception(0), Unpublished)
    again = writer.submit(SHOP)
    writer.flush()
    assert again.result(0) == DONE


@pytest.mark.requirement("F26")
@pytest.mark.parametrize("error", [Deposed("a later leader writes"), ValueError("a fault")])
def test_what_ends_the_writer_is_told_to_all_who_wait_and_to_whoever_comes_later(
    writer: Writer, published: Published, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(writing, "BATCH", 1)
    published.answers = [error]
    one, two, called_off = writer.submit(SHOP), writer.submit(BLOG), writer.submit(replace(BLOG, env="dev"))
    called_off.cancel()
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="a fault"):
            writer.run()
    else:
        writer.run()
    assert [one.exception(0), two.exception(0)] == [error, error]
    with pytest.raises(type(error)):
        writer.submit(SHOP)
    writer.run()
    assert published.batches == [["acme/shop/prod"]]


def test_whoever_comes_while_the_writer_waits_is_published_until_it_is_closed(
    writer: Writer, published: Published
) -> None:
    thread = threading.Thread(target=writer.run, daemon=True)
    thread.start()
    for _ in range(3):
        assert writer.submit(SHOP).result(10) == DONE
    writer.close()
    thread.join(10)
    assert not thread.is_alive()
    assert (len(published.batches), published.closed) == (3, True)


def test_what_waits_is_published_before_the_folder_is_given_back_and_nothing_later(
    writer: Writer, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 1)
    found = [writer.submit(SHOP), writer.submit(BLOG)]
    writer.close()
    assert [each.result(0) for each in found] == [DONE, DONE]
    assert published.closed
    with pytest.raises(Unpublished, match="is being closed"):
        writer.submit(SHOP)


def test_a_change_that_can_never_be_written_is_refused_at_once(writer: Writer, published: Published) -> None:
    with pytest.raises(BadInput):
        writer.submit(replace(SHOP, files={"a.yaml": "kind: Secret\ndata: {A: Y2FuYXJ5}\n"}))
    assert writer.flush() == 0


def test_a_folder_has_one_writer_at_a_time_and_what_a_killed_one_left_is_removed(
    writer: Writer, published: Published, tmp_path: Path
) -> None:
    nothing: Any = None
    (tmp_path / "git" / "clone-left" / "x").mkdir(parents=True)
    (tmp_path / "git" / "mine").mkdir()
    writer.open()
    assert sorted(each.name for each in (tmp_path / "git").iterdir()) == ["lock", "mine"]
    (tmp_path / "git" / "clone-in-use").mkdir()
    other = Writer(nothing, nothing, tmp_path / "git", Fence(2, "other"))
    other._publisher = cast("Any", Published())
    with pytest.raises(Busy, match="another process writes"):
        other.open()
    assert (tmp_path / "git" / "clone-in-use").is_dir(), "it is the other one's"
    writer.close()
    assert other.open() == "c" * 40
    other.close()


@pytest.mark.requirement("F26")
def test_who_may_not_lead_gives_the_folder_back(writer: Writer, published: Published, tmp_path: Path) -> None:
    published.answers = [Deposed("a later leader writes")]
    with pytest.raises(Deposed):
        writer.open()
    assert published.closed
    nothing: Any = None
    other = Writer(nothing, nothing, tmp_path / "git", Fence(2, "other"))
    other._publisher = cast("Any", Published())
    other.open()
    other.close()
