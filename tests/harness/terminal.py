"""A command on a terminal of its own, as a person has it: keys go in, and Ctrl-C is a signal."""

import codecs
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from fcntl import ioctl
from types import TracebackType
from typing import Self

from harness.cli import Kilter

CTRL_C = "\x03"
# Makes standard input the controlling terminal of a new session, without which Ctrl-C would be a letter.
SHELL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """One run of kilter; `seen` is all that the screen was sent."""

    def __init__(self, kilter: Kilter, *arguments: str) -> None:
        self.screen, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        environment = {name: value for name, value in kilter.environment.items() if name != "CI"}
        self.child = subprocess.Popen(
            [sys.executable, "-c", SHELL, str(kilter.binary), *arguments],
            cwd=kilter.directory,
            env=environment | {"TERM": "xterm"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character
        self.mark = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.terminate()
        try:
            self.end(30)  # reads on, for a full screen would hold it up
        except (AssertionError, subprocess.TimeoutExpired):
            self.child.kill()
            self.child.wait()
        os.close(self.screen)

    def expect(self, text: str, timeout: float = 30) -> None:
        """Wait until `text` appears behind what was expected last."""
        for _ in self._reading(timeout):
            if (found := self.seen.find(text, self.mark)) >= 0:
                self.mark = found + len(text)
                return
        raise AssertionError(f"no {text!r} on the screen behind its character {self.mark}:\n{self.seen}")

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.screen, keys.encode())

    def end(self, timeout: float = 60) -> int:
        """Read on until the command ends and return its exit code."""
        for _ in self._reading(timeout):
            pass
        return self.child.wait(timeout)

    def _reading(self, timeout: float) -> Iterator[None]:
        """Yield now and whenever more was read, until the command ends; fails when the time is up."""
        limit = time.monotonic() + timeout
        yield
        while (left := limit - time.monotonic()) > 0:
            if select.select([self.screen], [], [], left)[0]:
                try:
                    data = os.read(self.screen, 65536)
                except OSError:  # Linux says so when nobody has the other side open any more
                    return
                if not data:
                    return
                self.seen += self.decoder.decode(data)
                yield
        raise AssertionError(f"not within {timeout:g} seconds; on the screen:\n{self.seen}")
