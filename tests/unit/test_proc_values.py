"""Commands as values: what they show, and the errors that they become."""

import shlex
import signal
from pathlib import Path

import pytest

from kilter.errors import Failed, Interrupted, MachineLacks, NotReady
from kilter.proc import OUTPUT_LINES_SHOWN, Command, Outcome, Secret, SubprocessRunner, failure, missing

SECRET = Secret("hunter2")


@pytest.mark.requirement("C16")
@pytest.mark.parametrize(
    "text",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>20}",
        repr(Command(("docker", "login"), stdin=SECRET)),
        str(Command(("docker", "login"), stdin=SECRET)),
        repr([SECRET]),
        repr(failure(Command(("docker", "login"), stdin=SECRET), Outcome(1, "", "denied"))),
    ],
)
def test_a_secret_never_prints(text: str) -> None:
    assert "hunter2" not in text


def test_a_secret_is_equal_to_its_like_and_reveals_itself_on_demand() -> None:
    assert Secret("hunter2") == SECRET
    assert Secret("other") != SECRET
    assert SECRET.reveal() == "hunter2"


@pytest.mark.parametrize(
    "argv", [("ls",), ("echo", "a b", "it's", "$HOME", "`x`", ""), ("kubectl", "--", "a\nb"), ("x", "-o={{json .}}")]
)
def test_a_command_prints_as_a_line_that_a_shell_reads_back(argv: tuple[str, ...]) -> None:
    assert tuple(shlex.split(str(Command(argv)))) == argv


def test_a_command_cannot_be_changed_once_built() -> None:
    with pytest.raises(AttributeError):
        Command(("ls",)).argv = ("rm",)  # type: ignore[misc]


def test_a_failure_keeps_the_end_of_what_was_said() -> None:
    said = "".join(f"line {number}\n" for number in range(40))
    error = failure(Command(("helm",), error=NotReady, hint="look"), Outcome(3, "ignored", said))
    assert isinstance(error, NotReady)
    assert error.what == "`helm` ended with exit code 3"
    assert error.details == tuple(f"line {number}" for number in range(40 - OUTPUT_LINES_SHOWN, 40))
    assert error.hint == "look"


@pytest.mark.parametrize(
    ("outcome", "details"),
    [
        (Outcome(1, "on stdout\n", ""), ("on stdout",)),
        (Outcome(1, "on stdout\n", "  \n"), ("on stdout",)),
        (Outcome(1, "", ""), ()),
    ],
)
def test_a_failure_that_said_nothing_on_stderr_shows_stdout(outcome: Outcome, details: tuple[str, ...]) -> None:
    assert failure(Command(("x",)), outcome).details == details


def test_a_process_that_a_signal_ended_names_it() -> None:
    error = failure(Command(("kind",)), Outcome(-signal.SIGKILL))
    assert isinstance(error, Failed)
    assert error.what == "`kind` was ended by signal 9"


@pytest.mark.parametrize("code", [-2, 130])
def test_a_process_that_ctrl_c_ended_is_an_interruption(code: int) -> None:
    error = failure(Command(("kind", "create")), Outcome(code))
    assert isinstance(error, Interrupted)
    assert error.exit_code == 130


def test_a_missing_program_is_something_that_the_machine_lacks() -> None:
    error = missing(Command(("kind", "version")))
    assert isinstance(error, MachineLacks)
    assert error.what == "kind is not installed"
    assert "kilter doctor" in error.hint


def test_the_environment_is_kilters_own_with_the_changes_of_the_command() -> None:
    runner = SubprocessRunner({"KEEP": "1", "DROP": "2", "CHANGE": "3"})
    changes = {"DROP": None, "CHANGE": "4", "ADD": "5", "NEVER": None}
    assert runner._environment_of(Command(("x",), env=changes)) == {"KEEP": "1", "CHANGE": "4", "ADD": "5"}
    assert runner._environment_of(Command(("x",), cwd=Path("/"))) == {"KEEP": "1", "DROP": "2", "CHANGE": "3"}
