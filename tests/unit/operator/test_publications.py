"""What was handed to the Git writer, and whose end counts."""

import weakref
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import pytest

from kilter.errors import BadInput, Failed
from kilter.gitops.refusals import not_taken
from kilter.operator.effects import Change, Revision, Submit
from kilter.operator.lease import Deposed
from kilter.operator.publications import ClosedWriter, Publications, Receipt
from kilter.operator.steps.publish import NONE

KEY, CHANGE = "acme-shop-dev", Change("acme", "shop", "dev", "acme-shop-dev", None)
OLD, LEAVING, ANEW = Revision("one", 1), Revision("one", 2), Revision("two", 1)


@dataclass
class Handed:
    """A writer that keeps what it is given, until the test ends it."""

    futures: list["Future[Receipt]"] = field(default_factory=list)
    fault: Exception | None = None

    def submit(self, change: Change) -> "Future[Receipt]":
        del change
        self.futures.append(Future())
        return self.futures[-1]

    def contains(self, revision: str, commit: str) -> bool:
        return revision == commit

    def close(self) -> None: ...

    def end(self, number: int, commit: str) -> None:
        self.futures[number].set_result(Receipt(commit, "apps/acme/shop/dev"))


@pytest.fixture
def writer() -> Handed:
    return Handed()


@pytest.fixture
def publications(writer: Handed) -> Publications:
    return Publications(writer, lambda _: None)


@pytest.mark.requirement("F37")
def test_an_end_that_comes_when_its_object_is_gone_does_not_stand_in_the_way_of_the_next_one(
    publications: Publications, writer: Handed
) -> None:
    """The next object of the name begins at generation 1 again."""
    publications.submit(Submit(KEY, LEAVING, CHANGE))
    publications.forget(KEY)
    writer.end(0, "removed")
    assert publications.state(KEY, LEAVING) == NONE
    publications.submit(Submit(KEY, ANEW, CHANGE))
    assert publications.state(KEY, ANEW).state == "pending"
    writer.end(1, "again")
    assert publications.state(KEY, ANEW).commit == "again"


def test_what_was_published_of_an_object_is_not_said_of_another_one_of_its_name(
    publications: Publications, writer: Handed
) -> None:
    publications.submit(Submit(KEY, OLD, CHANGE))
    writer.end(0, "first")
    assert publications.state(KEY, OLD).commit == "first"
    assert publications.state(KEY, ANEW) == NONE


def test_the_end_of_an_earlier_change_says_nothing_of_a_later_one(publications: Publications, writer: Handed) -> None:
    publications.submit(Submit(KEY, OLD, CHANGE))
    publications.submit(Submit(KEY, LEAVING, CHANGE))
    writer.end(0, "first")
    assert publications.state(KEY, LEAVING).state == "pending"
    assert publications.state(KEY, OLD) == NONE


@pytest.mark.requirement("F32", "DP-Q45")
def test_what_helps_where_a_commit_is_refused_is_said_whole(publications: Publications, writer: Handed) -> None:
    publications.submit(Submit(KEY, OLD, CHANGE))
    error = not_taken("cannot lock ref 'refs/heads/main': " + "x" * 2000)
    writer.futures[0].set_exception(error)
    said = publications.state(KEY, OLD).message
    assert "left a file `.lock` beside the branch" in said
    assert said.endswith(error.hint)
    assert len(said) < 1000


@pytest.mark.requirement("L1")
def test_the_files_of_a_change_are_let_go_of_once_they_are_published(
    publications: Publications, writer: Handed
) -> None:
    change = replace(CHANGE, files={"a.yaml": "a"})
    kept = weakref.ref(change)
    publications.submit(Submit(KEY, OLD, change))
    del change
    assert kept() is not None, "who comes last is told apart by it"
    writer.end(0, "written")
    writer.futures.clear()
    assert kept() is None
    assert publications.state(KEY, OLD).commit == "written"


def outcome(publications: Publications, writer: Handed, error: BaseException) -> str:
    publications.submit(Submit(KEY, OLD, CHANGE))
    writer.futures[-1].set_exception(error)
    found = publications.state(KEY, OLD)
    assert (found.ended is not None) is (found.state == "unpublished"), "from then on it is tried again"
    return f"{found.state}: {found.message}"


@pytest.mark.requirement("F32", "DP-Q45")
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInput("a file of somebody else's", why="stands there"), "refused: a file of somebody else's: stands there"),
        (Deposed("a later leader writes"), "unpublished: this operator does not lead any more"),
        (Failed("out of reach"), "unpublished: out of reach"),
        (ValueError("canary"), "unpublished: ValueError"),
    ],
)
def test_what_may_be_tried_again_is_told_from_what_is_refused_for_good(
    publications: Publications, writer: Handed, error: BaseException, said: str
) -> None:
    assert outcome(publications, writer, error) == said


def test_a_change_that_is_called_off_is_none_that_was_published(publications: Publications, writer: Handed) -> None:
    publications.submit(Submit(KEY, OLD, CHANGE))
    writer.futures[0].cancel()
    assert publications.state(KEY, OLD).state == "unpublished"


def test_what_can_never_be_written_is_refused_at_once_and_holds_no_other_up(publications: Publications) -> None:
    class Refusing(Handed):
        def submit(self, change: Change) -> "Future[Receipt]":
            raise BadInput("a Secret in clear")

    publications.open(Refusing())
    publications.submit(Submit(KEY, OLD, CHANGE))
    found = publications.state(KEY, OLD)
    assert (found.state, found.message) == ("refused", "a Secret in clear")


@pytest.mark.requirement("F32")
def test_what_came_before_the_repository_was_opened_is_due_at_once_and_nothing_else() -> None:
    publications = Publications(ClosedWriter(), lambda _: None)
    publications.submit(Submit(KEY, OLD, CHANGE))
    assert publications.state(KEY, OLD).state == "unpublished"
    writer = Handed()
    publications.open(writer)
    assert publications.state(KEY, OLD) == NONE
    publications.submit(Submit(KEY, OLD, CHANGE))
    publications.open(Handed())
    assert publications.state(KEY, OLD).state == "pending"
    writer.end(0, "first")
    publications.open(Handed())
    assert publications.state(KEY, OLD).commit == "first"


def test_whatever_has_come_to_an_end_is_told_once_it_can_be_seen(writer: Handed) -> None:
    told = list[tuple[str, str]]()
    found = Publications(writer, lambda key: told.append((key, found.state(key, OLD).state)))
    found.submit(Submit(KEY, OLD, CHANGE))
    assert told == []
    writer.end(0, "first")
    assert told == [(KEY, "published")]


def test_nobody_knows_what_a_closed_repository_contains() -> None:
    with pytest.raises(Failed, match="is being opened"):
        ClosedWriter().contains("r" * 40, "c" * 40)
