"""The edge where errors become words and exit codes."""

import errno
import inspect
import io
import json
import os
import pty
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import click
import pytest

from kilter import errors
from kilter.cli import console, main, streams
from kilter.cli.console import Console, Style, leave
from kilter.cli.main import Verb, run
from kilter.cli.reporters import PlainReporter
from kilter.dev.documents import ProjectRow, PsDocument
from kilter.errors import Busy, Failed, Interrupted, KilterError, MachineLacks
from kilter.proc import Command, Outcome, Secret, failure

CODES = {
    "Failed": 1,
    "BadInput": 2,
    "Busy": 3,
    "MachineLacks": 4,
    "NotAllowed": 5,
    "NotFound": 6,
    "BuildFailed": 7,
    "PlanNeeded": 8,
    "NotReady": 10,
    "TimedOut": 11,
    "Unreachable": 12,
    "Interrupted": 130,
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def end_with(monkeypatch: pytest.MonkeyPatch) -> "type[Raising]":
    """Make `kilter version` raise what `Raising.error` is."""
    monkeypatch.setitem(main.VERBS, "version", Verb(__name__, "Raise."))
    return Raising


class Raising:
    """What the verb under test ends with."""

    error: BaseException = Failed("unset")


@click.command("version")
def command() -> None:
    raise Raising.error


@pytest.mark.requirement("LC-Q33")
@pytest.mark.parametrize("name", CODES)
def test_every_error_ends_with_the_code_of_the_table(
    name: str, end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    end_with.error = getattr(errors, name)("it went wrong")
    assert run(["version"]) == CODES[name]
    assert capsys.readouterr().err == "error: it went wrong\n"


def test_the_table_of_codes_is_whole() -> None:
    known = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, KilterError) and kind is not KilterError
    }
    assert known == CODES


def test_an_error_says_what_then_its_details_then_why_then_what_next(
    end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    end_with.error = MachineLacks("kind is missing", why="it is not on PATH", hint="run it", details=["a", "b"])
    assert run(["version"]) == 4
    said = capsys.readouterr()
    assert said.err == "error: kind is missing\n  a\n  b\nwhy: it is not on PATH\nnext: run it\n"
    assert said.out == ""


@pytest.mark.requirement("C15")
def test_what_pods_say_in_an_error_cannot_drive_the_terminal(
    end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jboom"
    end_with.error = MachineLacks(evil, why=f"{evil}\nand\t\x9b8m", hint=evil, details=[evil, "one\r\ntwo", ""])
    run(["version"])
    said = capsys.readouterr().err
    assert said.splitlines() == [
        "error: \\x1b]0;owned\\x07\\x1b[2Jboom",
        "  \\x1b]0;owned\\x07\\x1b[2Jboom",
        "  one",
        "  two",
        "  ",
        "why: \\x1b]0;owned\\x07\\x1b[2Jboom",
        "and\t\\x9b8m",
        "next: \\x1b]0;owned\\x07\\x1b[2Jboom",
    ]


def test_an_error_is_one_json_line_for_programs(end_with: type[Raising], capsys: pytest.CaptureFixture[str]) -> None:
    end_with.error = Busy("in use", why="a lock", hint="wait", details=["x"])
    assert run(["--progress", "json", "version"]) == 3
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line) == {
        "event": "error",
        "code": 3,
        "kind": "Busy",
        "what": "in use",
        "why": "a lock",
        "next": "wait",
        "details": ["x"],
    }


@pytest.mark.parametrize("words", [["version", "--nope"], pytest.param(["upp"])])
def test_a_wrong_command_line_is_json_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--progress", "json", *words]) == 2
    assert json.loads(capsys.readouterr().err)["code"] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["status", "--json"],
        ["ps", "-o", "json"],
        ["ps", "-ojson"],
        ["doctor", "--output", "json"],
        ["doctor", "--output=json"],
        ["env", "--format", "json"],
        ["env", "--format=json"],
        ["--progress", "plain", "status", "--json"],
    ],
)
def test_who_asks_for_a_json_document_gets_errors_as_json(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path), *words, "--nope"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    error = json.loads(said.err.splitlines()[-1])
    assert (error["event"], error["code"], error["kind"]) == ("error", 2, "BadInput")


def test_an_error_of_a_reading_command_is_the_last_line_and_nothing_is_on_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path), "status", "-o", "json"]) == 6
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err)["next"].startswith("run `kilter init`")


@pytest.mark.parametrize(
    "words", [["kubectl", "get", "pods", "-o", "json"], ["kubectl", "--", "get", "-ojson"], ["ps", "-o", "text"]]
)
def test_what_others_print_as_json_changes_no_error_of_kilters(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["-C", str(tmp_path / "none"), *words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.requirement("C16")
@pytest.mark.parametrize("style", ["plain", "json"])
def test_a_secret_handed_to_a_command_never_comes_out_with_its_error(
    style: str, end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    given = Command(("docker", "login", "--password-stdin"), stdin=Secret("hunter2"))
    end_with.error = failure(given, Outcome(1, "", "denied"))
    assert run(["-v", "--progress", style, "version"]) == 1
    assert "hunter2" not in "".join(capsys.readouterr())


@pytest.mark.requirement("C16")
def test_a_bug_that_holds_a_command_shows_no_secret(
    end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    end_with.error = ValueError(f"cannot use {Command(('x',), stdin=Secret('hunter2'))!r}")
    assert run(["-v", "version"]) == 1
    assert "hunter2" not in "".join(capsys.readouterr())


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(
    end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (KeyboardInterrupt(), click.Abort(), Interrupted("interrupted")):
        end_with.error = error
        assert run(["version"]) == 130
    assert capsys.readouterr().err.startswith("error: interrupted\nnext: run the same command again to go on\n")


def test_a_bug_is_one_readable_report_without_a_traceback(
    end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    end_with.error = ZeroDivisionError("division by zero")
    assert run(["version"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: kilter failed in a way it should not: ZeroDivisionError: division by zero\n")
    assert "why: a fault in kilter, at " in said
    assert "test_console.py:" in said
    assert "issues" in said
    assert "Traceback" not in said


def test_a_bug_shows_its_traceback_when_asked(end_with: type[Raising], capsys: pytest.CaptureFixture[str]) -> None:
    end_with.error = ZeroDivisionError("division by zero")
    assert run(["-v", "version"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_failure(end_with: type[Raising], monkeypatch: pytest.MonkeyPatch) -> None:
    end_with.error = BrokenPipeError(32, "Broken pipe")
    redirected: list[int] = []
    monkeypatch.setattr("os.dup2", lambda _from, to: redirected.append(to))
    monkeypatch.setattr(sys, "stdout", type("Pipe", (io.StringIO,), {"fileno": lambda _self: 1})())
    assert run(["version"]) == 0
    assert redirected == [1]


class Refusing(io.StringIO):
    """A stream that takes nothing, and the number of its file."""

    number = 1
    refusal: OSError = OSError(errno.ENOSPC, "No space left on device")

    def write(self, _text: str) -> int:
        raise self.refusal

    def fileno(self) -> int:
        return self.number


@pytest.fixture
def redirected(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The streams that were given up."""
    seen: list[int] = []
    for module in (streams, console):
        monkeypatch.setattr(module, "give_up", lambda stream: seen.append(stream.fileno()))
    return seen


@pytest.mark.requirement("F12")
@pytest.mark.parametrize(
    ("refusal", "code"),
    [(OSError(errno.ENOSPC, "No space left on device"), 4), (OSError(errno.EBADF, "standard output is closed"), 1)],
)
@pytest.mark.parametrize("line", [["completion", "fish"], ["--version"], ["up", "--help"], []])
def test_a_result_that_cannot_be_written_is_told_in_words_and_is_no_bug(
    line: list[str],
    refusal: OSError,
    code: int,
    redirected: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdout", stream := Refusing())
    stream.refusal = refusal
    assert run(line) == code
    said = capsys.readouterr().err
    assert f"why: {refusal.strerror}\n" in said
    assert "fault in kilter" not in said
    assert redirected == [1]


def test_an_error_keeps_its_code_where_nobody_can_hear_it(
    end_with: type[Raising], redirected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream := Refusing())
    stream.number = 2
    end_with.error = Busy("in use")
    assert run(["version"]) == 3
    assert redirected == [2]


def test_work_goes_on_when_nobody_hears_of_its_progress(redirected: list[int]) -> None:
    done = []
    with PlainReporter(Refusing()).step("work"):
        done.append("it")
    assert done == ["it"]
    assert redirected == [1]


@pytest.mark.requirement("F12")
@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.EACCES, "writable for you; a `sudo kilter` may have made it"),
        (errno.EPERM, "writable for you; a `sudo kilter` may have made it"),
        (errno.EROFS, "or let XDG_DATA_HOME, XDG_CACHE_HOME"),
        (errno.ENOLCK, "name folders of another disk"),
        (errno.ENOTDIR, "see what is wrong with"),
    ],
)
def test_a_place_that_the_system_refuses_is_named_with_the_next_step_and_is_no_bug(
    number: int, step: str, end_with: type[Raising], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "tilt" / "tilt.json"
    file.parent.mkdir()
    end_with.error = OSError(number, os.strerror(number), str(file))
    assert run(["version"]) == 4
    said = capsys.readouterr().err
    assert f"kilter use {file}\nwhy: {os.strerror(number)}\nnext: " in said
    assert str(file.parent) in said.splitlines()[-1]
    assert step in said


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), FileNotFoundError(2, "No such", "/x")])
def test_a_refusal_of_another_kind_stays_a_bug(
    error: OSError, end_with: type[Raising], capsys: pytest.CaptureFixture[str]
) -> None:
    end_with.error = error
    assert run(["version"]) == 1
    assert "a fault in kilter" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "variable", "colored"),
    [
        (["--no-color", "version", "--nope"], None, False),
        (["version", "--nope"], "1", False),
        pytest.param(["--no-color", "upp"], None, False),
        pytest.param(["upp"], "1", False),
        (["upp"], None, True),
        (["upp"], "", True),  # https://no-color.org: only a value that is not empty
    ],
)
def test_colors_are_for_terminals_that_want_them(
    line: list[str], variable: str | None, colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if variable is not None:
        monkeypatch.setenv("NO_COLOR", variable)
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    assert run(line) == 2
    assert ("\x1b[" in screen.getvalue()) == colored


def test_no_color_leaves_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["upp"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_result_is_a_whole_line_and_an_empty_one_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.result("one")
    console.result("two\n")
    console.result("")
    assert capsys.readouterr().out == "one\ntwo\n"


def test_differences_are_the_result_and_exit_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    assert console.differences(["a", "b"], ".env") == 1
    assert console.differences([], ".env") == 0
    said = capsys.readouterr()
    assert said.out == "a\nb\n"
    assert said.err == ".env: no difference\n"


@pytest.mark.parametrize(
    ("typed", "answer", "shown"),
    [
        ("y\n", "y", "\nWrite it? "),
        ("\n", "", "\nWrite it? "),
        ("", "", "\nWrite it? \n"),
        ("y", "y", "\nWrite it? \n"),
    ],
)
def test_what_follows_a_question_begins_on_a_line_of_its_own(
    typed: str, answer: str, shown: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who presses Ctrl-D, or Ctrl-C, has ended no line."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert Console().ask("Write it?") == answer
    assert capsys.readouterr().err == shown


@pytest.mark.parametrize(("ci", "terminal", "asked"), [("", True, True), ("true", True, False), ("", False, False)])
def test_nobody_is_asked_without_a_terminal_or_in_ci(
    ci: str, terminal: bool, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    stream = Terminal if terminal else io.StringIO
    monkeypatch.setattr(sys, "stdin", stream())
    monkeypatch.setattr(sys, "stderr", stream())
    assert Console().interactive is asked


@pytest.mark.parametrize(("typed", "accepted"), [("shop\n", True), ("sho\n", False), ("yes\n", False), ("", False)])
def test_only_the_very_word_confirms(
    typed: str, accepted: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert Console().confirm("Type shop to go on:", "shop") is accepted
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("flags", "style"),
    [
        ([], Style.AUTO),
        (["-q"], Style.QUIET),
        (["--quiet", "--progress", "json"], Style.QUIET),
        (["--progress", "plain"], Style.PLAIN),
        (["--progress", "json"], Style.JSON),
    ],
)
def test_the_style_of_progress_is_what_the_options_say(
    flags: list[str], style: Style, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Style] = []
    monkeypatch.setattr(Console, "configure", lambda _self, style, **_: seen.append(style))
    run([*flags, "version"])
    assert seen == [style]


@pytest.mark.requirement("C5")
def test_a_result_that_the_stream_cannot_spell_is_printed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    Console().result("✓ fine \udcff")
    assert b"fine" in raw.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_document_is_json_whatever_standard_output_can_spell(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    Console().document({"message": 'café \\ "🚀"'})
    assert json.loads(raw.getvalue()) == {"message": 'café \\ "🚀"'}
    assert ("café".encode() in raw.getvalue()) is (encoding == "utf-8"), "people read documents, too"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_document_that_holds_a_path_of_no_encoding_is_json_too(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    row = ProjectRow(name="café", state="gone", ports=(1, 2), directory=os.fsdecode(b"/src/caf\xe9/\xf0\x9f\x9a\x80"))
    Console().document(PsDocument(projects=[row]))
    [found] = json.loads(raw.getvalue().decode(encoding))["projects"]
    assert (found["name"], found["directory"], found["atWork"]) == ("café", row.directory, None)


def test_the_directory_option_moves_the_command_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-C", str(tmp_path), "status"]) == 6
    assert f"no kilter.yaml in {tmp_path} or above it" in capsys.readouterr().err


class Left(BaseException):
    """The process would have ended here."""


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes that the process was ended with."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise Left

    monkeypatch.setattr("os._exit", end)
    return codes


def test_whatever_was_written_is_out_before_the_process_ends(exits: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    raw = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, stream in raw.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(stream))
        getattr(sys, name).write(name)
    with pytest.raises(Left):
        leave(6)
    assert [stream.getvalue() for stream in raw.values()] == [b"stdout", b"stderr"]
    assert exits == [6]


def test_the_process_ends_with_its_code_where_nobody_can_read_what_it_says(
    exits: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    gone = os.fdopen(writing, "w")
    gone.write("unread")
    monkeypatch.setattr(sys, "stdout", gone)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(Left):
        leave(3)
    assert exits == [3]
    with suppress(BrokenPipeError):
        gone.close()


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; the end at which a person sits."""
    theirs, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as given:
        monkeypatch.setattr(sys, "stdin", given)
        yield theirs
    signal.set_wakeup_fd(-1)
    os.close(theirs)


def test_ctrl_c_ends_a_question_whatever_moment_it_comes_in(
    screen: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that another thread was given interrupts no read, as one that came just before it does not."""
    asked, answered, hung = threading.Event(), threading.Event(), list[bool]()

    def say(stream: TextIO, text: str) -> None:
        streams.say(stream, text)
        asked.set()

    def press() -> None:
        asked.wait(10)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        if not answered.wait(10):
            hung.append(True)
            os.write(screen, b"\n")

    monkeypatch.setattr(console, "say", say)
    presser = threading.Thread(target=press)
    presser.start()
    answer = Console().ask("really?")
    answered.set()
    presser.join()
    assert (answer, hung) == ("", [])
    assert capsys.readouterr().err == "\nreally? \n"


def test_a_signal_that_ends_nothing_leaves_the_question_open(screen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of the window changes, say."""
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())

    def press() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        heard.wait(10)
        os.write(screen, b"yes\nand more\n")

    presser = threading.Thread(target=press)
    presser.start()
    try:
        assert Console().ask("really?") == "yes"
        assert Console().confirm("Type it:", "and more")
    finally:
        presser.join()
        signal.signal(signal.SIGUSR1, before)
