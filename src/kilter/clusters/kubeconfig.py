"""The project's kubeconfig: exactly one context, readable by its owner alone, made again from the node at need."""

from collections.abc import Collection
from pathlib import Path

from kilter.clusters.node import context_name, find, own
from kilter.clusters.provider import BeyondRepair, State
from kilter.errors import NotReady
from kilter.proc import Runner
from kilter.state.files import write_whole
from kilter.state.paths import Paths
from kilter.tools import docker
from kilter.tools.docker import Container

ADMIN_FILE = "/etc/kubernetes/admin.conf"
API_PORT = "6443/tcp"


def ensure(runner: Runner, paths: Paths, project: str) -> Path:
    """Return the project's kubeconfig, made again from the running node where missing or wrong (NS-Q11).

    Raises NotFound without a cluster, NotReady when it does not run, Busy when it is foreign.
    """
    found = find(runner, paths, project)
    container = own(found)
    if found.state not in (State.RUNNING, State.UNFINISHED):
        raise NotReady(f"the cluster of {project} does not run", hint="run `kilter up`")
    return ensure_for(runner, paths, project, container)


def ensure_for(runner: Runner, paths: Paths, project: str, node: Container) -> Path:
    """Do as `ensure` for a node that was found already and runs; raises BeyondRepair when it has no credentials."""
    file, context, namespace = paths.kubeconfig(project), context_name(project), f"{project}-dev"
    server = server_of(node)
    if fits(file, context, server):
        return file
    answer = runner.run(docker.execute(node.id, "cat", ADMIN_FILE, ok=(0, 1)))
    if answer.code != 0:
        raise BeyondRepair(f"{node.name} has no credentials", why=answer.stderr.strip())
    write_whole(file, compose(answer.stdout, context, namespace, server))
    return file


def compose(admin: str, context: str, namespace: str, server: str) -> str:
    """Build the text from the node's own admin file: one cluster, user and context, all named `context`.

    Raises BeyondRepair when the admin file is not of the form that kubeadm writes.
    """
    import yaml  # start-up: most commands find the file in place

    try:
        document = yaml.safe_load(admin)
        (cluster,), (user,) = document["clusters"], document["users"]
        authority = cluster["cluster"]["certificate-authority-data"]
        credentials = {key: user["user"][key] for key in ("client-certificate-data", "client-key-data")}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__} in {ADMIN_FILE}"
        raise BeyondRepair("the node's credentials cannot be read", why=why) from None
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": {"certificate-authority-data": authority, "server": server}}],
            "users": [{"name": context, "user": credentials}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context, "namespace": namespace}}],
            "current-context": context,
        },
        sort_keys=False,
        width=1_000_000,
    )


def fits(file: Path, context: str, server: str) -> bool:
    """Tell whether the file has the one context, points at `server`, and is closed to others.

    Compares lines, not YAML: the text is kilter's own, and any other text is simply written anew.
    """
    try:
        if file.is_symlink() or file.stat().st_mode & 0o077:
            return False
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    wanted = (f"    server: {server}", f"current-context: {context}", f"- name: {context}")
    return all(line in lines for line in wanted) and sum(line.startswith("- name: ") for line in lines) == 3


def leads_to(file: Path, servers: Collection[str]) -> bool:
    """Tell whether the file is there and points at one of these addresses."""
    if not file.is_file():
        return False
    lines = map(str.strip, file.read_text(encoding="utf-8", errors="replace").splitlines())  # it may be damaged
    return any(line.removeprefix("server: ") in servers for line in lines if line.startswith("server: "))


def server_of(node: Container) -> str:
    """Return the address of the node's API server on this machine."""
    ports = node.published.get(API_PORT)
    if not ports:
        raise BeyondRepair(f"{node.name} publishes no API server")
    return f"https://127.0.0.1:{ports[0]}"
