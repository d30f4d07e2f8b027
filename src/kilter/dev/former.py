"""Clusters that a directory's kilter.yaml names no longer: it had another `name`, or the directory was moved."""

from collections.abc import Iterator
from pathlib import Path

from kilter.dev.machine import Machine
from kilter.project.load import Project
from kilter.state import records
from kilter.state.files import is_gone


def warn_of_former(machine: Machine, project: Project, *, had_cluster: bool = False) -> None:
    """Warn of every cluster that `former` tells of."""
    for sentence in former(machine, project, had_cluster=had_cluster):
        machine.progress.warn(sentence)


def former(machine: Machine, project: Project, *, had_cluster: bool = False) -> Iterator[str]:
    """Yield a sentence for each other cluster that this directory had, or may have had where it was moved here.

    A project that has a cluster, or had one until now, was not moved here.
    """
    paths = machine.paths
    for record in records.of_directory(paths, project.root):
        name = record.project
        if name != project.name and not is_gone(paths.cluster_mark(name)):
            yield (
                f"this directory was {name}: its cluster and data are still there; `name: {name}` in kilter.yaml "
                "reaches them"
            )
    if had_cluster or not is_gone(paths.cluster_mark(project.name)):
        return
    for record in records.all(paths):
        name = record.project
        if name != project.name and not is_gone(paths.cluster_mark(name)) and not _may_be_there(record.directory):
            yield (
                f"the directory of {name}, {record.directory}, is gone, and its cluster and data are still there; if "
                f"it was moved here, write `name: {name}` into kilter.yaml and run `kilter doctor --fix`"
            )


def _may_be_there(directory: str) -> bool:
    """Tell whether a directory is there, or is where nobody may look; it need not hold a kilter.yaml right now."""
    try:
        return Path(directory).is_dir()
    except OSError:
        return True
