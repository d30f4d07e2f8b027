"""The autoscaler's first look: a release is not Ready with fewer pods than it would ever keep.

Its Deployment says no number (PP-37), so that Kubernetes takes it for 1 until the autoscaler has looked, and every pod
of that one is ready long before.
"""

from dataclasses import dataclass

from kilter.operator.steps.base import Decision, Done, Target, Wait
from kilter.operator.views import Deployment


@dataclass(frozen=True)
class Facts:
    """How few pods of the app its autoscaler keeps, 0 where it has none, and the app's Deployment."""

    fewest: int
    deployment: Deployment | None


def decide(target: Target, facts: Facts) -> Decision:
    """Wait until as many pods are wanted; none is what people have chosen, and ends the autoscaling."""
    wanted = facts.deployment.spec.replicas if facts.deployment else 0
    if target.settled or not 0 < wanted < facts.fewest:
        return Decision(Done("there are to be enough pods"))
    few = "1 pod is" if wanted == 1 else f"{wanted} pods are"
    said = f"{few} wanted so far, and the autoscaler has yet to ask for {facts.fewest}"
    return Decision(Wait("RollingOut", said, 10.0))
