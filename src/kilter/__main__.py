"""Composition root: what runs is put together here and nowhere else."""

import gc
import sys

OBJECTS = 50_000  # made before a collection; a start makes fewer, and none of them is garbage


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(OBJECTS)
    from kilter.cli.console import leave
    from kilter.cli.main import run
    from kilter.cli.streams import open_standard_streams

    open_standard_streams()
    leave(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
