"""Development only: run a command and start it again whenever the shop's code changes."""

import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

from watchfiles import PythonFilter, watch

from shop.stopping import StopRequest

GRACE = 10.0

log = logging.getLogger("shop.reload")


def run_reloading(command: Sequence[str], stop: StopRequest, *, restart_on: int) -> int:
    """Run `command` anew after each change and return when asked to stop.

    A command that ends by itself waits for the next change, since its code is probably broken; one that ends with
    `restart_on` wants no change but a restart, which is left to whoever runs this process.
    """
    child = subprocess.Popen(command)
    for changes in watch(
        Path(__file__).parent,
        watch_filter=PythonFilter(),
        stop_event=stop,
        rust_timeout=500,
        yield_on_timeout=True,
    ):
        if changes:
            log.info("restarting: %s changed", ", ".join(sorted({Path(path).name for _, path in changes})))
            end(child)
            child = subprocess.Popen(command)
        elif child.poll() == restart_on:
            return restart_on
    end(child)
    return 0


def end(child: subprocess.Popen[bytes]) -> None:
    """Let the child finish what it has in hand, but not for ever."""
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        log.warning("did not stop within %.0f s; killed", GRACE)
        child.kill()
        child.wait()
