"""The image of a deploy: built here with the project's own Dockerfile, pushed with a credential of ten minutes."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from kilter.api.projects import PushCredentials
from kilter.clusters.engine import config_folder
from kilter.errors import BuildFailed, KilterError
from kilter.proc import Command, Outcome, Runner
from kilter.project import edit
from kilter.project.load import Project
from kilter.project.model import Component
from kilter.state.files import write_whole
from kilter.state.paths import Paths
from kilter.state.scratch import scratch
from kilter.tools import docker, images

DEFAULT_CONTEXT = "default"  # of the docker CLI: DOCKER_HOST, or this machine's own engine; it is kept nowhere
RELEASE_STAGE = "release"
NAMED = 3  # files that changed during the build, in a sentence
NO_PUSH = "deploy again: the registry {} may have been away; if not, its administrator can tell whether it has room"
DIGEST = re.compile(r"digest: (sha256:[a-f0-9]{64})")
# What Git says is read, so it must be in its own words; looking takes no lock from who works there; and a hook that
# deploys, such as the one of a push, has its own repository in these variables and not the project's.
OF_A_HOOK = ("GIT_COMMON_DIR", "GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")
QUIET = {**dict.fromkeys(OF_A_HOOK), "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
# A repository that is named and cannot be found, as of a worktree that was moved alone, is said in other words.
OUTSIDE = "not a git repository (or any"
UNBORN = "ambiguous argument 'HEAD'"
# The build takes files whatever the user's settings of Git leave out.
ALL_CHANGES = ("--untracked-files=normal", "--ignore-submodules=none")


@dataclass(frozen=True)
class Source:
    """The state of the working tree: its commit, empty outside of Git, and the files that differ from it.

    `fault` is what keeps Git from telling.
    """

    commit: str
    changes: tuple[str, ...] = ()
    fault: str = ""

    @property
    def dirty(self) -> bool:
        """Whether anything differs, or may."""
        return bool(self.changes or self.fault)


def source_of(runner: Runner, project: Project) -> Source:
    """Look at the project's Git repository; a project outside of one has an empty commit."""
    try:
        head = _git(runner, project, "rev-parse", "HEAD", ok=(0, 128))
        if head.code:
            said = head.stderr.strip().partition("\n")[0]
            fault = "the branch has no commit yet" if UNBORN in said else said.removeprefix("fatal: ")
            return Source("", fault="" if OUTSIDE in head.stderr else fault)
        changes = _changes(runner, project, ".")
        # Git writes a path in quotes where one of its folders has a space, say.
        if any(project.file.name in path for path in changes) and _only_stopped(runner, project):
            own = _changes(runner, project, project.file.name)
            changes = tuple(path for path in changes if path not in own)
        if not _git(runner, project, "check-ignore", "--quiet", "--", project.file.name, ok=(0, 1)).code:
            changes = (project.file.name, *changes)  # told to pass it over, Git has it in no commit and says nothing
    except KilterError as error:
        return Source("", fault=error.what)
    return Source(head.stdout.strip(), changes)


def after_build(runner: Runner, project: Project, before: Source) -> Source:
    """Look again: what came in while the image was built may be in it, so that no commit says what it holds."""
    now = source_of(runner, project)
    if now == before or now.fault:
        return Source(before.commit, now.changes, now.fault)
    moved = (f"HEAD (now {now.commit[:12] or 'none'})",) if now.commit != before.commit else ()
    changed = (*moved, *sorted({*before.changes} ^ {*now.changes}))
    more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
    return Source(before.commit, (*moved, *now.changes), f"{', '.join(changed[:NAMED])}{more} changed during the build")


def _git(runner: Runner, project: Project, *words: str, ok: tuple[int, ...] = (0,)) -> Outcome:
    return runner.run(Command(("git", *words), cwd=project.root, env=QUIET, ok=ok))


def _changes(runner: Runner, project: Project, path: str) -> tuple[str, ...]:
    """Return the files below a path that differ from the commit, or are in none."""
    told = _git(runner, project, "status", "--porcelain", *ALL_CHANGES, "--", path).stdout
    return tuple(line[3:] for line in told.splitlines())


def _only_stopped(runner: Runner, project: Project) -> bool:
    """Tell whether kilter.yaml differs by `cluster.stopped` alone, which `kilter stop` and `up` write themselves."""
    try:
        committed = _git(runner, project, "show", f"HEAD:./{project.file.name}").stdout
        return edit.clear_stopped(committed) == edit.clear_stopped(edit.text_of(project.file))
    except KilterError:  # it is in no commit, or written in a way that cannot be compared
        return False


@dataclass(frozen=True)
class Engine:
    """The Docker engine that the user chose, and its address.

    `environment` holds the docker CLI to it, whatever the Docker config of the moment says; `contexts` is the user's
    own folder of contexts, None where the engine is not in it.
    """

    address: str
    environment: Mapping[str, str]
    contexts: Path | None = None


def engine_of(runner: Runner, environment: Mapping[str, str]) -> Engine:
    """Return the engine in use. It is named by its context, since that alone says how to speak to it: TLS, SSH."""
    context, _, address = runner.run(docker.context()).stdout.strip().partition(" ")
    config = config_folder(environment).absolute()
    chosen = {"DOCKER_CONTEXT": context}
    if environment.get("DOCKER_TLS_VERIFY") or environment.get("DOCKER_TLS"):
        # The docker CLI looks for the certificates in its config, and for the push that is another one.
        chosen["DOCKER_CERT_PATH"] = environment.get("DOCKER_CERT_PATH") or str(config)
    return Engine(address, chosen, None if context == DEFAULT_CONTEXT else config / "contexts")


def build(runner: Runner, engine: Engine, project: Project, component: Component, tag: str, platform: str) -> None:
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
    try:
        runner.run(replace(command, env=engine.environment))
    except BuildFailed as error:
        error.hint = error.hint or images.remedy("\n".join(error.details), context)
        raise


@contextmanager
def named(runner: Runner, engine: Engine, tag: str) -> Iterator[None]:
    """Take the name of what is built in this block off again, however it ends; it is of no use to anybody else."""
    try:
        yield
    finally:
        with suppress(KilterError):  # a name that stays is no reason to fail
            runner.run(replace(images.untag(tag), env=engine.environment))


def push(runner: Runner, engine: Engine, tag: str, credentials: PushCredentials, paths: Paths) -> str:
    """Push `tag` and return its digest. Raises BuildFailed.

    Of the user's own Docker config the contexts alone are read, and nothing is changed (DP-Q6).
    """
    with scratch(paths, "push") as folder:
        write_docker_config(folder, credentials, engine.contexts)
        command = images.push(tag, environment={**engine.environment, "DOCKER_CONFIG": str(folder)})
        told = runner.run(replace(command, hint=NO_PUSH.format(credentials.registry))).stdout
    found = DIGEST.findall(told)
    if not found:
        raise BuildFailed(f"the push of {tag} told no digest", details=told.splitlines()[-5:])
    return str(found[-1])


def write_docker_config(folder: Path, credentials: PushCredentials, contexts: Path | None) -> None:
    """Make a folder the Docker config of one push; the user's `contexts`, if any, are linked to and not changed."""
    word = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
    content: Mapping[str, object] = {"auths": {credentials.registry: {"auth": word}}}
    write_whole(folder / "config.json", json.dumps(content))
    if contexts:
        (folder / "contexts").symlink_to(contexts)
