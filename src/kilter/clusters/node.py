"""Finding a project's node: the container `kilter-<project>-control-plane`, and whether it is kilter's at all.

A node is kilter's when the project's identity folder is mounted into it: kind sets no labels of ours, and a mount can
be read from a stopped container too. Whatever lacks the mark is foreign and never touched (NS-Q3).
"""

from collections.abc import Mapping
from pathlib import Path

from kilter.clusters.provider import Cluster, Listed, State
from kilter.errors import Busy, NotFound
from kilter.proc import Runner
from kilter.state.paths import IDENTITY_MOUNT, Paths
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


def stopping_mark(paths: Paths, project: str) -> Path:
    """The file that says a node's kubelet was ended for a stop; found in a running node, that the stop was cut off."""
    return paths.project_data(project) / "stopping"


def stop_was_cut_off(paths: Paths, project: str) -> bool:
    """Tell of a node that runs whether its stop began and never ended: its next start finishes that first."""
    return stopping_mark(paths, project).exists()


def find(runner: Runner, paths: Paths, project: str) -> Cluster:
    """Look at the cluster of a project; asks the engine once."""
    containers = docker.parse_inspect(runner.run(docker.inspect(node_name(project))))
    return judge(paths, project, containers[0]) if containers else Cluster(project, State.ABSENT)


def find_all(runner: Runner, paths: Paths) -> tuple[Listed, ...]:
    """List every cluster that bears a name of kilter's, foreign ones included, ordered by project; asks once."""
    rows = docker.parse_lines(runner.run(docker.list_containers(name=NODES)).stdout)
    return tuple(sorted((_listed(paths, row) for row in rows), key=lambda one: one.project))


def judge(paths: Paths, project: str, container: Container) -> Cluster:
    """Tell what a container of a node's name is to this project."""
    marked = any(
        mount.destination == IDENTITY_MOUNT and is_at(mount.source, paths.identity(project))
        for mount in container.mounts
    )
    return Cluster(project, _state(paths, project, marked, container.labels, container.status), container)


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
    return Busy(
        f"the container {node_name(found.project)} is not this project's",
        why=why,
        hint="kilter never touches it; choose another `name` in kilter.yaml, or remove the container yourself",
    )


def is_at(source: str, path: Path) -> bool:
    """Tell whether a mount's source is `path`, as the host or Docker Desktop names it."""
    return source.removeprefix(DESKTOP) in (str(path), str(path.resolve()))


def _listed(paths: Paths, row: Mapping[str, str]) -> Listed:
    """Judge a row of `docker ps`, which names what is mounted, though not where to: enough to look, not to touch."""
    project = row["Names"].removeprefix("kilter-").removesuffix("-control-plane")
    mounted, identity = f",{row['Mounts']},", paths.identity(project)
    sources = {str(identity), str(identity.resolve())}
    marked = any(f",{source}," in mounted or f",{DESKTOP}{source}," in mounted for source in sources)
    state = _state(paths, project, marked, docker.parse_labels(row["Labels"]), row["State"])
    runs = state is not State.FOREIGN and STATES.get(row["State"]) is State.RUNNING
    return Listed(project, state, row["ID"], runs)


def _state(paths: Paths, project: str, marked: bool, labels: Mapping[str, str], status: str) -> State:
    if not marked or labels.get(docker.KIND_LABEL) != cluster_name(project):
        return State.FOREIGN
    return State.UNFINISHED if creation_mark(paths, project).exists() else STATES.get(status, State.DEAD)
