"""Composition root: what runs is put together here and nowhere else."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from kilter.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
