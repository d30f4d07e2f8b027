"""The standard streams as kilter was given them: perhaps closed, full, or with nobody at the other end."""

import os
import sys
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
