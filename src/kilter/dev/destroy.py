"""`kilter destroy`: of the commands for a project on this machine, the one that deletes data."""

import os
from pathlib import Path

from kilter.clusters import engine
from kilter.clusters.lock import held
from kilter.clusters.node import is_elsewhere, node_name
from kilter.clusters.provider import State
from kilter.dev import clusters, rendered, stopflag, tilt_process
from kilter.dev.former import warn_of_former
from kilter.dev.images import built, remove_built
from kilter.dev.machine import Machine
from kilter.project.load import Project
from kilter.state import records
from kilter.state.files import is_filled, remove_folder
from kilter.words import human_size


def losses(machine: Machine, project: Project) -> list[str]:
    """Return what `destroy` would delete for good, one line each with its size; empty when there is nothing (LC-Q9)."""
    records.refuse_foreign(machine.paths, project.name, project.root)
    engine.check(machine.runner, machine.environment)
    cluster = clusters.provider(machine).find(project.name)
    volumes = machine.paths.volumes(project.name)
    listed = [f"the cluster kilter-{project.name} ({cluster.state})"] if cluster.state is not State.ABSENT else []
    if not listed and is_elsewhere(machine.runner, machine.paths, project.name):
        listed = [f"what the cluster kilter-{project.name} needs, which was made on another Docker and stays there"]
    try:
        found = sorted(volumes.iterdir())
    except OSError:
        return [*listed, *([f"the volumes in {volumes} (size unknown)"] if is_filled(volumes) else [])]
    return listed + [f"the volume {volume.name.rpartition('_')[2]} ({_size(volume)})" for volume in found]


def purged(machine: Machine, project: Project) -> list[str]:
    """Return what `--purge` takes beyond `losses`, one line each; empty when this machine knows nothing of it."""
    paths, name = machine.paths, project.name
    known = records.read(paths, name)
    listed = [f"the ports {known.block[0]}-{known.block[-1]} and the password"] if known else []
    if paths.snapshots(name).is_dir():
        kept = sorted(paths.snapshots(name).iterdir())
        listed += [f"the snapshot {snapshot.name} ({_size(snapshot)})" for snapshot in kept]
    listed += [f"the folder {paths.project_data(name)}"] if _exists(paths.project_data(name)) else []
    return listed + [f"the image {image}" for image in built(machine, name)]


def destroy(machine: Machine, project: Project, *, purge: bool) -> str:
    """Delete the cluster, its data and the rendered files; `purge` takes all but the repository (LC-Q10).

    Raises Failed when something of it cannot be deleted; the same command again goes on.
    """
    name = project.name
    records.refuse_foreign(machine.paths, name, project.root)
    rendered.refuse_data(machine.paths.project_cache(name))
    with held(machine.paths, name, "destroy", machine.progress):
        tilt_process.end(machine.paths, name)
        with machine.progress.step(f"delete the cluster kilter-{name}"):
            is_left = is_elsewhere(machine.runner, machine.paths, name)
            deleted = clusters.provider(machine).delete(name)
        rendered.remove(machine.paths.project_cache(name))
        stopflag.clear(machine, project)
        emptied = False
        if purge:
            emptied = remove_built(machine, name)
            remove_folder(machine.paths.project_data(name))
            records.forget(machine.paths, name)
    warn_of_former(machine, project, had_cluster=deleted)
    if is_left:
        removal = f"`docker rm --force {node_name(name)}`"
        machine.progress.warn(f"kilter-{name} was made on another Docker: if it is still there, {removal} removes it")
    what = f"{name} is destroyed" if deleted else f"{name} was already destroyed"
    if not purge:
        return f"{what}; its ports, credentials and images are kept for the next `kilter up`"
    return f"{what}; its ports, its password{', its images' if emptied else ''} and its data folder are gone too"


def _exists(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _size(folder: Path) -> str:
    """Say how large a folder is, as far as this user may look: services' files belong to users inside the cluster."""
    total, faults = 0, list[OSError]()
    for place, _, names in os.walk(folder, onerror=faults.append):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError as fault:
                faults.append(fault)
    if all(isinstance(fault, FileNotFoundError) for fault in faults):  # removed by a service that runs
        return human_size(total)
    return f"at least {human_size(total)}" if total else "size unknown"
