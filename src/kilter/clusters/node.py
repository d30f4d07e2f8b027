"""Finding a project's node: the container `kilter-<project>-control-plane`, and whether it is kilter's at all.

A node is kilter's when the project's identity folder is mounted into it: kind sets no labels of ours, and a mount can
be read from a stopped container too. Whatever lacks the mark is foreign and never touched (NS-Q3).
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kilter.clusters.provider import Cluster, Listed, State
from kilter.errors import Busy, NotFound
from kilter.proc import Runner
from kilter.state.paths import IDENTITY_FOLDER, IDENTITY_MOUNT, Paths
from kilter.tools import docker
from kilter.tools.docker import Container

NODES = "^/?kilter-.*-control-plane$"
DESKTOP = "/host_mnt"  # below which Docker Desktop shows the host's files
STATES = {
    "running": State.RUNNING,
    "restarting": State.RUNNING,
    "exited": State.STOPPED,
    "created": State.STOPPED,
    "paused": State.STOPPED,
    "dead": State.DEAD,
    "removing": State.DEAD,
}


def cluster_name(project: str) -> str:
    """The name kind knows the project's cluster by (NS-2)."""
    return f"kilter-{project}"


def context_name(project: str) -> str:
    """The name of the one context in the project's kubeconfig (NS-Q8)."""
    return f"kind-{cluster_name(project)}"


def node_name(project: str) -> str:
    """The name of the project's container."""
    return f"{cluster_name(project)}-control-plane"


def creation_mark(paths: Paths, project: str) -> Path:
    """The file that says a creation is under way, and by which process; found later, that the creation was cut off."""
    return paths.project_data(project) / "creating"


def engine_file(paths: Paths, project: str) -> Path:
    """The file that names the engine on which a creation was begun last; none where the engine had no name."""
    return paths.project_data(project) / "engine"


def is_elsewhere(runner: Runner, paths: Paths, project: str) -> bool:
    """Tell whether the project's cluster was made, or begun, on another engine than this one; asks the engine once."""
    try:
        known = engine_file(paths, project).read_text().strip()
    except FileNotFoundError:
        return False
    here = docker.parse_info(runner.run(docker.info())).id
    return bool(here) and known != here


def stopping_mark(paths: Paths, project: str) -> Path:
    """The file that says a node's kubelet was ended for a stop; found in a running node, that the stop was cut off."""
    return paths.project_data(project) / "stopping"


def stop_was_cut_off(paths: Paths, project: str) -> bool:
    """Tell of a node that runs whether its stop began and never ended: its next start finishes that first."""
    return stopping_mark(paths, project).exists()


def find(runner: Runner, paths: Paths, project: str) -> Cluster:
    """Look at the cluster of a project; asks the engine once, and once more after a creation that was cut off."""
    containers = docker.parse_inspect(runner.run(docker.inspect(node_name(project))))
    return judge(runner, paths, project, containers[0]) if containers else Cluster(project, State.ABSENT)


def find_all(runner: Runner, paths: Paths) -> tuple[Listed, ...]:
    """List every cluster that bears a name of kilter's, foreign ones included, ordered by project; asks once."""
    rows = docker.parse_lines(runner.run(docker.list_containers(name=NODES)).stdout)
    return tuple(sorted((_listed(runner, paths, row) for row in rows), key=lambda one: one.project))


def judge(runner: Runner, paths: Paths, project: str, container: Container) -> Cluster:
    """Tell what a container of a node's name is to this project."""
    marked = any(
        mount.destination == IDENTITY_MOUNT and is_at(mount.source, paths.identity(project))
        for mount in container.mounts
    )
    if not marked or container.labels.get(docker.KIND_LABEL) != cluster_name(project):
        return Cluster(project, State.FOREIGN, container)
    return Cluster(project, _state(runner, paths, project, container.status), container)


def own(found: Cluster) -> Container:
    """Return the node's container; raises Busy when it is foreign, NotFound when there is none."""
    if found.state is State.FOREIGN:
        raise foreign(found)
    if found.container is None:
        raise NotFound(f"project {found.project} has no cluster", hint="run `kilter up`")
    return found.container


def foreign(found: Cluster) -> Busy:
    """Build the error of a container that has the node's name and is not this project's."""
    mounts = found.container.mounts if found.container else ()
    owner = next((mount.source for mount in mounts if mount.destination == IDENTITY_MOUNT), "")
    why = f"it belongs to the data folder {owner}" if owner else "it does not bear kilter's mark"
    return Busy(f"the container {node_name(found.project)} is not this project's", why=why, hint=_way_to(found, owner))


def _way_to(found: Cluster, owner: str) -> str:
    """Say what to do about a foreign container: one that kilter made under another XDG_DATA_HOME is reached by that."""
    place = Path(owner.removeprefix(DESKTOP))
    if place.parts[-3:] != ("kilter", found.project, IDENTITY_FOLDER):
        return "kilter never touches it; choose another `name` in kilter.yaml, or remove the container yourself"
    root = place.parents[2]
    # A snap's own folder is passed over where its very path is given.
    link = f"after `ln -s {root} ~/{found.project}-data` " if "snap" in root.parts else ""
    with_ = f"~/{found.project}-data" if link else root
    return f"it was made under another XDG_DATA_HOME: {link}run kilter with XDG_DATA_HOME={with_}"


def is_at(source: str, path: Path) -> bool:
    """Tell whether a mount's source is `path`, as the host or Docker Desktop names it."""
    named = source.removeprefix(DESKTOP)
    if named in (str(path), str(path.resolve())):
        return True
    # Docker keeps the links of a path as they were named: a home that was one, and is no longer.
    return (
        named.startswith("/") and named.endswith(f"/{path.name}") and os.path.realpath(named) == os.path.realpath(path)
    )


def _listed(runner: Runner, paths: Paths, row: Mapping[str, str]) -> Listed:
    """Judge a row of `docker ps`, which names what is mounted, though not where to: enough to look, not to touch."""
    project = row["Names"].removeprefix("kilter-").removesuffix("-control-plane")
    mounted, identity = f",{row['Mounts']},", paths.identity(project)
    sources = {str(identity), str(identity.resolve())}
    marked = any(f",{source}," in mounted or f",{DESKTOP}{source}," in mounted for source in sources)
    marked = marked or any(is_at(source, identity) for source in row["Mounts"].split(","))
    if not marked or docker.parse_labels(row["Labels"]).get(docker.KIND_LABEL) != cluster_name(project):
        return Listed(project, State.FOREIGN, row["ID"], runs=False, holds=False)
    state = STATES.get(row["State"], State.DEAD)
    with suppress(OSError):  # what may not be looked at hides no other cluster
        state = _state(runner, paths, project, row["State"])
    runs = STATES.get(row["State"]) is State.RUNNING
    return Listed(project, state, row["ID"], runs, runs or row["State"] == "paused")


def _state(runner: Runner, paths: Paths, project: str, status: str) -> State:
    """Tell the state of a node of kilter's own; a creation that was cut off on another engine says nothing of it."""
    if creation_mark(paths, project).exists() and not is_elsewhere(runner, paths, project):
        return State.UNFINISHED
    return STATES.get(status, State.DEAD)
