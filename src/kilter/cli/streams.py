"""The standard streams as kilter was given them: perhaps closed, full, or with nobody at the other end."""

import os
import sys
from contextlib import suppress
from functools import cache
from io import UnsupportedOperation
from typing import Any, TextIO


def open_standard_streams() -> None:
    """Give each stream that the caller closed something in its place; call it before any file is opened.

    Otherwise the next file of kilter's would get its number, and what a child prints would be written into that file.
    What is printed to a closed standard output fails (EBADF): nobody would ever see the result.
    """
    places = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    for number, (name, mode, flags) in enumerate(places):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, flags)
            os.dup2(opened, number)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - it lives as long as the process


def is_drawable(stream: TextIO) -> bool:
    """Tell whether lines can be drawn over: a terminal that says it is dumb (an editor's, a serial line) cannot."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def check_heard(stream: TextIO) -> None:
    """Raise BrokenPipeError where nobody can read what is written; it is asked where nothing is, for long."""
    import select  # start-up: whoever writes learns of it by that

    try:
        number = stream.fileno()
    except (OSError, ValueError):  # no file of the system's
        return
    ends = select.poll()
    ends.register(number, 0)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in ends.poll(0)):
        raise BrokenPipeError


def typed() -> str:
    """Read a line of standard input, which Ctrl-C ends at any moment.

    Python alone looks for signals before it lets the system read: one that comes in between interrupts nothing, and was
    heard of with the next line only.
    """
    with suppress(UnsupportedOperation):  # no file of the system's
        if sys.stdin.isatty():  # where a read is a line, so that none waits in Python's buffer
            _await_line(sys.stdin.fileno())
    return sys.stdin.readline()


def _await_line(terminal: int) -> None:
    import select  # start-up: few commands ask anything
    import signal

    heard, told = _signals()
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    while terminal not in select.select([terminal, heard], [], [])[0]:
        os.read(heard, 64)  # of a signal that ends nothing


@cache
def _signals() -> tuple[int, int]:
    """Return where signals are heard, and where Python tells of them; open as long as the process lives.

    Ctrl-C comes between closing it and telling Python so, too, which would write into the next file of that number.
    """
    return os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)


def say(stream: TextIO, text: str) -> None:
    """Write a text at once; where nobody can hear it any more, kilter's work goes on without a word."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        give_up(stream)


class Unheard:
    """A stream for whoever would fail where nobody can hear it any more: it is written to by `say`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text at once, or send it nowhere."""
        say(self._stream, text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def give_up(stream: TextIO) -> None:
    """Send what waits in the stream's buffer, and all that follows, nowhere, so that the interpreter ends in peace."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
