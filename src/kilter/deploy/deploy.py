"""`kilter deploy`: from the working directory to a verified answer at the public host."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from secrets import token_hex
from typing import NamedTuple, TypeVar

from kilter.api.deploys import DeployAccepted, DeployRequest
from kilter.api.kilterapp_parts import MESSAGE_LIMIT
from kilter.api.kilterapp_parts import Source as SourceNote
from kilter.api.projects import PushCredentials, PushRequest
from kilter.clusters import disk
from kilter.clusters.engine import answering
from kilter.deploy import image, section
from kilter.deploy.client import Client
from kilter.deploy.documents import DeployPlanDocument
from kilter.deploy.follow import answers, detachable, follow
from kilter.deploy.names import ProjectName, check_text
from kilter.deploy.plan import plan, removals
from kilter.deploy.queries import replaced
from kilter.deploy.refusals import accepted_perhaps
from kilter.deploy.renderable import check_renderable
from kilter.deploy.session import whoami
from kilter.deploy.target import Target, build_platform, check_rights, check_services, check_tree, look
from kilter.errors import BadInput, BuildFailed, Busy
from kilter.proc import Runner
from kilter.progress import Progress
from kilter.project.load import Project
from kilter.state.paths import Paths
from kilter.words import duration, human_duration

T = TypeVar("T")
CREDENTIAL = 600.0  # seconds that a credential to push with lives (DP-Q6)
PUSH_TRIES = 3  # of a push that each time took longer


@dataclass(frozen=True)
class DeployOptions:
    """What the command line says. `image` is a reference by digest that is deployed without a build.

    Seconds: `timeout` limits the wait; `ready_timeout` is the platform's limit until the release is ready, 0 for its
    default.
    """

    env: str = "prod"
    registry: str = ""
    image: str = ""
    message: str = ""
    platform: str = ""
    timeout: float = 900.0
    ready_timeout: float = 0.0
    wait: bool = True
    allow_dirty: bool = False

    def __post_init__(self) -> None:
        """Raise BadInput for words that no request could carry: they are sent when all is built and pushed."""
        check_text("the message", self.message)
        check_text("the image", self.image)
        if len(self.message) > MESSAGE_LIMIT:
            what = f"the message has {len(self.message)} characters"
            raise BadInput(what, why="a platform keeps a sentence with a release", hint=f"{MESSAGE_LIMIT} are the most")


@dataclass(frozen=True)
class Deployed:
    """What came of it; `answered` is the status line of the public host, empty when nobody looked."""

    deploy_id: str
    sequence: int
    release: int
    url: str
    image: str
    answered: str
    seconds: Mapping[str, float]


class Pushed(NamedTuple):
    """An image that the platform may pull, and what it holds as far as is known.

    `push_id` says by which push credential it got there, if by one.
    """

    reference: str
    source: image.Source
    push_id: str = ""


class Prepared(NamedTuple):
    """What is known before the build; `platform` is what the image is for, empty where that is not known."""

    target: Target
    source: image.Source
    platform: str
    plan: DeployPlanDocument


@dataclass
class Deployment:
    """One deploy under way."""

    client: Client
    runner: Runner
    progress: Progress
    project: Project
    name: ProjectName
    options: DeployOptions

    def run(self) -> Deployed:
        """Tell the story: ask the platform, build, push, submit, follow, look from outside.

        Raises what the steps raise; once the platform has accepted, ending this process ends nothing.
        """
        began, seconds = time.monotonic(), dict[str, float]()
        limit = began + self.options.timeout
        engine = None if self._given else self._engine()
        ready = self._prepared()
        for line in removals(ready.plan):
            self.progress.note(line)
        app = ready.plan.app
        pushed = self._image(engine, ready, seconds) if engine else Pushed(self._given, ready.source)
        accepted = timed(seconds, "accept", lambda: self._submit(ready, pushed))
        answered, url = "", accepted.url or ""
        with detachable(accepted.deploy_id):
            self._tell(accepted)
            if self.options.wait:
                url = timed(seconds, "platform", lambda: self._follow(accepted, limit)) or url
                if url and app.public:
                    is_over = partial(replaced, self.client, self.name, self.options.env, accepted.sequence)
                    ask = partial(answers, url, accepted.deploy_id, limit, self._where, is_over)
                    answered = timed(seconds, "answer", ask)
                    if not answered:
                        self.progress.note("a newer release serves there by now, or none")
        return Deployed(
            accepted.deploy_id, accepted.sequence, accepted.release, url, pushed.reference, answered, seconds
        )

    def plan(self) -> DeployPlanDocument:
        """Return what would be changed, after the checks that need no build (`--dry-run`)."""
        ready = self._prepared()
        check_rights(ready.target, whoami(self.client))
        return ready.plan

    def _prepared(self) -> Prepared:
        """Ask the platform about the environment, and refuse what it would refuse after the build."""
        app, given = section.app_section(self.project, self.options.env), self._given
        for line in section.warnings(self.project):
            self.progress.warn(line)
        source = image.source_of(self.runner, self.project)
        target = look(self.client, self.name, self.options.env)
        check_services(target, app)
        check_renderable(target, app)
        platform = build_platform(target, self.options.platform, given=bool(given))
        check_tree(target, source, self.progress, allowed=self.options.allow_dirty)
        return Prepared(target, source, platform, plan(target, app, source, given))

    def _image(self, engine: image.Engine, ready: Prepared, seconds: dict[str, float]) -> Pushed:
        component, first = section.primary_of(self.project), self._credentials()
        repository = first.repository
        tag = f"{repository}:{tag_of(self.options.env, ready.source)}"
        with image.named(self.runner, engine, tag):
            with self.progress.step("build the image"):
                build = partial(image.build, self.runner, engine, self.project, component, tag, ready.platform)
                timed(seconds, "build", build)
            source = self._built_from(ready)
            with self.progress.step(f"push to {first.registry}") as step:
                digest, push_id = timed(seconds, "push", lambda: self._push(engine, tag, repository))
                step.done(digest[7:19])
        return Pushed(f"{repository}@{digest}", source, push_id)

    def _push(self, engine: image.Engine, tag: str, repository: str) -> tuple[str, str]:
        """Push, and return the digest and the id of the credential; that of before the build may be over by now.

        Where it is over before the push is, another one goes on with the layers that are not there yet.
        """
        paths = Paths.from_environment(os.environ)
        for tries_left in reversed(range(PUSH_TRIES)):
            began, granted = time.monotonic(), self._credentials()
            if granted.repository != repository:
                raise Busy(f"the platform takes images at {granted.repository}, and this one is for {repository}",
                           why="where to push was changed during the build", hint="deploy again")  # fmt: skip
            try:
                return image.push(self.runner, engine, tag, granted, paths), granted.push_id
            except BuildFailed:
                if not tries_left or time.monotonic() - began < CREDENTIAL:
                    raise
                self.progress.note("the push took longer than its credential lives; going on with another one")
        raise AssertionError

    def _credentials(self) -> PushCredentials:
        request = PushRequest(env=self.options.env, registry=self.options.registry or None)
        return self.client.post(f"{self.name.path}/push-credentials", PushCredentials, request, renews=True)

    def _built_from(self, ready: Prepared) -> image.Source:
        """Return what was built, and treat what changed during the build as what no commit holds (DP-Q28)."""
        source = image.after_build(self.runner, self.project, ready.source)
        if source != ready.source:
            try:
                check_tree(ready.target, source, self.progress, allowed=self.options.allow_dirty)
            except BadInput as error:
                hint = "commit what is to be deployed and deploy again, or add `--allow-dirty` if you mean it"
                raise BadInput(error.what, why=error.why, details=error.details, hint=hint) from None
        return source

    @cached_property
    def _given(self) -> str:
        """Return the image that is built already, of the command line or of kilter.yaml; empty for none."""
        reference = self.options.image or section.primary_of(self.project).image or ""
        if reference and "@sha256:" not in reference:
            raise BadInput(f"{reference} names no digest", why="a tag may mean another image tomorrow",
                           hint="write it as <repository>@sha256:…")  # fmt: skip
        return reference

    def _engine(self) -> image.Engine:
        """Return the machine's Docker, before anybody else is asked (DP-Q4).

        Raises MachineLacks when it does not answer, or has no room.
        """
        chosen = image.engine_of(self.runner, os.environ)
        disk.check(disk.of_engine(answering(self.runner, chosen.address), chosen.address))
        return chosen

    def _submit(self, ready: Prepared, pushed: Pushed) -> DeployAccepted:
        source = pushed.source
        note = SourceNote(commit=source.commit, dirty=source.dirty, message=self.options.message)
        body = DeployRequest(
            image=pushed.reference,
            push_id=pushed.push_id,
            platform=ready.platform if ready.target.info.binds_platform else "",
            app=ready.plan.app,
            source=note,
            allow_dirty=self.options.allow_dirty,
            timeout=self._ready_timeout() or None,
        )
        submitting = accepted_perhaps(
            "the deploy", "the deploy was submitted", f"`kilter releases {self._where}` tells"
        )
        with self.progress.step(f"submit to {self.client.login.server}"), submitting:
            return self.client.post(f"{self.name.env_path(self.options.env)}/deploys", DeployAccepted, body)

    @property
    def _where(self) -> str:
        return self.name.options(self.options.env)

    def _ready_timeout(self) -> str:
        limit = self.options.ready_timeout
        return f"{math.ceil(limit)}s" if limit else ""  # the platform takes whole seconds

    def _tell(self, accepted: DeployAccepted) -> None:
        self.progress.note(f"accepted as {accepted.deploy_id}, release {accepted.release}")
        given, asked = accepted.ready_timeout, self._ready_timeout()
        if given and asked and duration(given) < duration(asked):
            most, more = human_duration(duration(given)), human_duration(duration(asked))
            self.progress.warn(f"the platform gives a release {most} at most to become ready, not {more}")

    def _follow(self, accepted: DeployAccepted, limit: float) -> str:
        what = f"roll out {self.name} to {self.options.env}"
        return follow(self.client, self.progress, what, accepted.deploy_id, limit, self._where)


def timed(seconds: dict[str, float], part: str, work: Callable[[], T]) -> T:
    """Do a part of the work, and note how long it took, whether or not it succeeded."""
    began = time.monotonic()
    try:
        return work()
    finally:
        seconds[part] = round(time.monotonic() - began, 3)


def tag_of(env: str, source: image.Source) -> str:
    """Return the tag an image is pushed under; only people read it, the platform goes by the digest (DP-Q23).

    It is another one each time: who deploys at the same time, on the same engine, must not push this build as theirs.
    """
    commit = source.commit[:12] or "nogit"
    return f"{env}-{commit}" + ("-dirty" if source.dirty else "") + f"-{token_hex(4)}"
