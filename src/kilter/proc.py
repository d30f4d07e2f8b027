"""The one door to other processes.

A `Command` is a value: what to run, with which input, for how long, which exit codes are fine, and which error it
becomes when it fails. Builders of commands (`kilter.tools`) are pure; only a `Runner` starts anything. Every child
gets a process group of its own, and the whole group is ended on a timeout, on Ctrl-C, and when kilter is asked to end.
"""
# long: the import contract allows processes in no other module

import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Protocol, TextIO, cast

from kilter.errors import Failed, Interrupted, KilterError, MachineLacks, TimedOut
from kilter.values import Value

GRACE = 5.0  # seconds between asking a process group to end and ending it
OUTPUT_LINES_SHOWN = 12
LOOK = "run `kilter doctor`"


class Secret(Value, frozen=True):
    """A text that never prints. `reveal()` is for this module and for files of mode 0600 alone."""

    _text: str

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __str__(self) -> str:
        return "***"

    def __repr__(self) -> str:
        return "Secret(***)"


ANY_CODE = tuple(range(256))  # for a command whose failure is an answer


class Command(Value, frozen=True):
    """What to run.

    `env` is added to kilter's own environment (None removes a name, a Secret never prints); `timeout` is in seconds,
    None for no limit; `ok` lists the exit codes that are no failure; `error` is raised for the others; `hint` is its
    next step. `trace` is a file that `run` lets name the process, so that `end_traced` ends it should kilter be killed.
    """

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str | Secret | None] = {}
    stdin: str | Secret | None = None
    timeout: float | None = 60.0
    ok: tuple[int, ...] = (0,)
    error: type[KilterError] = Failed
    hint: str = ""
    trace: Path | None = None

    def __str__(self) -> str:
        return shlex.join(self.argv)


class Outcome(Value, frozen=True):
    """What came of a command that ended: exit code, both streams as text, and seconds it took."""

    code: int
    stdout: str = ""
    stderr: str = ""
    seconds: float = 0.0


class Started(Value, frozen=True):
    """A process left running in the background: its pid (also its process group) and the kernel's start time."""

    pid: int
    start_time: str


class Pipe(Value, frozen=True):
    """The binary streams of a running child: closing `stdin` says that all is said, `stdout` ends when the child does.

    Who writes much reads at the same time, in another thread: a child that cannot write does not read either.
    """

    stdin: BufferedIOBase
    stdout: BufferedIOBase


class Runner(Protocol):
    """Runs commands. The real one is `SubprocessRunner`; tests use a fake that refuses what it was not told."""

    def run(self, command: Command) -> Outcome:
        """Run to the end and return the outcome; raises `command.error`, TimedOut or MachineLacks."""

    def start(self, command: Command, log: Path) -> Started:
        """Start in a session of its own, both streams appended to `log`, and return at once."""

    def attach(self, command: Command) -> int:
        """Run with the user's terminal as its own and return the exit code, 128 + n where signal n ended it."""

    def stream(self, command: Command) -> Iterator[str]:
        """Yield the lines of standard output as they come; ends the process when the caller stops reading."""

    def end_running(self) -> None:
        """End every `run` and `stream` of other threads, and begin no more: Ctrl-C reaches the main thread alone."""

    def pipe(self, command: Command) -> AbstractContextManager[Pipe]:
        """Run beside the caller with binary streams, for bytes and for more than fits in memory.

        Leaving the block waits for the child, leaving it by an error ends its group; raises as `run` does.
        """


class SubprocessRunner:
    """The real runner."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._running: set[subprocess.Popen[str]] = set()
        self._over = False

    def run(self, command: Command) -> Outcome:
        """See `Runner.run`."""
        began = time.monotonic()
        child = self._spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._running.add(child)
        try:
            self._refuse_when_over(command)
            if command.trace:
                command.trace.write_text(f"{child.pid} {start_time(child.pid) or ''}")
            out, err = child.communicate(_text_of(command.stdin), timeout=command.timeout)
        except subprocess.TimeoutExpired:
            end_group(child)
            raise late(command) from None
        except BaseException:
            end_group(child)
            raise
        finally:
            self._running.discard(child)
        outcome = Outcome(child.returncode, out, err, time.monotonic() - began)
        if outcome.code not in command.ok:
            raise failure(command, outcome)
        return outcome

    def end_running(self) -> None:
        """See `Runner.end_running`."""
        self._over = True
        for child in tuple(self._running):
            with suppress(ProcessLookupError, PermissionError):  # all at once: each may take its time
                os.killpg(child.pid, signal.SIGTERM)
        for child in tuple(self._running):
            end_group(child)

    def start(self, command: Command, log: Path) -> Started:
        """See `Runner.start`."""
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as stream:
            child = self._spawn(command, stdout=stream, stderr=stream)
        # The process outlives kilter: its handle must not complain when it is dropped unwaited.
        child.returncode = 0
        return Started(child.pid, start_time(child.pid) or "")

    def attach(self, command: Command) -> int:
        """See `Runner.attach`. Ctrl-C reaches the child through the terminal; kilter waits for its answer."""
        # A handler, not SIG_IGN: exec resets handlers, so that the child still hears the user's Ctrl-C.
        previous = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            child = subprocess.Popen(command.argv, cwd=command.cwd, env=self._environment_of(command))
            try:
                code = child.wait()
            except BaseException:  # only kilter was asked to end
                end(child)
                raise
        except FileNotFoundError:
            raise missing(command) from None
        finally:
            signal.signal(signal.SIGINT, previous)
        return code if code >= 0 else 128 - code

    def stream(self, command: Command) -> Iterator[str]:
        """See `Runner.stream`."""
        child = self._spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors: list[str] = []
        reader = threading.Thread(target=_drain, args=(child.stderr, errors), daemon=True)
        reader.start()
        assert child.stdout is not None
        self._running.add(child)
        try:
            self._refuse_when_over(command)
            for line in child.stdout:
                yield line.rstrip("\n")
            code = child.wait()
        finally:
            end_group(child)
            self._running.discard(child)
            reader.join(GRACE)
            child.stdout.close()
        if code not in command.ok:
            raise failure(command, Outcome(code, "", "".join(errors)))

    @contextmanager
    def pipe(self, command: Command) -> Iterator[Pipe]:
        """See `Runner.pipe`."""
        began = time.monotonic()
        import tempfile  # start-up: only programs of the platform pipe

        with tempfile.TemporaryFile() as errors:
            child = self._spawn(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
            streams = (cast("TextIO", child.stdin), cast("TextIO", child.stdout))
            timer = threading.Timer(command.timeout or threading.TIMEOUT_MAX, end_group, [child])
            timer.start()
            try:
                yield Pipe(*(cast("BufferedIOBase", stream.buffer) for stream in streams))
                _close(streams)  # a child that still has something to say learns that nobody listens
                child.wait()
            finally:
                timer.cancel()
                end_group(child)
                _close(streams)
            errors.seek(0)
            outcome = Outcome(child.returncode, "", errors.read().decode(errors="replace"), time.monotonic() - began)
        if command.timeout is not None and outcome.seconds >= command.timeout and outcome.code < 0:
            raise late(command)
        if outcome.code not in command.ok:
            raise failure(command, outcome)

    def _refuse_when_over(self, command: Command) -> None:
        """Call it when the child is among those that run, so that `end_running` misses none."""
        if self._over:
            raise Interrupted(f"`{command.argv[0]}` was not run any more")

    def _environment_of(self, command: Command) -> dict[str, str]:
        given = {name: _text_of(value) for name, value in command.env.items()}
        changed = self._environment | {name: value for name, value in given.items() if value is not None}
        return {name: value for name, value in changed.items() if given.get(name, value) is not None}

    def _spawn(
        self, command: Command, *, stdout: IO[bytes] | int, stderr: IO[bytes] | int, stdin: int | None = None
    ) -> "subprocess.Popen[str]":
        if stdin is None:
            stdin = subprocess.DEVNULL if command.stdin is None else subprocess.PIPE
        try:
            return subprocess.Popen(
                command.argv,
                cwd=command.cwd,
                env=self._environment_of(command),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError:
            if command.cwd is not None and not command.cwd.is_dir():
                raise Failed(f"cannot run `{command}`", why=f"{command.cwd} is no directory") from None
            raise missing(command) from None
        except OSError as error:
            why = error.strerror or str(error)
            raise MachineLacks(f"cannot run {command.argv[0][:200]}", why=why, hint=LOOK) from None


def end_group(child: "subprocess.Popen[str]") -> None:
    """End a child and everything it started: TERM, a grace period, KILL."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        if child.poll() is not None:
            break
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def end(child: "subprocess.Popen[bytes]") -> None:
    """End a child of kilter's own process group, which has none to be ended with: TERM, a grace period, KILL."""
    for ask in (child.terminate, child.kill):
        ask()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)


def end_started(started: Started, grace: float = GRACE) -> bool:
    """End the process group of a background process, if it is still the very process that was started.

    Returns False when there was nothing to end: gone, or its number now belongs to another process. Raises
    MachineLacks for one of another user.
    """
    if not is_alive(started):
        return False
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(started.pid, sent)
        except ProcessLookupError:
            pass
        except PermissionError as error:
            if not is_alive(started):  # as macOS says of one that has just ended
                return True
            what, hint = f"process {started.pid} cannot be ended", f"run `sudo kill {started.pid}`"
            raise MachineLacks(what, why="it belongs to another user, as after `sudo kilter`", hint=hint) from error
        limit = time.monotonic() + grace
        while time.monotonic() < limit:
            if not is_alive(started):
                return True
            time.sleep(0.05)
    return True


def end_traced(trace: Path) -> bool:
    """End the process group that a killed kilter left running, by the `Command.trace` it left; False when none runs."""
    try:
        pid, _, began = trace.read_text().partition(" ")
        return end_started(Started(int(pid), began))
    except (OSError, ValueError):  # no creation, or killed before there was a process to name
        return False


def is_alive(started: Started) -> bool:
    """Tell whether the recorded process still runs; a reused process number counts as gone."""
    with suppress(ChildProcessError, ProcessLookupError):
        os.waitpid(started.pid, os.WNOHANG)
    if not started.start_time or start_time(started.pid) == started.start_time:
        return bool(started.start_time)
    # Off Linux, a record of an older kilter is in the time zone and the language of whoever made it.
    return not _has_proc() and _shown_start(started.pid, {}) == started.start_time


def start_time(pid: int) -> str | None:
    """Return a text that, together with the pid, names one process for ever; None when it is gone.

    On Linux it is field 22 of `/proc/<pid>/stat` (proc(5)); elsewhere what `ps -o lstart=` prints, in UTC and English.
    """
    if _has_proc():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    return _shown_start(pid, {"LC_ALL": "C", "TZ": "UTC"})


def _has_proc() -> bool:
    return Path("/proc/self/stat").exists()


def _shown_start(pid: int, place: Mapping[str, str]) -> str | None:
    argv = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    shown = subprocess.run(argv, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def failure(command: Command, outcome: Outcome) -> KilterError:
    """Build the error of a command that ended with an exit code that is not fine."""
    if outcome.code in (-signal.SIGINT, 128 + signal.SIGINT):
        return Interrupted(f"`{command.argv[0]}` was interrupted")
    said = (outcome.stderr.strip() or outcome.stdout.strip()).splitlines()
    how = f"was ended by signal {-outcome.code}" if outcome.code < 0 else f"ended with exit code {outcome.code}"
    return command.error(f"`{command}` {how}", hint=command.hint, details=said[-OUTPUT_LINES_SHOWN:])


def late(command: Command) -> TimedOut:
    """Build the error of a command that was ended because its time was up."""
    return TimedOut(f"`{command}` did not end within {command.timeout:g} seconds", hint=command.hint)


def missing(command: Command) -> MachineLacks:
    """Build the error of a command whose program is not there."""
    name = command.argv[0]
    return MachineLacks(f"{name} is not installed", why=f"`{name}` was not found", hint=LOOK)


def _text_of(stdin: str | Secret | None) -> str | None:
    return stdin.reveal() if isinstance(stdin, Secret) else stdin


def _close(streams: Iterable[IO[str]]) -> None:
    for stream in streams:
        with suppress(OSError):
            stream.close()


def _drain(stream: IO[str] | None, into: list[str]) -> None:
    if stream is not None:
        with stream:
            into.extend(stream)
