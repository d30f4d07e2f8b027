"""Following an accepted deploy to its end, through lost connections, and the last proof: an answer from outside."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

import msgspec

from kilter.api.deploys import DoneEvent, Event, FailedEvent, PhaseEvent, QueuedEvent, SupersededEvent
from kilter.api.environments import Environment
from kilter.api.kilterapp_status import Failure
from kilter.api.words import DELETED, MISSING
from kilter.deploy.client import SILENCE, Client, ServerSentEvent, events, http_client
from kilter.deploy.names import ProjectName
from kilter.deploy.queries import deploy, environment
from kilter.deploy.refusals import AWAY, Throttled, saying
from kilter.errors import Busy, Failed, Interrupted, KilterError, NotReady, TimedOut, Unreachable
from kilter.progress import Progress
from kilter.words import human_duration

RETRY = 1.0  # seconds before a lost stream is opened again
ANSWER_LIMIT = 60.0  # seconds for the public host to answer once the platform says it does
LAST = frozenset({"done", "failed", "superseded"})  # names of events after which none comes
RELEASE_HEADER = "kilter-release"
# What helps where the release does not answer: the way there is another one, or its Gateway finds none of its pods.
WAY = "check DNS and the network between this machine and the platform"


@dataclass
class Follower:
    """One deploy that is followed; `limit` is the moment (`time.monotonic`) at which waiting ends.

    `where` are the options that name its environment to a command.
    """

    client: Client
    progress: Progress
    deploy_id: str
    limit: float
    where: str
    seen: str = ""
    phases: list[tuple[str, float]] = field(default_factory=list)
    puzzled: bool = False
    said: str = ""  # the last that the platform told of the phase
    lost: str = ""  # why the platform tells nothing for now, as it was told

    def run(self) -> DoneEvent:
        """Return how the deploy ended. Raises NotReady when it failed, Busy when superseded, TimedOut, and refusals."""
        while True:
            try:
                if ended := self._read():
                    return ended
            except (Unreachable, Throttled) as error:
                if time.monotonic() > self.limit:
                    raise self._timed_out() from None
                now = error.what if isinstance(error, Throttled) else f"lost the connection ({error.what})"
                if now != self.lost:
                    self.progress.note(f"{now}; the deploy goes on, asking again")
                self.lost = now
            if time.monotonic() > self.limit:
                raise self._timed_out()
            time.sleep(RETRY)

    def _read(self) -> DoneEvent | None:
        silence = min(SILENCE, max(1.0, self.limit - time.monotonic()))
        stream = self.client.stream(f"/v1/deploys/{self.deploy_id}/events", last=self.seen, silence=silence)
        with ExitStack() as stack:
            try:
                lines = stack.enter_context(stream)
            except (Unreachable, Throttled):
                raise
            except KilterError as error:
                why = f"{self.deploy_id} was accepted and goes on"
                raise saying(error, why, follow_again(self.deploy_id)) from None
            for told in events(self._timely(lines)):
                self.seen, self.lost = told.id or self.seen, ""
                event = self._decoded(told)
                if isinstance(event, DoneEvent):
                    self._end_phase()
                    return event
                self._tell(event)
        return None

    def _decoded(self, told: ServerSentEvent) -> "Event | None":
        """Return an event; None for one of a newer server, in words that are not known here.

        Raises Failed where it is the last one: there is nothing to wait for any more.
        """
        try:
            event: Event = msgspec.json.decode(told.data, type=Event)
        except msgspec.DecodeError as error:
            if told.name in LAST:
                what = f"{self.deploy_id} has ended ({told.name}), in words that this kilter does not understand"
                hint = f"`kilter releases {self.where}` and the portal tell how it ended"
                raise Failed(what, why=str(error), hint=hint) from None
            if not self.puzzled:
                self.puzzled = True
                self.progress.note("the platform tells more than this kilter understands; a newer one would show it")
            return None
        return event

    def _timely(self, lines: Iterator[str]) -> Iterator[str]:
        """Pass lines on until the time is up; between events, a stream has lines that only say that it lives."""
        for line in lines:
            if time.monotonic() > self.limit:
                raise self._timed_out()
            yield line

    def _tell(self, event: "Event | None") -> None:
        if isinstance(event, FailedEvent):
            raise failed(event.failure, self.deploy_id, self._standing(event.failure), self.where)
        if isinstance(event, SupersededEvent):
            raise Busy(
                f"a newer deploy took its place: {event.by}", hint=f"`kilter deploy --follow {event.by}` follows it"
            )
        if isinstance(event, QueuedEvent) and event.queue.holder:
            holder = event.queue.holder
            since = human_duration((event.at - holder.since).total_seconds())
            self.progress.note(f"waiting for {holder.deploy_id} by {holder.actor} ({holder.phase}, since {since})")
        if isinstance(event, PhaseEvent):
            self.said = event.message
            if not self.phases or self.phases[-1][0] != event.phase:
                self._end_phase()
                self.phases.append((event.phase, time.monotonic()))
            elif event.message:
                self.progress.note(f"{event.phase}: {event.message}")

    def _standing(self, failure: Failure) -> Environment | None:
        """Return how the environment stands after a failure; None where that does not matter, or nobody tells."""
        if failure.reason in (DELETED, MISSING) or failure.phase == "Deleting":
            return None
        try:
            found = deploy(self.client, self.deploy_id)
            return environment(self.client, ProjectName(found.org, found.app), found.env)
        except (KilterError, KeyboardInterrupt):  # Ctrl-C ends the asking; the deploy has ended already
            return None

    def _end_phase(self) -> None:
        if self.phases:
            phase, began = self.phases[-1]
            self.progress.note(f"✓ {phase} ({human_duration(time.monotonic() - began)})")

    def _timed_out(self) -> TimedOut:
        where = f" in phase {self.phases[-1][0]}" if self.phases else ""
        return TimedOut(
            f"the deploy {self.deploy_id} is not finished yet{where}, and the time is up",
            why="it was accepted and goes on without you" + (f"; the last it said: {self.said}" if self.said else ""),
            hint=follow_again(self.deploy_id),
        )


def follow(client: Client, progress: Progress, what: str, deploy_id: str, limit: float, where: str) -> str:
    """Follow what was accepted, as one step called `what`; returns the public address, empty for none.

    Raises as `Follower.run` does; `limit` and `where` are as there.
    """
    with progress.step(what):
        return Follower(client, progress, deploy_id, limit, where).run().url or ""


@contextmanager
def detachable(deploy_id: str, work: str = "deploy") -> Iterator[None]:
    """Let Ctrl-C end the watching alone, for what is accepted goes on: it is raised as Interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(f"detached from {deploy_id}; the {work} goes on", hint=follow_again(deploy_id)) from None


def follow_again(deploy_id: str) -> str:
    """Name the command that follows what was accepted."""
    return f"`kilter deploy --follow {deploy_id}` follows it again"


def failed(failure: Failure, deploy_id: str, standing: Environment | None, where: str) -> NotReady:
    """Build the error of a deploy that failed: the platform's sentence, the object, its last log lines, what serves."""
    return NotReady(
        failure.message,
        why=f"{failure.phase}: {failure.reason}" + (f" ({failure.object})" if failure.object else ""),
        details=failure.log_tail,
        hint=f"{next_step(failure, deploy_id, standing, where)} (this was {deploy_id})",
    )


def next_step(failure: Failure, deploy_id: str, standing: Environment | None, where: str) -> str:
    """Say what serves, and what to do."""
    if failure.reason in (DELETED, MISSING):
        return "nothing that kilter knows of serves there; deploy again"
    if failure.phase == "Deleting":
        return "the environment is still there; mend it and delete it again"
    unknown = f"`kilter status {where}` tells what serves"
    said = what_serves(deploy_id, standing) if standing is not None else unknown
    return f"{said}; mend it and deploy again"


def what_serves(deploy_id: str, standing: Environment) -> str:
    """Say which release serves in an environment in which this deploy failed."""
    serving, newest = standing.serving, standing.release
    if serving is None:
        return "nothing serves there now"
    if serving.deploy_id == deploy_id:
        return "pods of this very release serve, although not all of it came up"
    is_mixed = (
        newest is not None and newest.deploy_id == deploy_id and any(each.ready for each in standing.workloads[:1])
    )
    return f"release {serving.number} serves on" + (", and pods of this one beside it" if is_mixed else "")


def answers(url: str, deploy_id: str, limit: float, where: str, is_over: Callable[[], bool]) -> str:
    """Wait until the public address is answered by this very deploy's release; returns the status line.

    Empty where `is_over` says that it can no longer answer, because a newer one serves.

    A Gateway puts the release's header on answers of its own too, so that 502, 503 and 504 are none of the app's. The
    platform has looked already; this look comes from where users are. Raises NotReady when it never answers.
    """
    import httpx2

    pods = f"`kilter status {where}` and `kilter logs {where}` tell how its pods are"
    until, last, hint = min(limit, time.monotonic() + ANSWER_LIMIT), "no answer", WAY
    with http_client(url, timeout=10.0) as client:
        while True:
            try:
                with client.stream("GET", "/") as answer:  # its body is the app's own affair, and may never end
                    release = answer.headers.get(RELEASE_HEADER, "")
                if release == deploy_id and answer.status_code not in AWAY:
                    return f"{answer.status_code} {answer.reason_phrase}".strip()
                last = f"{answer.status_code}, from release {release or 'unknown'}"
                hint = pods if release == deploy_id else WAY
            except (httpx2.RequestError, KilterError) as error:
                last, hint = str(error) or type(error).__name__, WAY
            if time.monotonic() > until:
                break
            time.sleep(RETRY / 2)
    with suppress(KilterError):
        if is_over():
            return ""
    raise NotReady(
        f"{url} is not answered by the new release from here",
        why=f"the last answer: {last}; the platform itself has seen the release answer",
        hint=hint,
    )
