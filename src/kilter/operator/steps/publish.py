"""The commit: the release as files in the flux repository (DP-16, DP-18). Nothing of it is applied by another way."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from kilter.api.kilterapp import API_VERSION, KIND, KilterApp
from kilter.api.kilterapp_status import Git, Release
from kilter.operator.effects import Apply, Change, Effect, Submit
from kilter.operator.kinds import Object
from kilter.operator.steps.base import Decision, Done, Failed, Target, Wait, is_own
from kilter.render.text import dump

RETRY: Final = timedelta(seconds=10)
COPY: Final = (
    "kilterapp.yaml"  # lies beside the manifests and is never applied: to rebuild a lost cluster from (DP-Q17)
)


@dataclass(frozen=True)
class Rendered:
    """A rendered release: files for Git, and the Secrets that must stay out of it and are applied by the operator."""

    files: Mapping[str, str]
    secrets: tuple[Object, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Submission:
    """What became of the change that was handed to the writer for one revision of the object."""

    state: Literal["none", "pending", "published", "unpublished", "refused"] = "none"
    commit: str = ""
    path: str = ""
    message: str = ""
    ended: datetime | None = None


NONE: Final = Submission()


@dataclass(frozen=True)
class Facts:
    """What became of an earlier submission, and the rendered release when there is none; `fault` says why it is not.

    Of a release that is published it is rendered where Secrets of it are lost. `present` are the objects that exist
    under the names of its Secrets and of its Kustomization.
    """

    submission: Submission = NONE
    rendered: Rendered | None = None
    present: tuple[Object, ...] = field(default=(), repr=False)
    fault: str = ""


def published(app: KilterApp) -> bool:
    """Tell whether status already says that this very spec was published."""
    current = (each for each in app.status.conditions if each.type == "Published" and each.status == "True")
    return any(each.observed_generation == app.metadata.generation for each in current) and app.status.git is not None


def decide(target: Target, facts: Facts) -> Decision:
    """Hand the release to the writer, wait for its receipt, and record what it says."""
    app, submission = target.app, facts.submission
    if failed := _failed(target, facts):
        return Decision(failed)
    if published(app):
        said = Done(_said(app.status.git.commit if app.status.git else ""))
        return Decision(said, _secrets(facts.rendered) if facts.rendered else ())
    if submission.state == "published":
        git = Git(path=submission.path, commit=submission.commit)
        return Decision(Done(_said(submission.commit)), report={"git": git, "release": release(target)})
    effects = _effects(target, facts) if is_due(target, submission) else ()
    if submission.state == "unpublished":
        # Handed in again: nothing of it was lost, and the release before it runs on (F32).
        wait = Wait("NotPublished", f"not published yet: {submission.message}", RETRY.total_seconds() + 1)
        return Decision(wait, effects)
    return Decision(Wait("Committing", "waiting for the commit", 60.0), effects)


def is_due(target: Target, submission: Submission) -> bool:
    """Tell whether the change is to be handed in now: for the first time, or again a while after it failed."""
    if submission.state == "unpublished":
        return submission.ended is None or target.now - submission.ended >= RETRY
    return submission.state == "none"


def release(target: Target) -> Release:
    """Return the record of the release; one that was published before keeps its time, whatever was edited since."""
    spec, known = target.app.spec, target.app.status.release
    return Release(
        number=spec.sequence,
        image=spec.image,
        deploy_id=spec.deploy_id,
        commit=spec.source.commit,
        at=known.at if known is not None and known.deploy_id == spec.deploy_id else target.now,
    )


def change(target: Target, files: Mapping[str, str]) -> Change:
    """Return what the writer is given."""
    spec = target.app.spec
    return Change(
        org=spec.org,
        app=spec.app,
        env=spec.env,
        namespace=target.name,
        files=files,
        beside={COPY: copy(target.app)},
        deploy=spec.deploy_id,
        actor=spec.actor,
        release=spec.sequence,
        image=spec.image,
    )


def copy(app: KilterApp) -> str:
    """Return the KilterApp as text, without status and without Secrets, encrypted or not."""
    spec: dict[str, Any] = msgspec.to_builtins(app.spec)
    spec.pop("secrets", None)
    metadata = {"name": app.metadata.name, "namespace": app.metadata.namespace, "labels": app.metadata.labels}
    return dump({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})


def _effects(target: Target, facts: Facts) -> tuple[Effect, ...]:
    assert facts.rendered is not None  # observed whenever something is to be handed in
    submit = Submit(target.name, target.revision, change(target, facts.rendered.files))
    return (*_secrets(facts.rendered), submit)


def _failed(target: Target, facts: Facts) -> Failed | None:
    """Return why the release cannot be published: over somebody else's object kilter's values would mix with theirs."""
    named = f"release {target.app.spec.sequence}"
    if facts.submission.state == "refused":
        return Failed("NotPublishable", facts.submission.message, named)
    if facts.fault:
        return Failed("NotRenderable", facts.fault, named)
    labelled = ((each, each["metadata"].get("labels") or {}) for each in facts.present)
    taken = next((each for each, labels in labelled if not is_own(target, labels)), None)
    if taken is None:
        return None
    kind, name, space = taken["kind"], taken["metadata"]["name"], taken["metadata"]["namespace"]
    where = "" if space == target.name else f" in {space}"
    said = f"{target.slot} needs the {kind} {name}{where}, which was not made by kilter for it"
    return Failed(f"{kind}Taken", said, f"{kind} {name}")


def _secrets(rendered: Rendered) -> tuple[Effect, ...]:
    return tuple(Apply(secret) for secret in rendered.secrets)


def _said(commit: str) -> str:
    return f"published as {commit[:12]}"
