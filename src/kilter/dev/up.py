"""`kilter up`: from a kilter.yaml to answers at the printed addresses, in steps that may each be run again."""

import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from kilter.clusters import engine, ports
from kilter.clusters.kind import KindProvider
from kilter.clusters.lock import held
from kilter.clusters.node import is_elsewhere, stop_was_cut_off
from kilter.clusters.provider import ApiPortTaken, BeyondRepair, Cluster, State, StaysUnready
from kilter.dev import bases, clusters, ready, stopflag, tilt, tilt_process
from kilter.dev.former import former
from kilter.dev.machine import Machine
from kilter.dev.notices import notices, refuse_unmet
from kilter.dev.prune import prune
from kilter.dev.ready import awaited
from kilter.dev.reassign import MOVE_WITH_A_CLUSTER, make_room, needed, reassign
from kilter.dev.recreate import discard
from kilter.dev.rendering import render_files, write
from kilter.dev.settled import fresh_start
from kilter.dev.sharing import share_images
from kilter.dev.threads import beside
from kilter.dev.tilt import TiltLife
from kilter.dev.warming import Warming, builds, complete_caches
from kilter.dev.workspace import Workspace, open_workspace
from kilter.errors import NotReady
from kilter.project.load import Project
from kilter.render.addresses import Address, addresses
from kilter.render.tree import claimed
from kilter.state.files import is_filled
from kilter.tools.kubectl import Kubectl

IMAGES_LIMIT = 60.0  # seconds; afterwards the pods themselves wait for the images, and say so


@dataclass(frozen=True)
class UpOptions:
    """`timeout` in seconds for the whole; `recreate` allows a new cluster where the old is gone or beyond repair.

    `reassign_ports` allows another block of ports where other programs hold some of the project's.
    """

    timeout: float = 300.0
    recreate: bool = False
    reassign_ports: bool = False


@dataclass(frozen=True)
class UpResult:
    """What came of it: the workspace, its addresses, and Tilt's page."""

    workspace: Workspace
    addresses: tuple[Address, ...]
    tilt: str


def up(machine: Machine, project: Project, options: UpOptions) -> UpResult:
    """Bring the project up, or bring it up to date; returns when everything answers.

    Raises what the steps raise: BadInput, Busy, MachineLacks, BuildFailed, NotReady, TimedOut.
    """
    with held(machine.paths, project.name, "up", machine.progress), beside(machine) as pool:
        return Up(machine, project, options, pool).run()


@dataclass
class Up:
    """One `kilter up` under way."""

    machine: Machine
    project: Project
    options: UpOptions
    pool: ThreadPoolExecutor
    limit: float = field(init=False)
    since: datetime | None = field(default=None, init=False)  # when the node started, where it was there before
    has_started_node: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.limit = ready.deadline(self.options.timeout)

    def run(self) -> UpResult:
        """Tell the story: check, plan, render, cluster, dev loop, answers."""
        refuse_unmet(self.project)
        tools = self.fetch_tools()
        provider = clusters.provider(self.machine)
        engine.check(self.machine.runner, self.machine.environment)
        cluster = provider.find(self.project.name)
        if self.options.reassign_ports:
            if self.options.recreate:
                cluster = make_room(self.machine, provider, self.project, cluster)
            reassign(self.machine, self.project, cluster)
        workspace = open_workspace(self.machine, self.project, cluster_exists=cluster.exists)
        for notice in (*former(self.machine, self.project), *notices(workspace)):
            self.machine.progress.warn(notice)
        files = render_files(workspace, tools["helm"].result())
        shared = self.pool.submit(share_images, self.machine)
        warming = Warming(workspace, shared)
        if not cluster.exists:
            warming.begin(self.pool)
        else:
            self.pool.submit(bases.bring, workspace, builds(workspace).values())
        with warming:
            self.bring_up(provider, cluster, workspace, files["kind.yaml"])
        stopflag.clear(self.machine, self.project)  # before Tilt sees it: an app may be built of the whole directory
        self.await_images(warming)
        shared.result()
        self.make_volume_folders(workspace, files)
        commands = self.kubectl(workspace, tools["kubectl"].result())
        if cluster.exists:
            prune(workspace, commands, files)
        if write(workspace, files) and cluster.exists:
            self.pool.submit(complete_caches, workspace)
        life = self.start_tilt(workspace, tools["tilt"].result())
        self.await_answers(workspace, life, commands, files)
        return UpResult(workspace, addresses(workspace.plan), life.url)

    def fetch_tools(self) -> "dict[str, Future[Path]]":
        """Begin to look for every tool at once; a `result()` waits for one."""
        return {name: self.pool.submit(self.machine.tool, name) for name in ("kind", "helm", "kubectl", "tilt")}

    def bring_up(self, provider: KindProvider, cluster: Cluster, workspace: Workspace, config: str) -> None:
        """Create the cluster, start the stopped one, or find that it runs (LC-8, LC-Q19)."""
        if not cluster.exists:
            self.refuse_lost_data(workspace)
            if self.project.says_stopped:
                self.machine.progress.note(f"{self.project.file} says `stopped`, and this machine has no such cluster")
            ports.check(self.machine.runner, needed(self.machine.paths, workspace.allocation, cluster))
            self.create(provider, workspace, config)
            return
        try:
            self.resume(provider, cluster, workspace)
        except (ApiPortTaken, BeyondRepair, StaysUnready) as error:
            if not self.options.recreate:
                raise
            discard(self.machine, provider, workspace.name, error.what)
            self.limit = ready.deadline(self.options.timeout)
            self.create(provider, workspace, config)

    def create(self, provider: KindProvider, workspace: Workspace, config: str) -> None:
        """Create the cluster; a Tilt that still runs speaks to one that is gone, and is ended."""
        image = workspace.node_image
        tilt_process.end(self.machine.paths, workspace.name)
        with self.machine.progress.step(f"create the cluster {workspace.plan.cluster}") as step:
            step.note(f"one container, from {image.partition('@')[0]}")
            provider.create(workspace.name, config, image)

    def await_images(self, warming: Warming) -> None:
        """Let a new node unpack what it was given before pods ask for it."""
        if warming.await_services(0):
            return
        with self.machine.progress.step("bring the services' images into the cluster") as step:
            if not warming.await_services(min(IMAGES_LIMIT, self.left())):
                step.done("goes on; the services start as their images come")

    def resume(self, provider: KindProvider, cluster: Cluster, workspace: Workspace) -> None:
        """Start the stopped cluster, or find that it runs; raises ApiPortTaken, BeyondRepair or StaysUnready."""
        name = workspace.name
        if cluster.state is State.RUNNING and not stop_was_cut_off(self.machine.paths, name):
            self.since = fresh_start(provider.start(name, self.left()))
            self.machine.progress.note(f"the cluster {workspace.plan.cluster} was already running")
            return
        if cluster.state is not State.FOREIGN and not cluster.holds_ports:
            ports.check(self.machine.runner, workspace.allocation.mapped_ports, MOVE_WITH_A_CLUSTER)
        with self.machine.progress.step(f"start the cluster {workspace.plan.cluster}"):
            self.since = fresh_start(provider.start(name, self.left()))
            self.has_started_node = True

    def make_volume_folders(self, workspace: Workspace, files: Mapping[str, str]) -> None:
        """Make the folders of the services' volumes; the pods find them there, those of an earlier cluster too."""
        for claim in claimed(files):
            (self.machine.paths.volumes(workspace.name) / claim).mkdir(exist_ok=True)

    def refuse_lost_data(self, workspace: Workspace) -> None:
        """Stop before a new cluster is made over the data of one that was removed outside kilter (LC-Q19, LC-Q21)."""
        volumes = self.machine.paths.volumes(workspace.name)
        if self.options.recreate or not is_filled(volumes):
            return
        runner, name = self.machine.runner, workspace.name
        here = engine.address_of(runner, self.machine.environment)
        if is_elsewhere(runner, self.machine.paths, name):
            raise NotReady(
                f"the cluster of {name} was made on another Docker than this one: {here}",
                why=f"the services' volumes lie in {volumes}, and two clusters at once would damage them",
                hint="choose the other Docker (`docker context ls`, DOCKER_HOST); if that is gone for good, "
                "`kilter up --recreate` makes a new cluster and gives it these volumes",
            )
        raise NotReady(
            f"the cluster of {name} was removed outside kilter, but its data is still there",
            why=f"the services' volumes lie in {volumes}; what you made in the old cluster by hand is gone",
            hint="`kilter up --recreate` makes a new cluster and gives it these volumes; if the old one is on another "
            f"Docker than {here}, choose that one",
        )

    def left(self) -> float:
        """Return how many seconds are left for the whole, one at least."""
        return max(1.0, self.limit - time.monotonic())

    def start_tilt(self, workspace: Workspace, binary: Path) -> TiltLife:
        """Start the dev loop, or hand a running one the changed files."""
        life = TiltLife(tilt.commands(binary, workspace), workspace)
        with self.machine.progress.step("start the dev loop (Tilt)") as step:
            step.done(life.ensure())
        return life

    def kubectl(self, workspace: Workspace, binary: Path) -> Kubectl:
        """Return the commands for the project's cluster; its kubeconfig is there once the cluster runs."""
        return Kubectl(binary, workspace.kubeconfig, workspace.plan.context, workspace.plan.namespace)

    def await_answers(self, workspace: Workspace, life: TiltLife, commands: Kubectl, files: Mapping[str, str]) -> None:
        """Wait until every service and app answers at its address."""
        # In a thread of its own: those of the pool may all be building, for longer than the time that is given.
        with (
            beside(self.machine) as asking,
            self.machine.progress.step("wait until every service and app answers") as step,
        ):
            ask = partial(asking.submit, life.check)
            wait = ready.Wait(workspace, commands, awaited(files), self.limit, ask, self.since)
            wait.steadiness.is_watching = self.has_started_node
            wait.run(step)
