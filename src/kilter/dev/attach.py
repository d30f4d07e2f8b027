"""`kilter up --attach`: following the dev loop's output from the front."""

import time
from collections.abc import Callable

from kilter.dev import tilt_process
from kilter.dev.logs import shown
from kilter.dev.machine import Machine
from kilter.project.load import Project

PAUSE = 0.2  # seconds between two looks at a log that has nothing new


def follow(machine: Machine, project: Project, emit: Callable[[str], None]) -> None:
    """Hand every line that Tilt prints to `emit` until Tilt ends or the user presses Ctrl-C, which only detaches."""
    try:
        with machine.paths.tilt_log(project.name).open(errors="replace") as log:
            log.seek(0, 2)
            while True:
                line = log.readline()
                if line:
                    emit(shown(line.rstrip("\n")))
                elif tilt_process.alive(machine.paths, project.name) is None:
                    machine.progress.warn("the dev loop has ended; `kilter up` starts it again")
                    return
                else:
                    time.sleep(PAUSE)
    except KeyboardInterrupt:
        machine.progress.note("detached: the dev loop runs on, `kilter down` ends it")
