"""The programs that stages run: each in a group of its own, and all of them ended when the run ends."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PATIENCE = 5.0  # seconds for a program to end by itself
POLITE = (signal.SIGTERM, signal.SIGHUP)  # those who ask nicely; a terminal's Ctrl-C is SIGINT


class Interrupted(RuntimeError):
    """A program was not started, because the run is ending."""


class Running:
    """What runs at the moment, whichever thread has started it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.children: set[subprocess.Popen[bytes]] = set()
        self.ending = False

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int,
        stderr: IO[bytes],
    ) -> tuple[int, bytes]:
        """Run a program to its end; returns its status, and what it printed into a pipe."""
        with self.lock:
            if self.ending:
                raise Interrupted("the run is ending")
            child = subprocess.Popen(
                words, cwd=cwd, env=dict(environment), stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
            )
            self.children.add(child)
        try:
            told, _ = child.communicate()
        finally:
            with self.lock:
                self.children.discard(child)
        return child.returncode, told or b""

    def end(self) -> None:
        """End every program with all that it has started, and let no other begin."""
        with self.lock:
            self.ending = True
            children = list(self.children)
        self.signal(children, signal.SIGTERM)
        limit = time.monotonic() + PATIENCE
        while self.children and time.monotonic() < limit:
            time.sleep(0.02)
        # To those that have ended, too: what they had started may be left of their group.
        self.signal(children, signal.SIGKILL)

    def signal(self, children: Sequence["subprocess.Popen[bytes]"], number: int) -> None:
        """Send a signal to the groups that some programs lead."""
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, number)


RUNNING = Running()


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Take who asks this process to end for Ctrl-C, and leave no program of a stage behind."""
    RUNNING.ending = False
    before = {number: signal.getsignal(number) for number in POLITE}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # `nohup` makes deaf on purpose
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        RUNNING.end()
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(*_: object) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt
