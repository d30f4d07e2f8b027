"""Benchmarks of the installed kilter: each figure is compared with something else within the same run.

Read the ratios; wall times move with whatever shares the machine. A goal that is missed is said, never asserted.
"""
