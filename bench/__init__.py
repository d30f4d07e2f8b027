"""Benchmarks of the installed kilter: each figure is compared with something else within the same run.

Read the ratios; wall times move with whatever shares the machine. A goal that is missed is said, never asserted.
"""

import sys
from pathlib import Path

# What a real server or database needs has been written once, for the tests.
sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))
