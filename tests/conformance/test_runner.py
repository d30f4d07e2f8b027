"""The one door to other processes, with real processes. Needs no engine."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from kilter import proc
from kilter.errors import BadInput, Failed, Interrupted, KilterError, MachineLacks, TimedOut
from kilter.proc import Command, Secret, SubprocessRunner, end_started, end_traced, is_alive, start_time

# A child that ignores TERM and has a child of its own which does so too; both write their numbers into a file.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
os.write(1, b"running\\n")
time.sleep(60)
"""
# A child that ends when it is asked to.
OBEYING = """
import os, sys, time
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(60)
"""
DEAF = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{OBEYING}"
# Kilter itself, as a terminal starts it, running a command until somebody presses Ctrl-C.
WAITING = """
import signal
import sys
from pathlib import Path
from kilter.__main__ import end_in_order
from kilter.proc import Command, SubprocessRunner
signal.signal(signal.SIGHUP, signal.SIG_DFL)
end_in_order()
try:
    command = Command((sys.executable, "-c", sys.argv[1], sys.argv[2]), timeout=60, trace=Path(sys.argv[2] + ".trace"))
    getattr(SubprocessRunner(), sys.argv[3])(command)
except KeyboardInterrupt:
    sys.exit(130)
"""
RUNNER = SubprocessRunner()
# A fault of SubprocessRunner.run: the pipes of a child that it ended stay open until they are collected.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
Pids = Callable[[int], list[int]]


def python(text: str, *arguments: str) -> Command:
    return Command((sys.executable, "-c", text, *arguments), timeout=30)


def runs(pid: int) -> bool:
    return start_time(pid) is not None


def until(condition: Callable[[], bool], limit: float = 10.0) -> bool:
    """Wait until something is so; returns whether it came to be."""
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Pids]:
    """Read the process numbers that the children have written, as soon as there are so many; end what is left."""
    file = tmp_path / "pids"

    def read(count: int) -> list[int]:
        assert until(lambda: file.exists() and len(file.read_text().splitlines()) >= count)
        return [int(line) for line in file.read_text().splitlines()]

    yield read
    for pid in read(0) if file.exists() else []:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let what a test leaves open be collected within it."""
    yield
    gc.collect()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give processes less time to end than a user's machine does."""
    monkeypatch.setattr(proc, "GRACE", 0.3)


@pytest.mark.usefixtures("impatient")
def test_a_command_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path, pids: Pids) -> None:
    command = replace(python(STUBBORN, str(tmp_path / "pids")), timeout=1.5, hint="look")
    with pytest.raises(TimedOut, match=r"did not end within 1\.5 seconds") as caught:
        RUNNER.run(command)
    assert caught.value.hint == "look"
    assert until(lambda: not any(map(runs, pids(2))))


def waiting(folder: Path, text: str = STUBBORN, how: str = "run") -> "subprocess.Popen[bytes]":
    """Start a kilter that runs a command, a stubborn one if nothing else is said."""
    return subprocess.Popen([sys.executable, "-c", WAITING, text, str(folder / "pids"), how], start_new_session=True)


@pytest.mark.requirement("LC-Q22")
@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_ends_the_whole_group(asked: signal.Signals, tmp_path: Path, pids: Pids) -> None:
    with waiting(tmp_path) as kilter:
        children = pids(2)
        kilter.send_signal(asked)
        assert kilter.wait(20) == 130
    assert until(lambda: not any(map(runs, children)))


@pytest.mark.usefixtures("impatient")
@pytest.mark.requirement("LC-Q22")
def test_what_a_killed_kilter_left_running_is_ended_by_its_trace_and_nothing_else_is(
    tmp_path: Path, pids: Pids
) -> None:
    trace = tmp_path / "pids.trace"
    with waiting(tmp_path) as kilter:
        children = pids(2)
        assert until(lambda: trace.exists() and trace.read_text() != "")
        kilter.kill()
    assert all(map(runs, children))
    left = trace.read_text()
    number, _, began = left.partition(" ")
    for another in ("", number, f"{number} {began}1", f"none {began}"):  # cut off, or the number of another process
        trace.write_text(another)
        assert end_traced(trace) is False
    assert all(map(runs, children))
    trace.write_text(left)
    assert end_traced(trace)
    assert until(lambda: not any(map(runs, children)))
    assert end_traced(trace) is False
    trace.unlink()
    assert end_traced(trace) is False


@pytest.mark.usefixtures("impatient")
def test_an_interruption_within_the_process_ends_the_group_too(tmp_path: Path, pids: Pids) -> None:
    def press() -> None:
        pids(2)
        os.kill(os.getpid(), signal.SIGINT)

    finger = threading.Thread(target=press)
    finger.start()
    with pytest.raises(KeyboardInterrupt):
        RUNNER.run(python(STUBBORN, str(tmp_path / "pids")))
    finger.join()
    assert until(lambda: not any(map(runs, pids(2))))


@pytest.mark.requirement("LC-Q6", "LC-9")
def test_a_background_process_outlives_kilter_and_end_started_ends_exactly_it(tmp_path: Path, pids: Pids) -> None:
    log = tmp_path / "deep" / "log"
    start = (
        "import sys; from pathlib import Path; from kilter.proc import Command, SubprocessRunner;"
        "s = SubprocessRunner().start(Command((sys.executable, '-c', sys.argv[1], sys.argv[2])), Path(sys.argv[3]));"
        "print(s.pid, s.start_time)"
    )
    outcome = RUNNER.run(python(start, STUBBORN, str(tmp_path / "pids"), str(log)))
    pid, began = outcome.stdout.split()
    started = proc.Started(int(pid), began)
    bystander = RUNNER.start(python("import time; time.sleep(60)"), tmp_path / "other")
    try:
        children = pids(2)
        assert is_alive(started)
        assert os.getpgid(started.pid) == started.pid
        assert until(lambda: "running" in log.read_text())
        assert log.stat().st_mode & 0o777 == 0o600
        assert end_started(started, grace=0.3)
        assert until(lambda: not any(map(runs, children)))
        assert is_alive(bystander)
        assert end_started(started) is False
    finally:
        assert end_started(bystander)


def test_a_process_number_that_belongs_to_another_is_never_ended(tmp_path: Path) -> None:
    started = RUNNER.start(python("import time; time.sleep(60)"), tmp_path / "log")
    try:
        assert end_started(replace(started, start_time="1")) is False
        assert end_started(replace(started, start_time="")) is False
        assert is_alive(started)
    finally:
        assert end_started(started)
    assert not is_alive(started)


def test_a_log_is_continued_and_never_replaced(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for word in ("first", "second"):
        started = RUNNER.start(python(f"print('{word}')"), log)
        assert until(lambda started=started: not is_alive(started))  # type: ignore[misc]
    assert log.read_text() == "first\nsecond\n"


@pytest.mark.requirement("C16")
def test_a_secret_goes_by_standard_input_and_is_nowhere_to_be_read() -> None:
    look = (
        "import os, sys; given = sys.stdin.read(); me = open('/proc/self/cmdline').read() + str(dict(os.environ));"
        "parent = open(f'/proc/{os.getppid()}/cmdline').read();"
        "print(given == 'hunt' + 'er2', 'hunt' + 'er2' in me + parent)"
    )
    outcome = RUNNER.run(replace(python(look), stdin=Secret("hunter2")))
    assert outcome.stdout == "True False\n"


def test_a_command_without_input_reads_nothing_of_the_users() -> None:
    assert RUNNER.run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


@pytest.mark.usefixtures("impatient")
def test_a_reader_that_stops_ends_the_process_that_it_read(tmp_path: Path, pids: Pids) -> None:
    lines = RUNNER.stream(python(STUBBORN, str(tmp_path / "pids")))
    assert next(lines) == "running"
    children = pids(2)
    lines.close()  # type: ignore[attr-defined]
    assert until(lambda: not any(map(runs, children)))


@pytest.mark.usefixtures("impatient")
@pytest.mark.requirement("LC-Q22")
def test_streams_that_other_threads_read_are_ended_and_no_more_begun(tmp_path: Path, pids: Pids) -> None:
    """Their children print nothing more, so that no reader would notice by itself."""
    runner, ends = SubprocessRunner(), list[BaseException]()

    def read() -> None:
        try:
            list(runner.stream(python(STUBBORN, str(tmp_path / "pids"))))
        except KilterError as error:
            ends.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    children = pids(2)
    runner.end_running()
    reader.join(20)
    assert len(ends) == 1
    assert until(lambda: not any(map(runs, children)))
    with pytest.raises(Interrupted):
        list(runner.stream(python("print('more')")))


def test_a_stream_comes_line_by_line_and_fails_as_a_run_does() -> None:
    text = "import sys, time; print('one', flush=True); time.sleep(0.3); print('two'); print('why', file=sys.stderr)"
    began = time.monotonic()
    lines = RUNNER.stream(python(text + "; sys.exit(3)"))
    assert next(lines) == "one"
    assert time.monotonic() - began < 10
    assert next(lines) == "two"
    with pytest.raises(Failed, match="exit code 3") as caught:
        next(lines)
    assert caught.value.details == ("why",)


def test_a_stream_with_much_on_both_sides_does_not_get_stuck() -> None:
    text = "import sys\nfor n in range(20000):\n print('x' * 50)\n print('y' * 50, file=sys.stderr)"
    assert sum(1 for _ in RUNNER.stream(python(text))) == 20000


def test_an_attached_command_passes_its_exit_code_and_its_ctrl_c() -> None:
    assert RUNNER.attach(python("import sys; sys.exit(7)")) == 7
    assert RUNNER.attach(python("import os, signal; os.kill(os.getppid(), signal.SIGINT)")) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(MachineLacks, match="is not installed"):
        RUNNER.attach(Command(("kilter-has-no-such-tool",)))


@pytest.mark.requirement("LC-Q22")
@pytest.mark.parametrize(
    ("text", "asked"), [(OBEYING, signal.SIGTERM), (OBEYING, signal.SIGHUP), (DEAF, signal.SIGTERM)]
)
def test_who_is_asked_to_end_ends_an_attached_command_too(
    text: str, asked: signal.Signals, tmp_path: Path, pids: Pids
) -> None:
    """Sent to kilter alone, as a supervisor does."""
    with waiting(tmp_path, text, "attach") as kilter:
        [child] = pids(1)
        kilter.send_signal(asked)
        assert kilter.wait(20) == 130
    assert not runs(child)


@pytest.mark.parametrize(("signaled", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, 137)])
def test_an_attached_command_that_a_signal_ended_has_the_code_that_a_shell_gives_it(
    signaled: signal.Signals, code: int
) -> None:
    assert RUNNER.attach(python(f"import os; os.kill(os.getpid(), {int(signaled)})")) == code


def test_an_attached_command_hears_ctrl_c_itself() -> None:
    handler = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    outcome = RUNNER.run(
        python(
            "import sys; from kilter.proc import Command, SubprocessRunner;"
            "SubprocessRunner().attach(Command((sys.executable, '-c', sys.argv[1])))",
            handler,
        )
    )
    assert outcome.stdout == "True\n"


def test_outcomes_and_errors_are_those_that_the_command_names() -> None:
    assert RUNNER.run(replace(python("import sys; sys.exit(1)"), ok=(0, 1))).code == 1
    with pytest.raises(BadInput, match="exit code 4"):
        RUNNER.run(replace(python("import sys; sys.exit(4)"), error=BadInput))
    with pytest.raises(Interrupted):
        RUNNER.run(python("import os, signal; os.kill(os.getpid(), signal.SIGINT)"))
    with pytest.raises(Failed, match="signal 9"):
        RUNNER.run(python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))


def test_what_cannot_be_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="kilter-has-no-such-tool is not installed"):
        RUNNER.run(Command(("kilter-has-no-such-tool",)))
    with pytest.raises(Failed) as caught:
        RUNNER.run(replace(python(""), cwd=tmp_path / "gone"))
    assert "is no directory" in caught.value.why
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(MachineLacks, match="cannot run"):
        RUNNER.run(Command((str(tmp_path / "plain"),)))


@pytest.mark.requirement("C15")
def test_output_that_is_no_text_is_read_all_the_same() -> None:
    assert RUNNER.run(python("import os; os.write(1, b'a\\xff\\xfeb')")).stdout == "a\ufffd\ufffdb"


@pytest.mark.parametrize("command", [(sys.executable, "-c", "pass", "x" * (1 << 18)), ("/" + "x" * 5000,)])
def test_what_the_kernel_refuses_to_start_is_an_error_of_ours(command: tuple[str, ...]) -> None:
    with pytest.raises(KilterError):
        RUNNER.run(Command(command))


def test_a_file_that_is_no_program_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("echo hello\n")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(KilterError) as caught:
        RUNNER.run(Command((str(tmp_path / "tool"),)))
    assert "kilter doctor" in caught.value.hint


def test_what_other_threads_wait_for_can_be_ended(tmp_path: Path) -> None:
    runner = SubprocessRunner()
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            runner.run(Command((sys.executable, "-c", "import time; time.sleep(60)"), timeout=60))
        except KilterError as error:
            ended.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    limit = time.monotonic() + 20
    while not ended and time.monotonic() < limit:
        runner.end_running()
        time.sleep(0.05)
    thread.join(20)
    assert len(ended) == 1


def test_nothing_is_run_any_more_once_all_was_ended(tmp_path: Path, pids: Pids) -> None:
    runner = SubprocessRunner()
    runner.run(python("pass"))
    runner.end_running()
    with pytest.raises(Interrupted, match="was not run any more"):
        runner.run(python(STUBBORN, str(tmp_path / "pids")))
    assert until(lambda: not runner._running)
    assert not any(map(runs, pids(0) if (tmp_path / "pids").exists() else []))


def test_a_pipe_carries_bytes_both_ways_and_more_than_it_holds() -> None:
    sent = bytes(range(256)) * 4096 + b"\r\n\xff"
    with RUNNER.pipe(Command(("cat",), timeout=30)) as pipe:

        def feed() -> None:
            pipe.stdin.write(sent)
            pipe.stdin.close()

        writer = threading.Thread(target=feed)
        writer.start()
        received = pipe.stdout.read()
        writer.join()
    assert received == sent


def test_a_pipe_that_fails_says_what_the_program_said() -> None:
    command = replace(python("import sys; print('out'); sys.exit('no such thing')"), error=BadInput, hint="look")
    with pytest.raises(BadInput) as caught, RUNNER.pipe(command) as pipe:
        assert pipe.stdout.read() == b"out\n"
    assert caught.value.details == ("no such thing",)
    assert caught.value.hint == "look"
    with RUNNER.pipe(replace(command, ok=(0, 1))) as pipe:
        pipe.stdout.read()


def test_a_program_that_is_not_there_is_named_by_a_pipe_too() -> None:
    with pytest.raises(MachineLacks), RUNNER.pipe(Command(("kilter-no-such-program",))):
        pass


@pytest.mark.usefixtures("impatient")
def test_an_error_in_the_block_of_a_pipe_ends_all_that_was_started(tmp_path: Path, pids: Pids) -> None:
    def fail() -> None:
        with RUNNER.pipe(python(STUBBORN, str(tmp_path / "pids"))) as pipe:
            pids(2)
            assert pipe.stdout.readline() == b"running\n"
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert until(lambda: not any(map(runs, pids(2))))


@pytest.mark.usefixtures("impatient")
def test_a_pipe_that_takes_too_long_ends_with_all_that_it_started(tmp_path: Path, pids: Pids) -> None:
    command = replace(python(STUBBORN, str(tmp_path / "pids")), timeout=1.5)
    with pytest.raises(TimedOut, match=r"did not end within 1\.5 seconds"), RUNNER.pipe(command) as pipe:
        pipe.stdout.read()
    assert until(lambda: not any(map(runs, pids(2))))


def test_who_leaves_a_pipe_early_does_not_wait_for_the_rest() -> None:
    endless = python("import sys\nwhile True: sys.stdout.buffer.write(b'x' * 65536)")
    with pytest.raises(Failed), RUNNER.pipe(endless) as pipe:
        assert pipe.stdout.read(3) == b"xxx"


@pytest.mark.requirement("C16")
def test_a_secret_in_the_environment_reaches_the_program_and_no_text() -> None:
    command = replace(python("import os; print(os.environ['TOKEN'])"), env={"TOKEN": Secret("hunter2")})
    assert "hunter2" not in repr(command)
    assert RUNNER.run(command).stdout == "hunter2\n"
    with RUNNER.pipe(command) as pipe:
        assert pipe.stdout.read() == b"hunter2\n"
