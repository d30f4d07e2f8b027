"""Prints the path of a tool in the version that kilter pins: `python scripts/pinned.py helm`.

It is brought as kilter brings it, and kept in build/cache. What PATH holds plays no part, so that every machine tests
with the same version.
"""

import os
import sys
from pathlib import Path

from kilter.proc import SubprocessRunner
from kilter.progress import Recorder
from kilter.state.paths import Paths
from kilter.tools.provision import provide
from kilter.tools.versions import TOOLS

BUILD = Path(__file__).resolve().parent.parent / "build"

if __name__ == "__main__":
    paths = Paths(BUILD / "data", BUILD / "cache")
    print(provide(TOOLS[sys.argv[1]], SubprocessRunner(), paths, {**os.environ, "PATH": ""}, Recorder()))
