"""`kilter up --attach`: following the dev loop's output from the front."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from kilter.dev import tilt_process
from kilter.dev.logs import shown
from kilter.dev.machine import Machine
from kilter.project.load import Project

PAUSE = 0.2  # seconds between two looks at a log that has nothing new
GONE = 5  # looks in a row without a Tilt, after which it has ended: another `kilter up` may be starting a new one


def follow(machine: Machine, project: Project, emit: Callable[[str], None]) -> bool:
    """Hand every line that Tilt prints to `emit` until Tilt ends or the user presses Ctrl-C, which ends nothing.

    Returns whether it was the user.
    """
    path, missed = machine.paths.tilt_log(project.name), 0
    log: TextIO = path.open(errors="replace")
    try:
        log.seek(0, 2)
        machine.progress.note("following the dev loop; Ctrl-C leaves it")
        while missed < GONE:
            if line := log.readline():
                emit(shown(line.rstrip("\n")))
                continue
            missed = missed + 1 if tilt_process.alive(machine.paths, project.name) is None else 0
            time.sleep(PAUSE)
            log = _newest(log, path)
        machine.progress.warn("the dev loop has ended; `kilter up` starts it again")
        return False
    except KeyboardInterrupt:
        return True
    finally:
        log.close()


def _newest(log: TextIO, path: Path) -> TextIO:
    """Return the log from its front where it was begun anew: by a Tilt that was started, or because it was large."""
    with suppress(FileNotFoundError):
        now, known = path.stat(), os.fstat(log.fileno())
        if (now.st_ino, now.st_dev) != (known.st_ino, known.st_dev):
            anew = path.open(errors="replace")
            log.close()
            return anew
        if now.st_size < log.tell():
            log.seek(0)
    return log
