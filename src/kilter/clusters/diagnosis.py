"""What a failed creation or start of a cluster means, as a table over what kind and Docker say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from kilter.errors import KilterError, MachineLacks

SHOWN = 15  # lines of the node's own log


@dataclass(frozen=True)
class Cause:
    """A pattern in the output, and what it means to the user."""

    pattern: re.Pattern[str]
    what: str
    hint: str


def _cause(pattern: str, what: str, hint: str) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE), what, hint)


CAUSES: Sequence[Cause] = (
    _cause(
        r"port is already allocated|address already in use|ports are not available",
        "another program holds one of the project's ports",
        "`kilter doctor` names it; end that program and run `kilter up` again",
    ),
    _cause(
        r"no space left on device",
        "the disk is full",
        "free some space; `docker system df` shows what Docker uses",
    ),
    _cause(
        r"failed to pull image|manifest unknown|pull access denied|error pulling image|toomanyrequests",
        "the node image could not be pulled",
        "check the network, or name another image with `cluster.image` in kilter.yaml",
    ),
    _cause(
        r"too many open files|inotify",
        "the machine's inotify limits are too low for another cluster",
        "run `kilter doctor`, which prints the two sysctl lines to raise them",
    ),
    _cause(
        r"is configured to not run on a host using cgroup v1|cgroup.?v1",
        "this Kubernetes version refuses the host's cgroup v1",
        "boot with cgroup v2; `kilter doctor` says more",
    ),
    _cause(
        r"could not find a log line that matches",
        "the node did not boot",
        "run `kilter doctor`: memory, inotify limits and cgroups are the usual reasons",
    ),
)


def explain(error: KilterError, log: str) -> KilterError:
    """Return the error to show: the first known cause (MachineLacks), or `error` itself; never loses the output.

    `log` is the node's own log, whose last lines are appended to the details.
    """
    said = "\n".join((error.what, error.why, *error.details))
    lines = log.strip().splitlines()[-SHOWN:]
    details = (*error.details, *(["the node's log ends:", *lines] if lines else []))
    for cause in CAUSES:
        if cause.pattern.search(said) or cause.pattern.search(log):
            return MachineLacks(cause.what, why=error.what, hint=cause.hint, details=details)
    error.details = details
    return error
