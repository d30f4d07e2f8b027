"""The operator as a process, put together with the played Git: `python -m conformance.operator_main FOLDER LEASE`."""

import asyncio
import faulthandler
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path

from kilter.errors import KilterError
from kilter.operator import lease, logs
from kilter.operator.__main__ import run
from kilter.operator.lease import Move, Record, Times
from kilter.operator.program import Seams
from kilter.operator.settings import from_environment
from kilter.operator.watch import Limits

from .pretend import FolderGit, render

LEASE = 4  # seconds
SILENCE = 5.0
TIMES = Times(lease=LEASE, deadline=2.5, retry=0.4)
STANDS_BY = "another one leads"
decide = lease.decide


def told(record: Record | None, me: str, unchanged: float, lease: float) -> Move:
    """Decide as the operator does, and say so where that is to stand by: a test can await nothing that is not said."""
    move = decide(record, me, unchanged, lease)
    if move is Move.STAND_BY:
        logging.getLogger("kilter.operator").info(STANDS_BY)
    return move


def main() -> int:
    """Run one operator; the exit code is that of the program itself."""
    logs.configure()
    faulthandler.register(signal.SIGUSR1)  # for a test that waits in vain
    lease.decide = told
    folder, times = Path(sys.argv[1]), replace(TIMES, lease=int(sys.argv[2]))
    seams = Seams(render, FolderGit(folder).open, times=times, limits=Limits(silence=SILENCE, first_wait=0.1))
    try:
        asyncio.run(run(from_environment(), seams))
    except KilterError as error:
        logging.getLogger("kilter.operator").error("%s: %s", type(error).__name__, error.what)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
