"""Entry point of `python3 testbed`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from testbed.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
