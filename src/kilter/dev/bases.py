"""The images that the project's Dockerfiles build on, kept in Docker's own store.

A build alone leaves them in its cache, without their names: the next build of another project then asks the registry
what `python:3.13-slim` is, and fails without network. An image in the store is known by its name.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from kilter.dev.workspace import Workspace
from kilter.errors import KilterError
from kilter.project.dockerfile import Dockerfile, Stage, read
from kilter.render.model import BuildPlan
from kilter.tools import images

SCRATCH = "scratch"  # no image, although it is written as one


def bring(workspace: Workspace, builds: Iterable[BuildPlan]) -> None:
    """Pull what the builds need and Docker does not have; what cannot be pulled is left to the build to tell."""
    run = workspace.machine.runner.run
    for image in sorted({image for build in builds for image in _of(workspace, build)}):
        with suppress(KilterError):
            if run(images.inspect(image)).code != 0:
                run(images.pull(image))


def bases(dockerfile: Dockerfile, target: str | None) -> set[str]:
    """Return the images that a target is built from; one whose name depends on a build argument is left out."""
    first = dockerfile.stage(target)
    todo, seen, found = [first] if first else [], set[int](), set[str]()
    while todo:
        stage = todo.pop()
        if stage.line in seen:
            continue
        seen.add(stage.line)
        for origin in _origins(stage):
            below = dockerfile.stage(origin)
            if below is not None and below.line < stage.line:
                todo.append(below)
            elif origin != SCRATCH and "$" not in origin:
                found.add(origin)
    return found


def _of(workspace: Workspace, build: BuildPlan) -> set[str]:
    try:
        text = (workspace.project.root / build.dockerfile).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    return bases(read(text), build.target or None)


def _origins(stage: Stage) -> Iterator[str]:
    """Yield the stages and images that a stage begins with, copies from or mounts."""
    yield stage.base
    for instruction in stage.instructions:
        for flag, value in instruction.flags:
            options = dict(part.partition("=")[::2] for part in value.split(","))
            origin = value if flag == "from" else options.get("from", "") if flag == "mount" else ""
            if origin:
                yield origin
