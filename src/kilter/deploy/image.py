"""The image of a deploy: built here with the project's own Dockerfile, pushed with a credential of ten minutes."""

import base64
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kilter.api.projects import PushCredentials
from kilter.errors import BuildFailed, KilterError
from kilter.proc import Command, Runner
from kilter.project.load import Project
from kilter.project.model import Component
from kilter.state.files import write_whole
from kilter.tools import images

RELEASE_STAGE = "release"
DIGEST = re.compile(r"digest: (sha256:[a-f0-9]{64})")


@dataclass(frozen=True)
class Source:
    """The state of the working tree: short commit, empty outside of Git, and whether it differs from it."""

    commit: str
    dirty: bool


def source_of(runner: Runner, root: Path) -> Source:
    """Look at the project's Git repository; a project outside of one has an empty commit."""
    quiet = {"GIT_OPTIONAL_LOCKS": "0"}
    try:
        head = runner.run(Command(("git", "rev-parse", "HEAD"), cwd=root, env=quiet, ok=(0, 128)))
        if head.code:
            return Source("", dirty=False)
        changes = runner.run(Command(("git", "status", "--porcelain", "--", "."), cwd=root, env=quiet))
    except KilterError:
        return Source("", dirty=False)
    return Source(head.stdout.strip(), dirty=bool(changes.stdout.strip()))


def build(runner: Runner, project: Project, component: Component, tag: str, platform: str) -> None:
    """Build the image as `tag`. Raises BuildFailed with the end of the build's own words."""
    context = project.inside(component.path)
    arguments = (project.config.deploy.build_args if project.config.deploy else {}) or {}
    command = images.build(
        context,
        tag,
        dockerfile=context / (component.dockerfile or "Dockerfile"),
        target=project.target(component, RELEASE_STAGE),
        platform=platform,
        arguments=arguments,
    )
    runner.run(command)


def push(runner: Runner, tag: str, credentials: PushCredentials, engine: str) -> str:
    """Push `tag` and return its digest. The user's own Docker config is neither read nor changed (DP-Q6).

    `engine` is the address of the Docker engine, because contexts are kept in that config. Raises BuildFailed.
    """
    with docker_config(credentials) as folder:
        command = images.push(tag, environment={"DOCKER_CONFIG": str(folder), "DOCKER_HOST": engine})
        told = runner.run(command).stdout
    found = DIGEST.findall(told)
    if not found:
        raise BuildFailed(f"the push of {tag} told no digest", details=told.splitlines()[-5:])
    return str(found[-1])


@contextmanager
def docker_config(credentials: PushCredentials) -> Iterator[Path]:
    """Make a Docker config for one push, readable by its owner alone, and remove it afterwards."""
    word = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    content: Mapping[str, object] = {"auths": {credentials.registry: {"auth": word}}}
    with tempfile.TemporaryDirectory(prefix="kilter-push-") as folder:
        write_whole(Path(folder) / "config.json", json.dumps(content))
        yield Path(folder)
