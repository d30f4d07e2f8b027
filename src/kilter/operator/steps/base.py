"""What steps are made of: the target they work for, the verdicts they give, the decision they return."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from kilter.api.kilterapp import KilterApp
from kilter.api.words import NOT_RUNNING, NOT_SERVING
from kilter.operator.effects import Effect, Revision
from kilter.operator.settings import Settings
from kilter.render import names
from kilter.render.names import MANAGED_BY, OPERATOR, Slot


@dataclass(frozen=True)
class Done:
    """What the step is for holds; `message` says so for people, `but` what is amiss all the same."""

    message: str = ""
    but: str = ""


@dataclass(frozen=True)
class Wait:
    """It does not hold yet and nothing is wrong; look again after some seconds, or when something changes."""

    reason: str
    message: str
    after: float = 30.0


@dataclass(frozen=True)
class Log:
    """The container whose last lines tell more about a failure."""

    pod: str
    container: str
    previous: bool


@dataclass(frozen=True)
class Failed:
    """It will not come to hold by waiting. `object` is what fails; `message` one sentence without a secret."""

    reason: str
    message: str
    object: str = ""
    log: Log | None = None


Verdict = Done | Wait | Failed


@dataclass(frozen=True)
class Decision:
    """What a step decided: its verdict once the effects are carried out, and fields of status with their values."""

    verdict: Verdict
    effects: tuple[Effect, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """The KilterApp that a step works for, and the operator's settings."""

    app: KilterApp
    settings: Settings
    now: datetime

    @property
    def revision(self) -> Revision:
        """Which object it is, and which of its specs."""
        return Revision(self.app.metadata.uid, self.app.metadata.generation)

    @cached_property
    def slot(self) -> Slot:
        """The environment; raises BadInput for names outside the grammar."""
        return Slot(self.app.spec.org, self.app.spec.app, self.app.spec.env)

    @property
    def name(self) -> str:
        """The name of the KilterApp, of the namespace, and of what else belongs to the environment alone."""
        return self.app.metadata.name

    @property
    def settled(self) -> bool:
        """Whether this very spec has been Ready already."""
        status, metadata = self.app.status, self.app.metadata
        same = status.deploy_id == self.app.spec.deploy_id and status.observed_generation == metadata.generation
        return same and (status.phase == "Ready" or self.fell_silent)

    @property
    def fell_silent(self) -> bool:
        """Whether it was Ready and is not in order any more: it is Ready again by a proof alone, as at first."""
        failure = self.app.status.failure
        return failure is not None and failure.reason in (NOT_SERVING, NOT_RUNNING)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The labels of what the operator makes for the environment."""
        return {**names.labels(self.slot, self.name), MANAGED_BY: OPERATOR}

    def workloads(self) -> dict[str, str]:
        """The Deployments that a release consists of, by name, each with its process; the app's own has none."""
        spec = self.app.spec
        further = [name for name, process in spec.processes.items() if not process.schedule]
        return {names.workload(spec.app): "", **{names.workload(spec.app, name): name for name in further}}


def identity(labels: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return the environment that labels name: org, app, env."""
    return tuple(labels.get(f"kilter.dev/{part}") for part in ("org", "app", "env"))


def is_own(target: Target, labels: Mapping[str, str]) -> bool:
    """Tell whether an object with these labels was made by the operator for this very environment."""
    return labels.get(MANAGED_BY) == OPERATOR and identity(labels) == identity(target.labels)
