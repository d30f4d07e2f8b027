"""Why a node has not started a container: for good, or for the moment, in which it tries again by itself. Pure."""

import re
from typing import Final

# A kubelet waits for a Secret for one second (https://github.com/kubernetes/kubernetes/issues/117972), and a runtime
# that is busy keeps the name of a try that was given up.
_PASSING: Final = re.compile(
    r"failed to sync (secret|configmap) cache|deadline exceeded|failed to reserve container name", re.IGNORECASE
)


def is_passing(message: str) -> bool:
    """Tell whether a node's words about a container that does not start are of a busy moment."""
    return _PASSING.search(message) is not None
