"""What can be done while a cluster is being created: building the project's images, and pulling all images into it.

Nothing depends on it: what fails here is done again, and reported, by Tilt and by the node itself. Only the layers
matter; Tilt finds those of the build in the build cache and in the registry, the node those that were pulled.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from kilter.clusters import imagecache, registry
from kilter.clusters.node import node_name
from kilter.dev import bases
from kilter.dev.workspace import Workspace
from kilter.errors import KilterError
from kilter.proc import ANY_CODE, Command
from kilter.render.builds import IGNORED
from kilter.render.cluster import CERTS_MOUNT
from kilter.render.model import BuildPlan
from kilter.state.scratch import scratch
from kilter.tools import docker, images

RETRY = 0.5  # seconds between two attempts to pull into a node that is still starting
PULL_LIMIT = 600.0
PATIENCE = 120.0  # seconds that the image of an app waits for those of services


class Warming:
    """The warming of one project's first start; as a context it ends the retries when its block is left."""

    def __init__(self, workspace: Workspace, shared: "Future[None]") -> None:
        """`shared` is done when the machine's image registry runs."""
        self.workspace = workspace
        self.shared = shared
        self.over = threading.Event()
        self.pulls: Sequence[Future[None]] = ()

    def begin(self, pool: Executor) -> None:
        """Start everything in the background."""
        qualified = filter(imagecache.is_qualified, service_images(self.workspace))
        self.pulls = [pool.submit(self.pull, image) for image in qualified]
        pool.submit(self.complete)
        # After the pulls, which the builds wait for: the pool takes up first what came first.
        for build in builds(self.workspace).values():
            pool.submit(self.build, build)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()

    def pull(self, image: str) -> None:
        """Pull an image into the node as soon as its engine answers."""
        command = pull_into(node_name(self.workspace.name), image)
        with suppress(KilterError):
            self.shared.result()
            while self.workspace.machine.runner.run(command).code != 0 and not self.over.wait(RETRY):
                pass

    def await_services(self, seconds: float) -> bool:
        """Wait, at most so long, until the pulls of the services' images have ended; tells whether they have.

        A node knows an image before it has unpacked it; pods that start then unpack it too, each for itself.
        """
        return not wait(self.pulls, timeout=seconds).not_done

    def complete(self) -> None:
        """Let the image caches hold whole what was pulled; afterwards, because then they need to fetch little more."""
        wait(self.pulls)
        complete_caches(self.workspace)

    def build(self, build: BuildPlan) -> None:
        """Build an image as Tilt is going to, push it where Tilt is going to, and pull it."""
        tag = f"{registry.HOST_ADDRESS}/{build.reference.replace('/', '_')}:warm"
        root, run = self.workspace.project.root, self.workspace.machine.runner.run
        bases.bring(self.workspace, [build])
        with suppress(KilterError, OSError):
            with scratch(self.workspace.machine.paths, "build") as folder:
                context, dockerfile = root / build.context, folder / "Dockerfile"
                dockerfile.write_bytes((root / build.dockerfile).read_bytes())
                dockerfile.with_name("Dockerfile.dockerignore").write_bytes(left_out(context, root / build.dockerfile))
                run(images.build(context, tag, dockerfile=dockerfile, target=build.target or None))
            self.shared.result()
            run(images.push(tag))
            # Apps start after their services, and unpacking takes a core for seconds.
            if not self.await_services(PATIENCE):
                return
            self.pull(tag.replace(registry.HOST_ADDRESS, registry.NODE_ADDRESS, 1))


def complete_caches(workspace: Workspace) -> None:
    """Let the image caches hold every part of the services' images."""
    with suppress(KilterError):
        imagecache.complete(workspace.machine.runner, workspace.name, service_images(workspace))


def left_out(context: Path, dockerfile: Path) -> bytes:
    """Return what a build is to leave out, as a `.dockerignore`: what the user's own names, and what Tilt leaves out.

    The exceptions are for the context's own folder alone: for others, Docker would walk through every `node_modules`.
    """
    places = (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore")
    own = next((place.read_bytes() for place in places if place.is_file()), b"")
    return b"\n".join([own, *(name.replace("!**/", "!").encode() for name in IGNORED), b""])


def service_images(workspace: Workspace) -> frozenset[str]:
    """Return the images of the services."""
    return frozenset(service.image for service in workspace.plan.services)


def builds(workspace: Workspace) -> Mapping[tuple[str, str, str], BuildPlan]:
    """Return the builds of a project by what they build; two names for one result are one build."""
    found = [app.build for app in workspace.plan.apps if app.build]
    return {(build.context, build.dockerfile, build.target): build for build in reversed(found)}


def pull_into(node: str, image: str) -> Command:
    """Build the command that pulls an image into a node, through the caches that the node knows."""
    pull = ("ctr", "--namespace", "k8s.io", "images", "pull", "--hosts-dir", CERTS_MOUNT, image)
    return docker.execute(node, *pull, timeout=PULL_LIMIT, ok=ANY_CODE)
