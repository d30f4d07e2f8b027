"""Ports for tests: none is written down, because whatever a crashed run left behind may hold it."""

import random
import socket

from kilter.clusters.ports import is_free

SPAN = range(32600, 32760)  # the last blocks of those that projects are given, and below the registries' own ports


def free_port(*taken: int) -> int:
    """Return a port for a cluster that is free at this moment and not among those; which one, is by chance.

    Two suites that run beside each other then seldom want the same.
    """
    found = next((port for port in random.sample(SPAN, len(SPAN)) if port not in taken and is_free(port)), None)
    assert found is not None, f"no port of {SPAN.start}-{SPAN.stop - 1} is free"
    return found


def loopback_port() -> int:
    """Return a port of loopback, for a program, that nobody listens on right now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
