"""What a failed creation or start of a cluster means, as a table over what kind and Docker say."""

import re
from collections.abc import Sequence

from kilter.errors import KilterError, MachineLacks
from kilter.values import Value

SHOWN = 15  # lines of the node's own log


class Cause(Value, frozen=True):
    """A pattern in the output, and what it means to the user."""

    pattern: str
    what: str
    hint: str


CAUSES: Sequence[Cause] = (
    Cause(
        r"port is already allocated|address already in use|ports are not available",
        "another program holds one of the project's ports",
        "`kilter doctor` names it; end that program and run `kilter up` again",
    ),
    # Before the disk: the kernel says "no space left on device" where a user has too many watches (inotify(7)).
    Cause(
        r"too many open files|inotify",
        "the machine's inotify limits are too low for another cluster",
        "run `kilter doctor`, which prints the two sysctl lines to raise them",
    ),
    Cause(
        r"no space left on device",
        "the disk is full",
        "free some space; `docker system df` shows what Docker uses",
    ),
    Cause(
        r"failed to pull image|manifest unknown|pull access denied|error pulling image|toomanyrequests",
        "the node image could not be pulled",
        "check the network, or name another image with `cluster.image` in kilter.yaml",
    ),
    Cause(
        r"is configured to not run on a host using cgroup v1",
        "this Kubernetes version refuses the host's cgroup v1",
        "boot with cgroup v2; `kilter doctor` says more",
    ),
    Cause(
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
        if re.search(cause.pattern, f"{said}\n{log}", re.IGNORECASE):
            return MachineLacks(cause.what, why=error.what, hint=cause.hint, details=details)
    error.details = details
    return error
