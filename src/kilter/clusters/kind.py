"""Clusters made by kind: one node, one container, `kilter-<project>-control-plane`.

`kilter.clusters.node` tells which of them are kilter's; the others are never touched.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from kilter.clusters import ending, kubeconfig, kubelet, network, node
from kilter.clusters.diagnosis import explain
from kilter.clusters.node import cluster_name, creation_mark, node_name, stopping_mark
from kilter.clusters.provider import ApiPortTaken, BeyondRepair, Capabilities, Cluster, Listed, State, StaysUnready
from kilter.errors import Busy, Failed, KilterError, MachineLacks, NotReady, TimedOut
from kilter.proc import ANY_CODE, Command, Runner
from kilter.state.files import is_filled, write_whole
from kilter.state.paths import IDENTITY_MOUNT, Paths
from kilter.tools import docker, kind
from kilter.tools.docker import Container

POLL = 0.4  # seconds between two questions to a starting API server
CUT_OFF_GRACE = 20  # seconds for a node whose stop is finished later
CAPABILITIES = Capabilities(
    maps_ports_later=False, survives_reboot=True, enforces_network_policy=True, load_balancer=False
)


class KindProvider:
    """See `Provider`. `binary` gives the path of kind and is called only when a cluster is created.

    `environment` is the user's, as kind gets it too.
    """

    name = "kind"
    capabilities = CAPABILITIES

    def __init__(
        self, runner: Runner, paths: Paths, binary: Callable[[], Path], environment: Mapping[str, str]
    ) -> None:
        self.runner = runner
        self.paths = paths
        self.binary = binary
        self.environment = environment

    def find(self, project: str) -> Cluster:
        """See `Provider.find`."""
        return node.find(self.runner, self.paths, project)

    def all(self) -> tuple[Listed, ...]:
        """See `Provider.all`."""
        return node.find_all(self.runner, self.paths)

    def create(self, project: str, config: str, image: str) -> Cluster:
        """See `Provider.create`. The config's node must mount `Paths.identity` at `IDENTITY_MOUNT`."""
        found = self.find(project)
        if found.state is State.UNFINISHED:
            self._remove_leftovers(project)
        elif found.state is not State.ABSENT:
            raise node.foreign(found) if found.state is State.FOREIGN else _present(found)
        if IDENTITY_MOUNT not in config:
            raise Failed(f"the cluster config of {project} does not mount {IDENTITY_MOUNT}, the mark of ownership")
        self._prepare(project, image)
        scratch = self.paths.project_data(project) / "kubeconfig.kind"
        try:
            self.runner.run(self._creation(project, config, image, scratch))
            container = self._owned(project)
            self.runner.run(docker.restart_policy(container.id, "unless-stopped"))
            self._write_kubeconfig(project, container)
        except KilterError as error:
            raise explain(error, self._clean_up(project)) from error
        except BaseException:
            self._clean_up(project)
            raise
        finally:
            scratch.unlink(missing_ok=True)
        creation_mark(self.paths, project).unlink(missing_ok=True)
        return Cluster(project, State.RUNNING, container)

    def start(self, project: str, timeout: float) -> Cluster:
        """See `Provider.start`."""
        found = self.find(project)
        container = node.own(found)
        if found.state is State.UNFINISHED:
            raise NotReady(f"the cluster of {project} was never finished", hint="`kilter up` makes it anew")
        if container.status == "paused":
            self.runner.run(docker.unpause(container.id))
        cut_off = found.holds_ports and node.stop_was_cut_off(self.paths, project)
        if cut_off:  # without its kubelet it answers on, and no pod would come back: what was begun is finished
            self._end(docker.stop(container.id, CUT_OFF_GRACE), container)
        if cut_off or not found.holds_ports:
            stopping_mark(self.paths, project).unlink(missing_ok=True)  # its next start brings the kubelet
            kubelet.write_unit(self.paths, project)
            try:
                self.runner.run(docker.start(container.id))
            except MachineLacks as error:
                self._refuse_taken_api_port(project, container)
                raise explain(_unstartable(container, error), "") from error
        self.wait_until_ready(project, timeout)
        container = self._owned(project)
        self._write_kubeconfig(project, container)
        return Cluster(project, State.RUNNING, container)

    def stop(self, project: str, grace: int) -> bool:
        """See `Provider.stop`."""
        found = self.find(project)
        if found.container is None:
            return False
        container = node.own(found)
        if container.status == "paused":
            self.runner.run(docker.unpause(container.id))
        elif node.STATES.get(container.status) is not State.RUNNING:
            return False
        self._end(docker.stop(container.id, grace), container)
        stopping_mark(self.paths, project).unlink(missing_ok=True)
        return True

    def discard(self, project: str, grace: int) -> None:
        """See `Provider.discard`."""
        container = node.own(self.find(project))
        if node.STATES.get(container.status) is State.RUNNING:
            with suppress(Failed, TimedOut):  # it is broken: it may not end by itself
                self._end(docker.stop(container.id, grace), container)
        self._end(docker.remove(container.id), container)
        self._forget(project)

    def delete(self, project: str) -> bool:
        """See `Provider.delete`. The container goes last, so that a deletion cut off is taken up again."""
        found = self.find(project)
        volumes = self.paths.volumes(project)
        if found.container is None:
            emptied = self._empty_orphan(project, volumes)
            self._forget(project, is_over=False)
            return emptied
        container = node.own(found)
        self._end(docker.kill(container.id), container)
        if mount := next((one for one in container.mounts if node.is_at(one.source, volumes)), None):
            everything = _delete_all(mount.destination)
            self._empty(docker.run_once(container.image_id, "find", everything, mounts_of=container.id), volumes)
        self._end(docker.remove(container.id), container)
        self._forget(project)
        return True

    def kubeconfig(self, project: str) -> Path:
        """See `Provider.kubeconfig`. Raises NotFound without a cluster, NotReady when it does not run."""
        return kubeconfig.ensure(self.runner, self.paths, project)

    def wait_until_ready(self, project: str, timeout: float) -> None:
        """Wait until the API server says that it is ready. Raises BeyondRepair when the node ended, StaysUnready."""
        limit = time.monotonic() + timeout
        while True:
            try:
                said = self._ask_whether_ready(project)
            except TimedOut as error:  # a machine that is busy, or has just woken up
                said = error.what
            if said is None:
                return
            if time.monotonic() >= limit:
                raise StaysUnready(node_name(project), timeout, said)
            time.sleep(POLL)

    def _ask_whether_ready(self, project: str) -> str | None:
        """Ask the API server once; returns what is said instead of yes. Raises BeyondRepair, and TimedOut by Docker."""
        name = node_name(project)
        question = ("kubectl", "--kubeconfig", kubeconfig.ADMIN_FILE, "get", "--raw", "/readyz", "--request-timeout=3s")
        answer = self.runner.run(docker.execute(name, *question, timeout=30, ok=ANY_CODE))
        if answer.code == 0:
            return None
        if kubeconfig.ADMIN_FILE in answer.stderr and "no such file" in answer.stderr:
            raise BeyondRepair(f"{name} has no credentials", why=answer.stderr.strip())
        if self.find(project).state is not State.RUNNING:
            log = self.runner.run(docker.logs(name, 20))
            lines = (log.stdout + log.stderr).splitlines()
            raise explain(BeyondRepair(f"{name} ended while it was starting", details=lines), "")
        return answer.stderr or answer.stdout

    def _refuse_taken_api_port(self, project: str, container: Container) -> None:
        """Raise ApiPortTaken if a container that does not run could not have its API server's port, naming who has it.

        The caller has looked at the project's own ports before; this one is of kind's choice.
        """
        from kilter.clusters import ports  # start-up: needed where something is wrong alone

        for port in container.published.get(kubeconfig.API_PORT, ()):
            if not ports.is_free(port):
                [holder] = ports.named(self.runner, [port])
                raise ApiPortTaken(str(holder), cluster_name(project))

    def _owned(self, project: str) -> Container:
        return node.own(self.find(project))

    def _creation(self, project: str, config: str, image: str, scratch: Path) -> Command:
        from kilter.clusters import proxy  # start-up: needed once per cluster

        direct = proxy.bypass(self.runner, self.environment)
        name, binary = cluster_name(project), self.binary()
        command = kind.create(binary, name, config=config, kubeconfig=scratch, image=image, env=direct)
        return replace(command, trace=creation_mark(self.paths, project))

    def _prepare(self, project: str, image: str) -> None:
        """Make the network, and the mounted folders (the engine would make them as root), and set the mark."""
        network.ensure(self.runner)
        self.paths.volumes(project).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self.paths.cluster_mark(project), f"{project}\n")
        kubelet.write_unit(self.paths, project)
        write_whole(self._image_file(project), f"{image}\n")
        engine, again = (docker.parse_info(self.runner.run(docker.info())).id for _ in range(2))
        if engine and engine == again:  # Podman answers with another one each time
            write_whole(node.engine_file(self.paths, project), f"{engine}\n")
        else:
            node.engine_file(self.paths, project).unlink(missing_ok=True)
        write_whole(creation_mark(self.paths, project), "")

    def _image_file(self, project: str) -> Path:
        return self.paths.project_data(project) / "node-image"

    def _remove_leftovers(self, project: str) -> str:
        """Remove what a failed creation left, if it bears our mark; return the last lines of its log."""
        found = self.find(project)
        said = ""
        if found.state is State.UNFINISHED and found.container is not None:
            log = self.runner.run(docker.logs(found.container.id, 30))
            said = log.stdout + log.stderr
            self._end(docker.remove(found.container.id), found.container)
        # The engine may still be making what it was asked for: found later, that is to be known as the rest it is.
        self._forget(project, is_over=found.container is not None)
        return said

    def _end(self, command: Command, container: Container) -> None:
        ending.end(self.runner, command, container.id, container.image_id)

    def _forget(self, project: str, *, is_over: bool = True) -> None:
        """Remove what this machine's files say of a cluster, once there is none; and of its creation, if it is over."""
        if is_over:
            creation_mark(self.paths, project).unlink(missing_ok=True)
        for file in (stopping_mark(self.paths, project), self.paths.cluster_mark(project)):
            file.unlink(missing_ok=True)
        with suppress(PermissionError):  # its folder is root's; a stale one is noticed, and made anew
            self.paths.kubeconfig(project).unlink(missing_ok=True)

    def _clean_up(self, project: str) -> str:
        """Do as `_remove_leftovers`; where that fails, the mark stays and the next creation does it."""
        with suppress(KilterError):
            return self._remove_leftovers(project)
        return ""

    def _write_kubeconfig(self, project: str, container: Container) -> Path:
        return kubeconfig.ensure_for(self.runner, self.paths, project, container)

    def _empty_orphan(self, project: str, volumes: Path) -> bool:
        """Empty the data folder of a cluster whose container was removed by somebody else."""
        if not is_filled(volumes):
            return False
        image = self._image_file(project)
        if not image.is_file():
            raise _left_over(volumes)
        command = docker.run_once(
            image.read_text().strip(), "find", _delete_all("/volumes"), bind=f"{volumes.resolve()}:/volumes"
        )
        self._empty(command, volumes)
        return True

    def _empty(self, command: Command, volumes: Path) -> None:
        """Empty a folder through a container: its files belong to users whom the host does not know."""
        try:
            self.runner.run(command)
        except Failed as error:
            if is_filled(volumes):
                raise _left_over(volumes) from error
        if is_filled(volumes):
            raise _left_over(volumes)


def _delete_all(folder: str) -> tuple[str, ...]:
    return folder, "-mindepth", "1", "-delete"


def _unstartable(container: Container, error: KilterError) -> KilterError:
    """Tell a container that the engine cannot start from an engine that did not answer."""
    if not any("error response from daemon" in line.lower() for line in error.details):
        return error
    what = f"the container {container.name} does not start"
    if any("[::1]" in line and "cannot assign requested address" in line for line in error.details):
        what += ": its ports are on IPv6 too, which this machine has no longer"
    return BeyondRepair(what, why=error.what, details=error.details)


def _present(found: Cluster) -> Busy:
    return Busy(f"project {found.project} has a cluster already ({found.state})", hint="`kilter up` goes on with it")


def _left_over(volumes: Path) -> Failed:
    return Failed(
        f"the services' data in {volumes} could not be deleted",
        why="its files belong to users inside the cluster",
        hint=f"run `sudo rm -r {volumes}`",
    )
