"""What a commit says: a subject for people, a line per env, and trailers that programs read back."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kilter.gitops.model import Change, Fence
from kilter.tools.git import plain

DEPLOY, REMOVE, FENCE = "Kilter-Deploy", "Kilter-Remove", "Kilter-Fence"
ENVS_SHOWN = 3


@dataclass(frozen=True)
class Written:
    """One env's part of a commit, and the paths in it that somebody else had changed."""

    change: Change
    overwritten: tuple[str, ...] = ()


def of_deploys(parts: Sequence[Written], fence: Fence) -> str:
    """Return the message of a commit that writes or removes these envs."""
    lines = [line for part in parts for line in _body(part)]
    trailers = [_trailer(part.change) for part in parts]
    return "\n".join([_subject(parts), "", *lines, "", *trailers, _fence(fence), ""])


def of_claim(fence: Fence) -> str:
    """Return the message of the commit by which a leader takes over."""
    return f"Take over as leader {fence.number}\n\n{_fence(fence)}\n"


def parse(message: str) -> tuple[dict[str, Any], ...]:
    """Return what the deploy and removal trailers of a message say, in their order; removals have `removed`: true."""
    found = []
    for line in message.strip().rpartition("\n\n")[2].splitlines():
        name, _, value = line.partition(": ")
        if name in (DEPLOY, REMOVE):
            found.append({**json.loads(value), "removed": name == REMOVE})
    return tuple(found)


def _subject(parts: Sequence[Written]) -> str:
    if len(parts) == 1:
        change = parts[0].change
        return f"{'Remove' if change.files is None else 'Deploy'} {change.label}"
    removed = sum(part.change.files is None for part in parts)
    verb = "Remove" if removed == len(parts) else "Deploy" if not removed else "Deploy and remove"
    names = ", ".join(part.change.label for part in parts[:ENVS_SHOWN])
    rest = len(parts) - ENVS_SHOWN
    return f"{verb} {len(parts)} envs: {names}{f' and {rest} more' if rest > 0 else ''}"


def _body(part: Written) -> list[str]:
    change = part.change
    if change.files is None:
        first = f"{change.label}: removed by {plain(change.actor) or 'nobody named'}"
    else:
        release = f"release {change.release}" if change.release else "files"
        first = f"{change.label}: {release} by {plain(change.actor) or 'nobody named'}"
    return [first, *(f"  replaces an edit by others: {path}" for path in part.overwritten)]


def _trailer(change: Change) -> str:
    # JSON keeps a value on its line and in its place, whatever an actor's name holds.
    said: dict[str, Any] = {"env": change.label, "deploy": change.deploy, "actor": change.actor}
    if change.files is not None:
        said |= {"release": change.release, "image": change.image}
    return f"{REMOVE if change.files is None else DEPLOY}: {json.dumps(said, separators=(',', ':'))}"


def _fence(fence: Fence) -> str:
    return f"{FENCE}: {fence.number}"
