"""Waiting until every declared service and app answers at its printed address, or saying why one never will.

The cluster's own objects decide, not Tilt's opinion; and an object's condition is not enough either: the address on
localhost must answer, and where its protocol allows it, prove that the answer comes from this project. Whether what
answers is of the newest code, Tilt alone knows: nothing is ready while it still builds.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from kilter.dev.conditions import Condition, conditions, leaving, stuck
from kilter.dev.events import last_event
from kilter.dev.probes import Answer, probe
from kilter.dev.settled import Steadiness, outdated
from kilter.dev.updates import Updates
from kilter.dev.workspace import Workspace
from kilter.errors import KilterError, NotReady, TimedOut
from kilter.progress import Step
from kilter.render.model import Plan
from kilter.render.tree import Workload, workloads
from kilter.tools.kubectl import Kubectl, parse_list
from kilter.tools.nolog import printed

PAUSE = 0.25  # seconds between two looks at the addresses, or at the cluster once they have all answered
LOOK_EVERY = 1.0  # seconds between two looks at the cluster, a process each, while an address has never answered
TILT_EVERY = 4  # looks at the cluster per question to Tilt, a process too, while the cluster is not ready
BUILD_EVERY = 0.5  # seconds between two looks while Tilt alone is awaited
LOG_LINES_SHOWN = 20  # in which a stack trace of a dozen calls has its first line, which says what is wrong
WATCHED = "statefulsets,deployments,pods"


@dataclass(frozen=True)
class Endpoint:
    """An address on localhost that must answer: whose it is, the protocol to ask in, and the port."""

    name: str
    protocol: str
    port: int


@dataclass
class Wait:
    """One wait for a project: what must become ready, how to look, and until when (`time.monotonic`).

    `ask_tilt` begins to ask Tilt what it still has to do; None where nothing was built. `since` is when the node
    started, where that was a short while ago.
    """

    workspace: Workspace
    kubectl: Kubectl
    targets: Sequence[Workload]
    limit: float
    ask_tilt: Callable[[], Future[Updates]] | None = None
    since: datetime | None = None
    steadiness: Steadiness = field(init=False)
    began: datetime = field(default_factory=lambda: datetime.now(UTC), init=False)
    stuck: list[Condition] = field(default_factory=list, init=False)  # at the last look
    errors: list[Condition] = field(default_factory=list, init=False)  # of what answers with one
    before: set[str] | None = field(default=None, init=False)  # pods of the first look, those made anew left out
    looks: int = field(default=0, init=False)
    built: bool = field(default=False, init=False)  # Tilt has said that nothing is left to do

    def __post_init__(self) -> None:
        self.steadiness = Steadiness(self.since)

    def run(self, step: Step) -> None:
        """Return when all is ready; raises NotReady for what will never be, TimedOut when the limit passes."""
        silent = self.endpoints()
        while pending := self.seen():
            step.note("; ".join(f"{condition.name} {condition.says}" for condition in pending[:3]))
            fresh = self.renewed(pending)
            for condition in pending:
                if condition.failure and condition.pod not in fresh:
                    raise self.failed(condition)
            if time.monotonic() > self.limit:
                raise self.timed_out(pending)
            silent = self.rest(silent)
        for condition in self.errors:
            self.workspace.machine.progress.warn(
                f"{condition.name} {condition.says}: `kilter logs {condition.name}` may tell why"
            )

    def renewed(self, pending: Sequence[Condition]) -> set[str]:
        """Have pods made anew, once, that came to nothing before this wait began; returns their names.

        What they failed of, such as a full disk, may be mended. Kubernetes would try again after minutes, and a
        StatefulSet that was changed meanwhile would never get there. Those of an app that is built go by themselves.
        """
        names = {condition.name for condition in pending if condition.pod}
        old = [each for each in self.stuck if each.name in names and each.pod in (self.before or ())]
        began = self.began.replace(microsecond=0)  # Kubernetes tells no fractions
        old = [each for each in old if each.stuck_since is None or each.stuck_since < began]
        for each in old:
            self.renew(each)
        return {each.pod for each in old}

    def renew(self, condition: Condition) -> None:
        """Delete a pod so that a new one begins, and say what it leaves; an API server that is away is asked later."""
        machine, lines = self.workspace.machine, self.last_lines(condition)
        try:
            machine.runner.run(self.kubectl.delete("pod", condition.pod, wait=False))
        except KilterError:
            return
        self.before = (self.before or set()) - {condition.pod}
        said = condition.failure or f"{condition.name} {condition.says}"
        for text in (f"{said}; that was before, and its pod {condition.pod} is made anew", *lines):
            machine.progress.note(text)

    def seen(self) -> list[Condition]:
        """Return what is not built, or not ready, yet: Tilt is asked while the cluster is looked at.

        It is asked now and then, and always before its answer is what ends the wait. Raises what the question raises.
        """
        if self.ask_tilt is None:
            return self.look()
        began = datetime.now(UTC)
        asked = self.ask_tilt() if self.looks % TILT_EVERY == 0 else None
        self.looks += 1
        pending = self.look()
        if asked is None and _is_final(pending) and (pending or not self.built):
            asked = self.ask_tilt()
        if asked is None:
            return pending
        told = asked.result()
        if told.again:
            told.again()
        self.built = not told.pending
        if self.built and told.finished and told.finished > began and _is_final(pending):
            return self.look()  # what was seen may be of the moment before the build was applied
        return without(pending, told.pending)

    def rest(self, silent: list[Endpoint]) -> list[Endpoint]:
        """Pause until it is time for a look: as soon as the last silent address answers, and no build is awaited.

        An address that has answered is not asked again: a request to an app may be dear. Returns those still silent.
        """
        builds = BUILD_EVERY if self.ask_tilt and not self.built else 0.0
        now = time.monotonic()
        earliest, latest = now + builds, now + (LOOK_EVERY if silent else builds)
        while True:
            time.sleep(PAUSE)
            silent = [endpoint for endpoint, answer in answers(self.workspace, silent) if not answer.ok]
            if time.monotonic() >= (latest if silent else earliest):
                return silent

    def look(self) -> list[Condition]:
        """Return what is not ready yet; an API server that does not answer counts as everything."""
        self.stuck = []
        try:
            outcome = self.workspace.machine.runner.run(self.kubectl.get(WATCHED))
        except KilterError as error:
            return [Condition("the cluster", False, f"does not answer ({error.what})")]
        objects = parse_list(outcome.stdout)
        self.stuck = stuck(objects, self.targets)
        if self.before is None:
            self.before = {item["metadata"]["name"] for item in objects if item["kind"] == "Pod"}
        new = self.steadiness.missing(objects, self.targets)
        pending = [condition for condition in conditions(objects, self.targets) if not condition.ready]
        if self.since and not pending:
            pending = outdated(objects, self.targets, self.since)
        if pending := pending or leaving(objects, self.targets) or new:
            return pending
        found = troubled(self.workspace, self.endpoints())
        self.errors = [condition for condition in found if condition.ready]
        return [condition for condition in found if not condition.ready]

    def endpoints(self) -> list[Endpoint]:
        """Return the addresses of what is awaited: others of the project may well be silent."""
        awaited = {target.service for target in self.targets}
        return [each for each in endpoints(self.workspace.plan) if each.name in awaited]

    def failed(self, condition: Condition) -> NotReady:
        """Build the error of a workload that will not become ready, with its last log lines."""
        return NotReady(
            condition.failure,
            details=self.last_lines(condition),
            hint=f"{self.bare(condition.name)}`kilter logs {condition.name}` shows all of it; "
            "mend it and save, or run `kilter up` again",
        )

    def bare(self, name: str) -> str:
        """Say of an app whose stage is made for the mounts of Docker Compose that it has no code here; else nothing."""
        build = next((app.build for app in self.workspace.plan.apps if app.name == name), None)
        if build is None or not build.missed:
            return ""
        where, files = (
            f"the stage {build.target} of {build.dockerfile}",
            ", ".join(f"`{each}`" for each in build.missed),
        )
        return f"{where} does not copy {files}, as the last stage does, and nothing is mounted here: add that COPY; "

    def timed_out(self, pending: Sequence[Condition]) -> TimedOut:
        """Build the error of a wait that took too long: the first object that is not ready, and what it last said.

        What happened to it last is said, too: a volume that cannot be mounted prints nothing.
        """
        first = pending[0]
        return TimedOut(
            f"{first.name} {first.says}, and the time is up",
            why="; ".join(f"{condition.name} {condition.says}" for condition in pending[1:4]),
            details=[*self.last_event(first), *self.last_lines(first)],
            hint="it may still come: run `kilter status`, or `kilter up --timeout 10m`",
        )

    def last_event(self, condition: Condition) -> list[str]:
        """Return what last happened to a workload or its pod, if the cluster tells it."""
        if condition.name not in {target.service for target in self.targets}:
            return []
        try:
            told = self.workspace.machine.runner.run(self.kubectl.get("events"))
        except KilterError:
            return []
        event = last_event(parse_list(told.stdout), condition)
        return [f"last event: {event}"] if event else []

    def last_lines(self, condition: Condition) -> list[str]:
        """Return the last log lines of a pod, those before its last restart where there was one."""
        if not condition.pod:
            return []
        for flags in (("--previous",), ()):
            command = self.kubectl.logs(condition.pod, flags=(f"--tail={LOG_LINES_SHOWN}", *flags))
            try:
                lines = printed(self.workspace.machine.runner.run(command).stdout).splitlines()
            except KilterError:
                continue
            if lines:
                return lines[-LOG_LINES_SHOWN:]
        return []


def without(found: Sequence[Condition], builds: Sequence[Condition]) -> list[Condition]:
    """Return what is awaited of builds and of the cluster, which shows the old pods of an app that is being built.

    What such a pod fails of is said, and is no failure yet.
    """
    failing = {condition.name: condition.failure for condition in found if condition.failure}
    names = {condition.name for condition in builds}
    said = (replace(each, says=_while(each.says, failing.get(each.name, ""))) for each in builds)
    return [*said, *(condition for condition in found if condition.name not in names)]


def _while(says: str, failure: str) -> str:
    return f"{says}; so far {failure}" if failure else says


def _is_final(pending: Sequence[Condition]) -> bool:
    """Tell whether such a look would end the wait, well or badly."""
    return not pending or any(condition.failure for condition in pending)


def awaited(files: Mapping[str, str]) -> list[Workload]:
    """Return the workloads of a rendered tree that become ready; a job that runs by the clock never does."""
    return [workload for workload in workloads(files) if workload.kind in ("StatefulSet", "Deployment")]


def scheduled(files: Mapping[str, str]) -> list[str]:
    """Return the names of what runs by the clock: there is nothing to wait for."""
    return [workload.service for workload in workloads(files) if workload.kind == "CronJob"]


def endpoints(plan: Plan) -> list[Endpoint]:
    """Return every address on localhost at which something is to answer all the time."""
    services = [
        Endpoint(service.name, service.entry.probe if port == service.primary else "tcp", port.node_port)
        for service in plan.services
        for port in service.ports
    ]
    lasting = [app for app in plan.apps if app.replicas and not app.schedule]
    return services + [Endpoint(app.name, "http", app.node_port) for app in lasting if app.node_port]


def answers(workspace: Workspace, asked: Sequence[Endpoint]) -> list[tuple[Endpoint, Answer]]:
    """Ask addresses, all at once."""
    if not asked:
        return []
    with ThreadPoolExecutor(max_workers=8) as pool:
        heard = pool.map(lambda each: probe(each.protocol, each.port, workspace.login), asked)
        return list(zip(asked, heard, strict=True))


def troubled(workspace: Workspace, asked: Sequence[Endpoint]) -> list[Condition]:
    """Return those of the addresses that do not answer yet, and, as ready, those that answer with a server's error."""
    return [
        Condition(endpoint.name, True, f"{answer.detail} at localhost:{endpoint.port}")
        if answer.ok
        else Condition(endpoint.name, False, f"does not answer at localhost:{endpoint.port} yet: {answer.detail}")
        for endpoint, answer in answers(workspace, asked)
        if answer.is_error or not answer.ok
    ]


def deadline(timeout: float) -> float:
    """Return the moment (`time.monotonic`) at which `timeout` seconds from now are over."""
    return time.monotonic() + timeout
