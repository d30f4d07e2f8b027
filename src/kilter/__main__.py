"""Composition root: what runs is put together here and nowhere else."""

import gc
import os
import signal
import sys

INTERRUPTED = 130  # `kilter.errors` may not be there yet
OBJECTS = 50_000  # made before a collection; a start makes fewer, and none of them is garbage


def end_in_order() -> None:
    """Take SIGTERM and the end of the terminal as Ctrl-C is taken, so that what runs for kilter ends with it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` ignores one of them
            signal.signal(number, signal.default_int_handler)


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(OBJECTS)
    end_in_order()
    try:
        from kilter.cli.console import leave
        from kilter.cli.main import run
        from kilter.cli.streams import open_standard_streams

        open_standard_streams()
        leave(run(sys.argv[1:]))
    except KeyboardInterrupt:  # before anything was begun, or once more while that is said
        os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
