"""The Docker network of kilter's clusters, its image registry and its caches.

It is kilter's own, and without IPv6. In kind's network nodes have IPv6 addresses, and Docker leads `[::1]:<port>` to
those, where the ports of an IPv4 cluster do not answer: a browser that resolves `localhost` to `::1` would be reset.
"""

from kilter.errors import MachineLacks
from kilter.proc import Runner
from kilter.tools import docker
from kilter.tools.kind import NETWORK

LABEL = ("kilter.dev/role", "network")


def ensure(runner: Runner) -> None:
    """Make the network unless it is there; safe for several processes at once. Raises MachineLacks."""
    answer = runner.run(docker.create_network(NETWORK, dict([LABEL])))
    if answer.code != 0 and "already exists" not in answer.stderr:
        raise MachineLacks(
            f"Docker cannot make the network {NETWORK}",
            why=answer.stderr.strip(),
            hint="`docker network prune` frees addresses of networks that nobody uses",
        )
