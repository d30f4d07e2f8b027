"""Work beside a feature's own story, in threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from kilter.dev.machine import Machine


@contextmanager
def beside(machine: Machine) -> Iterator[ThreadPoolExecutor]:
    """Offer threads for a block, which ends when all they were given is done; an error or Ctrl-C waits for nothing.

    What runs for the threads is ended then. A download is left to itself, and done anew by the next command.
    """
    pool = ThreadPoolExecutor(max_workers=8)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        machine.runner.end_running()
        raise
    pool.shutdown()
