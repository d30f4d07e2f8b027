"""What the operator is told of a change: in its own words, whatever the writer of the repository says."""

from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from kilter.errors import BadInput, Failed, KilterError, MachineLacks
from kilter.gitops import model
from kilter.gitops.flux import Flux
from kilter.gitops.model import Fence, Rewritten, Unpublished
from kilter.gitops.writer import Writer
from kilter.operator.effects import Change
from kilter.operator.lease import Deposed
from kilter.operator.publications import Receipt
from kilter.operator.repository import Publisher, Repository
from kilter.operator.settings import Git

CHANGE = Change("acme", "shop", "prod", "acme-shop-prod", {"a.yaml": "a"}, {"b.yaml": "b"}, "d-1", "mia", 7, "image")
PUBLISHED = model.Receipt(model.Result.PUBLISHED, "c" * 40, "apps/acme/shop/prod", overwritten=("a.yaml",))


@dataclass
class Played:
    """A writer that answers as it is told to."""

    answer: Any
    seen: list[model.Change] = field(default_factory=list)

    def submit(self, change: model.Change) -> "Future[model.Receipt]":
        self.seen.append(change)
        if isinstance(self.answer, tuple):
            raise self.answer[0]
        future: Future[model.Receipt] = Future()
        if isinstance(self.answer, BaseException):
            future.set_exception(self.answer)
        elif self.answer is None:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(self.answer)
        return future

    def run(self) -> None: ...


def submitted(answer: Any) -> "Future[Receipt]":
    return Publisher(cast("Writer", Played(answer))).submit(CHANGE)


def test_a_change_goes_to_the_writer_as_it_is_and_comes_back_as_commit_and_path() -> None:
    played = Played(PUBLISHED)
    assert Publisher(cast("Writer", played)).submit(CHANGE).result(0) == Receipt("c" * 40, "apps/acme/shop/prod")
    [seen] = played.seen
    assert {name: getattr(seen, name) for name in CHANGE.__dataclass_fields__} == vars(CHANGE)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (model.Refused("somebody's file stands there"), BadInput),
        (Unpublished("out of reach"), Unpublished),
        (model.Deposed("a later one"), model.Deposed),
        (model.Receipt(model.Result.SUPERSEDED), Failed),
        (ValueError("a fault"), Failed),
        (None, Failed),
        ((Rewritten("the branch was rewritten"),), Rewritten),
        ((ValueError("ended by a fault"),), Failed),
    ],
)
def test_what_kept_a_change_from_being_published_is_an_error_of_kilters(answer: Any, kind: type[KilterError]) -> None:
    error = submitted(answer).exception(0)
    assert type(error) is kind


def test_what_can_never_be_written_and_who_may_not_write_are_told_at_once() -> None:
    with pytest.raises(BadInput):
        submitted((BadInput("a Secret in clear"),))
    with pytest.raises(Deposed):
        submitted((model.Deposed("a later one"),))


def test_a_folder_that_cannot_be_written_to_is_told_of_and_tried_again(tmp_path: Path) -> None:
    """A full disk, say: what needs no commit goes on meanwhile."""
    (tmp_path / "file").write_text("")
    nothing: Any = None
    repository = Repository(nothing, Git(url="file:///flux.git", folder=tmp_path / "file" / "git"), Flux())
    with pytest.raises(MachineLacks, match="cannot write below") as raised:
        repository(Fence(1, "me"), anew=True)
    assert raised.value.why == "Not a directory"


def test_a_writer_that_ends_by_a_fault_says_so_because_it_publishes_nothing_any_more() -> None:
    class Broken(Played):
        def run(self) -> None:
            raise TypeError("nobody foresaw this")

    publisher = Publisher(cast("Writer", Broken(PUBLISHED)))
    publisher._thread.join()
    assert isinstance(publisher.fault, TypeError)
