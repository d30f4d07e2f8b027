"""The only module that prints. Results go to standard output, everything else to standard error."""

import codecs
import errno
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from functools import cached_property
from io import TextIOWrapper
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from kilter.cli.streams import check_heard, give_up, is_drawable, say, typed
from kilter.errors import Interrupted, KilterError

if TYPE_CHECKING:
    import click

    from kilter.cli.reporters import Reporter

ISSUES = "https://github.com/kilter-dev/kilter/issues"
# How a command line asks for a JSON document.
JSON_WORDS = frozenset({"--json", "-ojson", "--output=json", "--format=json"})
JSON_PAIRS = frozenset({("-o", "json"), ("--output", "json"), ("--format", "json")})
UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
# What the system says of a place that is not kilter's to change.
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOLCK, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE)


class Style(Enum):
    """How progress is shown."""

    AUTO = "auto"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


class Frame(NamedTuple):
    """What a watching command saw: its text, what of it counts as a change, and the error if it saw one."""

    text: str
    essence: str
    error: KilterError | None = None


class Console:
    """Prints results, progress and errors; knows the exit code of each."""

    def __init__(self) -> None:
        self.style = Style.AUTO
        self.color = not os.environ.get("NO_COLOR")
        self.verbose = False
        self.for_programs = False

    def foresee(self, arguments: Sequence[str]) -> None:
        """Take from a raw command line how errors are to look, so that one in the line itself is printed as wished."""
        own = list(takewhile(lambda word: word not in ("--", "kubectl"), arguments))
        if "--no-color" in own:
            self.color = False
        if "--progress=json" in own or ("--progress", "json") in pairwise(own):
            self.style = Style.JSON
        self.for_programs = not JSON_WORDS.isdisjoint(own) or not JSON_PAIRS.isdisjoint(pairwise(own))

    def configure(self, style: Style, *, color: bool, verbose: bool) -> None:
        """Take over what the global options say; before that, defaults hold."""
        self.style, self.color, self.verbose = style, color, verbose

    @property
    def interactive(self) -> bool:
        """True when a person can be asked: both streams are terminals and this is no CI run."""
        return sys.stdin.isatty() and sys.stderr.isatty() and not os.environ.get("CI")

    @cached_property
    def progress(self) -> "Reporter":
        """Where work reports to, in the style that the options and the terminal ask for."""
        from kilter.cli.reporters import reporter

        return reporter(self.style, sys.stderr, color=self.color)

    def end_progress(self) -> None:
        """Give the terminal back before an error is printed: a thread nobody waits for may still have a step."""
        if "progress" in vars(self):
            self.progress.end()

    def result(self, text: str) -> None:
        """Print a result; an empty one prints nothing. Raises MachineLacks or Failed where it cannot be written."""
        if text:
            if isinstance(sys.stdout, TextIOWrapper):
                sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that cannot spell a sign shows its code
            try:
                sys.stdout.write(text if text.endswith("\n") else text + "\n")
                sys.stdout.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise unwritten("the result could not be printed", error) from error

    def lines(self, lines: Iterable[str | None]) -> None:
        """Print lines as they come; at None there is none for a moment, and who reads on would be told by no line."""
        for line in lines:
            if line is not None:
                self.result(line)
            else:
                check_heard(sys.stdout)

    def document(self, document: object) -> None:
        """Print one JSON document as the result; `document` is a msgspec struct."""
        self.result(json_text(document))

    def watch(self, frames: Iterable[Frame], *, redraw: bool) -> int:
        """Show what changes until Ctrl-C and return 130.

        With `redraw` and on a terminal each frame takes the place of the one before; else a frame is printed when its
        essence is new, and an error goes to standard error.
        """
        try:
            if redraw and is_drawable(sys.stdout):
                from kilter.cli.live import draw

                draw((frame.text for frame in frames), sys.stdout, color=self.color)
            else:
                self._print_changes(frames)
        except KeyboardInterrupt:
            return Interrupted.exit_code
        return 0

    def _print_changes(self, frames: Iterable[Frame]) -> None:
        last = None
        for frame in frames:
            if frame.essence != last:
                self.error(frame.error) if frame.error else self.result(frame.text)
                last = frame.essence
            else:
                check_heard(sys.stdout)

    def differences(self, found: Sequence[str], where: str) -> int:
        """Print what differs, or to standard error that nothing does; returns the exit code, 1 for a difference."""
        if not found:
            self._line(f"{where}: no difference")
            return 0
        self.result("\n".join(found))
        return 1

    def tell(self, text: str) -> None:
        """Print what belongs to a question, such as what goes by it; no style silences that."""
        if self.style is Style.QUIET:
            self._line(text)
        else:
            self.progress.note(text)

    def confirm(self, question: str, expected: str) -> bool:
        """Ask the user to type `expected`; False when the answer differs."""
        say(sys.stderr, f"{question} ")
        return typed().strip() == expected

    def ask(self, question: str) -> str:
        """Ask on a line of its own and return the answer; Ctrl-C and the end of the input give an empty one."""
        try:
            say(sys.stderr, f"\n{question} ")
            answer = typed()
        except KeyboardInterrupt:
            answer = ""
        if not answer.endswith("\n"):
            self._line("")
        return answer.strip()

    def error(self, error: KilterError) -> int:
        """Print a foreseen error (what, why, details, next step) and return its exit code.

        Who asked for a JSON document, or for progress as JSON, gets the error as JSON too.
        """
        if self.for_programs or self.style is Style.JSON:
            import json  # start-up: no other style needs it

            self._line(json.dumps(as_json(error)))
        else:
            from kilter.words import escaped, escaped_lines  # start-up: `--help` meets no error

            # What others said, such as pods in their logs, must not drive the terminal.
            lines = [f"{self.paint('error:', '1;31')} {escaped_lines(error.what)}"]
            lines += [f"  {escaped(line)}" for detail in error.details for line in detail.splitlines() or [""]]
            lines += [f"{self.paint('why:', '1')} {escaped_lines(error.why)}"] if error.why else []
            lines += [f"{self.paint('next:', '1;36')} {escaped_lines(error.hint)}"] if error.hint else []
            self._line("\n".join(lines))
        return error.exit_code

    def usage(self, error: "click.ClickException") -> int:
        """Print what is wrong with a command line; 2 is the exit code of bad input."""
        context = getattr(error, "ctx", None)
        where = f"see `{context.command_path if context else 'kilter'} --help`"
        option = getattr(error, "option_name", None)
        if context and context.parent:
            of_kilter = {name: each for each in context.find_root().command.params for name in each.opts}
            if option in of_kilter:
                words = option if getattr(of_kilter[option], "is_flag", False) else f"{option} …"
                where = f"it stands before the command: `kilter {words} {context.command_path.removeprefix('kilter ')}`"
        from kilter.errors import BadInput

        return self.error(BadInput(error.format_message().rstrip("."), hint=where))

    def bug(self, error: Exception) -> int:
        """Report an error that nobody foresaw, without a traceback unless asked for one."""
        import traceback

        if self.verbose:
            traceback.print_exc(file=sys.stderr)
        from kilter.errors import Failed

        last = traceback.extract_tb(error.__traceback__)[-1]
        return self.error(
            Failed(
                f"kilter failed in a way it should not: {type(error).__name__}: {str(error)[:300]}",
                why=f"a fault in kilter, at {last.filename.rpartition('kilter/')[2]}:{last.lineno}",
                hint=f"run again with `kilter -v …` and report it at {ISSUES}",
            )
        )

    def broken_pipe(self) -> int:
        """The reader of our output has gone: end quietly, as other tools do."""
        give_up(sys.stdout)
        return 0

    def system(self, error: OSError) -> int:
        """Report what the system refused: to write or a place, no fault of kilter's; or else what nobody foresaw."""
        if error.errno in UNWRITABLE:
            return self.error(unwritten("kilter could not go on writing", error))
        if error.errno in REFUSED and isinstance(error.filename, str | bytes | os.PathLike):
            from pathlib import Path  # start-up: needed where something is wrong alone

            from kilter.state.files import refused

            place = Path(os.fsdecode(error.filename))
            return self.error(refused(f"the system does not let kilter use {place}", place, error))
        return self.bug(error)

    def paint(self, text: str, code: str) -> str:
        """Colour a text for standard error when that is a terminal and colours are wanted."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and sys.stderr.isatty() else text

    def _line(self, text: str) -> None:
        say(sys.stderr, text + "\n")


def unwritten(what: str, error: OSError) -> KilterError:
    """Build the error of a text that could not be written; nothing more goes to standard output after it."""
    from kilter.errors import Failed, MachineLacks

    give_up(sys.stdout)
    if error.errno == errno.EBADF:
        return Failed(what, why="standard output is closed", hint="`>/dev/null` throws the output away instead")
    where = f"{error.filename}: " if error.filename else ""
    return MachineLacks(what, why=f"{where}{error.strerror}", hint="free some space, or send the output elsewhere")


def leave(code: int) -> NoReturn:
    """End the process with an exit code, at once: taking the interpreter down in order is a tenth of a short run.

    What that would have done is done here (both streams are written out) or by whoever began it (threads, locks).
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # the reader has gone, or there never was one
            stream.flush()
    os._exit(code)


def json_text(document: object) -> str:
    """Return a msgspec struct as the JSON that kilter prints.

    What standard output cannot spell is escaped: what is not ASCII where that is not UTF-8, else bytes of paths alone.
    """
    import json  # start-up: as few verbs print documents as may be
    import re

    import msgspec

    try:
        text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    except UnicodeEncodeError:  # a path that is not UTF-8, of which msgspec makes no text
        text = json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=False)
    utf8 = codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8"
    return re.sub(r"[\ud800-\udfff]+" if utf8 else r"[^\x00-\x7f]+", lambda found: json.dumps(found[0])[1:-1], text)


def as_json(error: KilterError) -> dict[str, Any]:
    """Return the error as the object that `--progress json` prints."""
    return {
        "event": "error",
        "code": error.exit_code,
        "kind": type(error).__name__,
        "what": error.what,
        "why": error.why,
        "next": error.hint,
        "details": list(error.details),
    }
