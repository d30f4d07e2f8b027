"""Composition root: what runs is put together here and nowhere else."""

import gc
import signal
import sys

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
    from kilter.cli.console import leave
    from kilter.cli.main import run
    from kilter.cli.streams import open_standard_streams

    open_standard_streams()
    leave(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
