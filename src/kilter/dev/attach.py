"""`kilter up --attach`: following the dev loop's output from the front."""

import os
import time
from collections.abc import Callable

from kilter.dev import tilt_process
from kilter.dev.logs import shown
from kilter.dev.machine import Machine
from kilter.project.load import Project

PAUSE = 0.2  # seconds between two looks at a log that has nothing new


def follow(machine: Machine, project: Project, emit: Callable[[str], None]) -> bool:
    """Hand every line that Tilt prints to `emit` until Tilt ends or the user presses Ctrl-C, which ends nothing.

    Returns whether it was the user.
    """
    try:
        with machine.paths.tilt_log(project.name).open(errors="replace") as log:
            log.seek(0, 2)
            machine.progress.note("following the dev loop; Ctrl-C leaves it")
            while True:
                line = log.readline()
                if line:
                    emit(shown(line.rstrip("\n")))
                elif tilt_process.alive(machine.paths, project.name) is None:
                    machine.progress.warn("the dev loop has ended; `kilter up` starts it again")
                    return False
                else:
                    time.sleep(PAUSE)
                    if os.fstat(log.fileno()).st_size < log.tell():  # `cap_log` began it anew
                        log.seek(0)
    except KeyboardInterrupt:
        return True
