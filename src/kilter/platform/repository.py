"""Whether Flux can fetch the repository of what is to run, and kilter-operator write to it, as they say themselves.

Conditions and their meaning: https://fluxcd.io/flux/components/source/gitrepositories/#gitrepository-status
"""

import time

from kilter.errors import KilterError
from kilter.gitops import flux
from kilter.gitops.model import LEASE, OPENED, REPOSITORY
from kilter.platform.documents import RepositoryEntry
from kilter.platform.target import Target
from kilter.proc import Runner
from kilter.progress import Progress, Step
from kilter.tools.kubectl import parse_list
from kilter.words import shortened

SOURCE = ("gitrepositories.source.toolkit.fluxcd.io", "kilter")
LEADER = ("leases.coordination.k8s.io", LEASE)
PAUSE = 2.0
GLANCE = 6.0  # seconds in which Flux, asked to look at once, tells what it finds
PATIENCE = 30.0  # seconds in which a new repository gets its first commit, too


def repository(runner: Runner, target: Target) -> RepositoryEntry:
    """Ask Flux for what it found when it last looked, and the leading operator's Lease for what that one did."""
    found = parse_list(runner.run(target.kubectl.get(*SOURCE)).stdout)
    if not found:
        why = f"there is no GitRepository {SOURCE[1]}: {target.command('install')} makes it"
        return RepositoryEntry(url="", branch="", secret="", reachable=False, fault=why)
    spec, ready = found[0]["spec"], flux.ready(found[0].get("status", {}))
    if ready.get("observedGeneration", 0) < found[0]["metadata"]["generation"]:
        ready = {}  # said of another address, or branch, than it has now
    reachable = {"True": True, "False": False}.get(ready.get("status", ""))
    said, opened = (ready.get("reason", ""), shortened(ready.get("message", ""))), _opened(runner, target)
    return RepositoryEntry(
        url=spec["url"],
        branch=spec.get("ref", {}).get("branch", ""),
        secret=spec.get("secretRef", {}).get("name", ""),
        reachable=reachable,
        fault=": ".join(filter(None, said)) if reachable is False else "",
        writable=opened == OPENED if opened else None,
        hindrance="" if opened == OPENED else shortened(opened),
    )


def _opened(runner: Runner, target: Target) -> str:
    """Return what the leading operator says of the repository; nothing where none has tried, or it may not be read."""
    try:
        found = parse_list(runner.run(target.kubectl.get(*LEADER)).stdout)
    except KilterError:
        return ""
    return str(next(iter(found), {}).get("metadata", {}).get("annotations", {}).get(REPOSITORY, ""))


def looked(runner: Runner, target: Target, patience: float = GLANCE, step: Step | None = None) -> RepositoryEntry:
    """Let Flux look again, for so many seconds, as long as it says that it cannot fetch the repository.

    By itself it comes back later after each failure, up to a quarter of an hour. Where a `step` waits, it waits for the
    operator, too.
    """
    limit = time.monotonic() + patience
    while (found := repository(runner, target)).url and time.monotonic() < limit:
        if found.reachable is not True:
            hindrance = found.fault or "Flux has not looked yet"
            try:
                runner.run(target.kubectl.annotate(*SOURCE, f"{flux.REQUESTED_AT}={time.time_ns()}"))
            except KilterError:  # who may only read hears what it found last
                return found
        elif step is None or found.writable:
            return found
        else:
            hindrance = found.hindrance or "kilter-operator has not opened it yet"
        if step is not None:
            step.note(hindrance)
        time.sleep(PAUSE)
    return found


def look_at_repository(runner: Runner, target: Target, limit: float, progress: Progress) -> None:
    """Warn where the repository cannot be used after a moment: it may be away for a while."""
    with progress.step("look whether the flux repository can be read and written") as step:
        found = looked(runner, target, min(limit - time.monotonic(), PATIENCE), step)
    if not (found.reachable and found.writable):
        progress.warn(f"the flux repository {told(found)}; {target.command('status')} looks again")


def told(entry: RepositoryEntry) -> str:
    """Say in words who can use a repository, and the next step where somebody cannot."""
    place = f"{entry.url} ({entry.branch})" if entry.url else "none"
    if entry.reachable is False:
        look = f"; what runs goes on, and deploys wait: look at its server, the branch and the Secret {entry.secret}"
        return f"{place}: Flux cannot fetch it: {entry.fault}{look if entry.url else ''}"
    fetched = "Flux fetches it" if entry.reachable else "unknown: Flux has not looked at it yet"
    if entry.writable is False:
        return f"{place}: {fetched}; kilter-operator cannot write to it, and deploys wait: {entry.hindrance}"
    opened = "can write to it" if entry.writable else "has not said that it can write to it"
    return f"{place}: {fetched}, kilter-operator {opened}"
