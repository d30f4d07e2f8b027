"""Running processes for a benchmark: timed, bounded, and ended as a whole group when the run is broken off."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT = 900.0  # seconds for one command
GRACE = 30.0  # seconds that an interrupted command has to tidy up
LINES_SHOWN = 12


class Failed(Exception):
    """Something that had to work for a benchmark did not."""


@dataclass(frozen=True)
class Ended:
    """What a command printed, how it ended and how long it took."""

    code: int
    out: str
    err: str
    seconds: float


def run(
    argv: Sequence[str | Path],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
    given: str | None = None,
    ok: bool = True,
) -> Ended:
    """Run a command to its end and take the time; Failed when it does not end with 0, unless `ok` is False."""
    words = [str(word) for word in argv]
    began = time.monotonic()
    child = subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(given, timeout=LIMIT)
    except BaseException:
        end(child)
        raise
    ended = Ended(child.returncode, out, err, time.monotonic() - began)
    if ok and ended.code:
        said = "\n".join((ended.err + ended.out).strip().splitlines()[-LINES_SHOWN:])
        raise Failed(f"`{Path(words[0]).name} {' '.join(words[1:])}` ended with {ended.code}\n{said}")
    return ended


def end(child: "subprocess.Popen[str]") -> None:
    """End a process that was started in a session of its own, and everything that it started."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(child.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
            return
