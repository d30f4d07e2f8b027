"""Holding a project: its lock, and the end of what a holder that was killed has left running."""

from collections.abc import Iterator
from contextlib import contextmanager

from kilter.clusters.node import creation_mark
from kilter.proc import end_traced
from kilter.progress import Progress
from kilter.state.lock import project_lock
from kilter.state.paths import Paths


@contextmanager
def held(paths: Paths, name: str, verb: str, progress: Progress) -> Iterator[None]:
    """Hold project `name` while `verb` works on it; a creation that outlived its kilter is ended first (LC-Q22).

    Raises Busy as `project_lock` does.
    """
    with project_lock(paths, name, verb):
        if end_traced(creation_mark(paths, name)):
            progress.note(f"ended the creation of {name}'s cluster, which a killed kilter had left running")
        yield
