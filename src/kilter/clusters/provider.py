"""What kilter asks of whatever makes clusters, and what it may expect, as data."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from kilter.errors import MachineLacks, NotReady, TimedOut
from kilter.tools.docker import Container
from kilter.values import Value


class State(StrEnum):
    """What a project's cluster is right now.

    UNFINISHED: its creation was cut off, nothing in it is of worth. FOREIGN: a cluster of that name which kilter did
    not make for this project; it is never touched (NS-Q3).
    """

    ABSENT = "absent"
    RUNNING = "running"
    STOPPED = "stopped"
    DEAD = "dead"
    UNFINISHED = "unfinished"
    FOREIGN = "foreign"


class BeyondRepair(NotReady):
    """A cluster that is there and cannot be brought to work again; what is left is to make a new one (LC-Q19)."""

    def __init__(self, what: str, *, why: str = "", details: Sequence[str] = ()) -> None:
        hint = (
            "run `kilter up` again; if it stays so, `kilter up --recreate` makes a new cluster "
            "that takes over the services' data"
        )
        super().__init__(what, why=why, hint=hint, details=details)


class StaysUnready(TimedOut):
    """A cluster whose API server was not ready in the whole wait for it, which one slow answer of Docker's is not."""

    def __init__(self, node: str, limit: float, said: str) -> None:
        super().__init__(
            f"the API server of {node} is not ready after {limit:g} seconds",
            hint="run `kilter up` again to go on waiting; if it stays so, `kilter up --recreate` makes a new "
            "cluster that takes over the services' data",
            details=said.strip().splitlines()[-5:],
        )


class ApiPortTaken(MachineLacks):
    """Another program has the port of a stopped cluster's API server, which no engine can change (LC-Q18)."""

    def __init__(self, holder: str, cluster: str) -> None:
        super().__init__(
            holder,
            why=f"the API server of {cluster} needs it: a container keeps the ports that it was made with",
            hint="end that program and run `kilter up` again, or `kilter up --recreate` makes a new cluster "
            "that takes over the services' data",
        )


class Cluster(Value, frozen=True):
    """A project's cluster as found: its state, and its node's container unless it is absent."""

    project: str
    state: State
    container: Container | None = None

    @property
    def exists(self) -> bool:
        """Whether there is one at all, whoever's; what a killed creation left behind is none."""
        return self.state not in (State.ABSENT, State.UNFINISHED)

    @property
    def image(self) -> str:
        """The node image it was made from; empty when absent."""
        return self.container.image if self.container else ""

    @property
    def holds_ports(self) -> bool:
        """Whether its own container has the host ports right now, as one that is paused has."""
        return self.state is State.RUNNING or (self.container is not None and self.container.status == "paused")

    @property
    def ports(self) -> tuple[int, ...]:
        """The host ports that are mapped into the node, that of the API server included."""
        published: Mapping[str, tuple[int, ...]] = self.container.published if self.container else {}
        return tuple(sorted({port for numbers in published.values() for port in numbers}))


class Listed(Value, frozen=True):
    """A cluster as the engine lists it: its state, the id of its node's container, and whether that is ours and runs.

    The node of an UNFINISHED one may run. One that is paused does not run, and `holds` its memory and its ports.
    """

    project: str
    state: State
    node: str
    runs: bool
    holds: bool


class Capabilities(Value, frozen=True):
    """What a provider can and cannot do; features ask this, never the provider's name."""

    maps_ports_later: bool
    survives_reboot: bool
    enforces_network_policy: bool
    load_balancer: bool


class Provider(Protocol):
    """Makes, finds, starts, stops and deletes the clusters of projects."""

    name: str
    capabilities: Capabilities

    def find(self, project: str) -> Cluster:
        """Look at the cluster of a project; asks the engine once."""

    def all(self) -> tuple[Listed, ...]:
        """List every cluster on the machine that bears a name of kilter's, foreign ones included; one question."""

    def create(self, project: str, config: str, image: str) -> Cluster:
        """Create the cluster; whatever fails or interrupts leaves nothing behind. Raises Busy when one is there."""

    def start(self, project: str, timeout: float) -> Cluster:
        """Start a stopped or dead cluster and wait until its API answers; a running one is waited for alike.

        Raises BeyondRepair when it cannot be made to work, StaysUnready, TimedOut when the engine does not answer, or
        what the machine lacks for it.
        """

    def stop(self, project: str, grace: int) -> bool:
        """Stop the cluster, keeping everything; returns whether there was anything to stop."""

    def discard(self, project: str, grace: int) -> None:
        """Remove the cluster and keep its services' data where it lies; raises NotFound where there is none."""

    def delete(self, project: str) -> bool:
        """Delete the cluster and its services' data; returns whether there was anything to delete."""

    def kubeconfig(self, project: str) -> Path:
        """Return the file with the running cluster's credentials, made again where missing or wrong."""
