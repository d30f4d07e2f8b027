"""Finding a project's node: the container `kilter-<project>-control-plane`, and whether it is kilter's at all.

A node is kilter's when the project's identity folder is mounted into it: kind sets no labels of ours, and a mount can
be read from a stopped container too. Whatever lacks the mark is foreign and never touched (NS-Q3).
"""

from pathlib import Path

from kilter.clusters.provider import Cluster, State
from kilter.errors import Busy, NotFound
from kilter.proc import Runner
from kilter.state.paths import IDENTITY_MOUNT, Paths
from kilter.tools import docker
from kilter.tools.docker import Container

NODES = "^/?kilter-.*-control-plane$"
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
    """The file that says a creation is under way; found later, it says that the creation was cut off."""
    return paths.project_data(project) / "creating"


def find(runner: Runner, paths: Paths, project: str) -> Cluster:
    """Look at the cluster of a project; asks the engine once."""
    containers = docker.parse_inspect(runner.run(docker.inspect(node_name(project))))
    return judge(paths, project, containers[0]) if containers else Cluster(project, State.ABSENT)


def find_all(runner: Runner, paths: Paths) -> tuple[Cluster, ...]:
    """Look at every cluster that bears a name of kilter's, foreign ones included, ordered by project."""
    rows = docker.parse_lines(runner.run(docker.list_containers(name=NODES)).stdout)
    names = sorted(row["ID"] for row in rows)
    if not names:
        return ()
    found = docker.parse_inspect(runner.run(docker.inspect(*names)))
    return tuple(sorted((judge(paths, _project_of(one), one) for one in found), key=lambda one: one.project))


def judge(paths: Paths, project: str, container: Container) -> Cluster:
    """Tell what a container of a node's name is to this project."""
    marked = any(
        mount.destination == IDENTITY_MOUNT and is_at(mount.source, paths.identity(project))
        for mount in container.mounts
    )
    if not marked or container.labels.get(docker.KIND_LABEL) != cluster_name(project):
        return Cluster(project, State.FOREIGN, container)
    if creation_mark(paths, project).exists():
        return Cluster(project, State.UNFINISHED, container)
    return Cluster(project, STATES.get(container.status, State.DEAD), container)


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
    """Tell whether a mount's source is `path`; Docker Desktop shows the host's files below /host_mnt."""
    return source.removeprefix("/host_mnt") in (str(path), str(path.resolve()))


def _project_of(container: Container) -> str:
    return container.name.removeprefix("kilter-").removesuffix("-control-plane")
