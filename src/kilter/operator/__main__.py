"""`python -m kilter.operator`: the operator, with its settings from the environment."""

import asyncio
import logging
import os
import signal
import sys

from kilter.errors import KilterError, in_one_line
from kilter.operator import logs
from kilter.operator.program import Operator, Seams
from kilter.operator.settings import Settings, from_environment
from kilter.operator.wiring import seams

LOG = logging.getLogger("kilter.operator")


def main() -> int:
    """Run until asked to end (exit code 0), or until another operator leads (3), so that a fresh one stands by.

    What nobody foresaw is logged, and ends it with 1.
    """
    logs.configure(os.environ.get("KILTER_LOG_LEVEL", "INFO"))
    try:
        settings = from_environment()
        asyncio.run(run(settings, seams(settings)))
    except KilterError as error:
        LOG.error(in_one_line(error))
        return error.exit_code
    except Exception:
        LOG.exception("the operator ended in a way that nobody foresaw; it is to be started anew")
        return 1
    return 0


async def run(settings: Settings, parts: Seams) -> None:
    """Run one operator until a signal asks it to end."""
    stop, turning = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        turning.add_signal_handler(number, stop.set)
    await Operator(settings, parts).run(stop)


if __name__ == "__main__":
    sys.exit(main())
