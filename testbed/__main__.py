"""Entry point of `python3 testbed`."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - this is for the older ones, so it stands before what they cannot read
    sys.exit("testbed: this needs Python 3.11 or newer, and here is " + ".".join(map(str, sys.version_info[:2])))

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from testbed.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
