"""The local loop as ordered, resumable steps: up, down, stop, destroy, status, logs, restart, ps, doctor.

Features compose clusters, rendering, tools and records here. Nothing in this package prints, and nothing in it knows
about options: a verb of `kilter.cli` calls one function and prints what it returns.
"""
