"""`python -m kilter.operator.upkeep`: starts the platform's registry anew, and waits until it serves again.

Whenever its pod starts, and before it serves, it gives back what deleted environments left there (decision 0014). What
there is to give back can be seen on its volume alone, so that the registry is started anew whether there is or not.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from kilter.errors import BadInput, KilterError, TimedOut, in_one_line
from kilter.operator import kinds, kube, logs
from kilter.operator.kinds import Object
from kilter.operator.kube import Kube, KubeError

LOG = logging.getLogger("kilter.operator")
REGISTRY: Final = "kilter-registry"
RESTARTED: Final = "kubectl.kubernetes.io/restartedAt"  # as `kubectl rollout restart` has it
EVERY: Final = 1.0  # seconds between looks
LIMIT: Final = 900.0  # seconds: those that collecting may take, and some for a node to start a pod


@dataclass(frozen=True)
class Clock:
    """What waiting needs of time."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def restart(api: Kube, namespace: str, now: datetime) -> int:
    """Have the registry's pod replaced; returns the generation of the Deployment that asks for it. Raises KubeError."""
    annotations = {RESTARTED: now.isoformat(timespec="seconds")}
    patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    return int(api.merge(kinds.DEPLOYMENT, namespace, REGISTRY, patch)["metadata"]["generation"])


def await_ready(api: Kube, namespace: str, generation: int, clock: Clock) -> None:
    """Wait until the registry serves as that generation asks for. Raises TimedOut."""
    until = clock.monotonic() + LIMIT
    while True:
        try:
            found = api.get(kinds.DEPLOYMENT, namespace, REGISTRY)
            if found is not None and is_ready(found, generation):
                return
        except KubeError as error:
            LOG.warning("cannot see the registry: %s", error)
        if clock.monotonic() > until:
            raise TimedOut(
                f"the registry does not serve after {LIMIT:.0f} s",
                hint=f"kubectl --namespace {namespace} describe pods --selector app.kubernetes.io/name={REGISTRY}",
            )
        clock.sleep(EVERY)


def is_ready(deployment: Object, generation: int) -> bool:
    """Tell whether the pods of that generation, and no others, are ready."""
    status: dict[str, Any] = deployment.get("status", {})
    wanted = deployment["spec"].get("replicas", 1)
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return status.get("observedGeneration", 0) >= generation and counts == [wanted] * 3


def main() -> int:
    """Start the registry anew and wait; returns the exit code."""
    logs.configure(os.environ.get("KILTER_LOG_LEVEL", "INFO"))
    try:
        namespace = os.environ.get("KILTER_NAMESPACE", "")
        if not namespace:
            raise BadInput("KILTER_NAMESPACE is not set; it is the namespace of the registry")
        with kube.session(kube.configuration()) as client:
            api, began = Kube(client), time.monotonic()
            generation = restart(api, namespace, datetime.now(UTC))
            LOG.info("the registry starts anew")
            await_ready(api, namespace, generation, Clock())
            LOG.info("the registry serves again", extra={"seconds": round(time.monotonic() - began, 1)})
    except KilterError as error:
        LOG.error(in_one_line(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
