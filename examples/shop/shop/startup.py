"""Patience at the start: services often come up later than the code that needs them."""

import logging
import time
from collections.abc import Callable

from shop.ports import Unavailable

PATIENCE = 120.0
LONGEST_PAUSE = 5.0

log = logging.getLogger("shop.startup")


def wait_for(
    service: str,
    prepare: Callable[[], None],
    *,
    patience: float = PATIENCE,
    stopping: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Call `prepare` until it succeeds; False once patience is at an end or the process is asked to stop."""
    start = clock()
    pause = 0.5
    while not stopping():
        try:
            prepare()
        except Unavailable as error:
            waited = clock() - start
            if waited + pause > patience:
                log.error("gave up on %s after %.0f s (%s)", service, waited, error)
                return False
            log.warning("waiting for %s, next try in %.1f s (%s)", service, pause, error)
            sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            log.info("%s is ready", service)
            return True
    return False
