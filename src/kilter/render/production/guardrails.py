"""The profile of one environment, resolved: how many pods, how large, how scaled and how guarded (PP-13 to PP-52).

A shared cluster has floors that no project can switch off: the rights of containers and the network policy (PP-71).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from kilter.errors import BadInput
from kilter.project.model import Profile, Resources
from kilter.project.model_profile import Autoscale, Budget, Disruption, Monitoring, Network, Overlay, Security
from kilter.render.production.release import AppRelease, EnvClass
from kilter.render.services import requests
from kilter.words import closest, quantity

Amounts = dict[str, str]


@dataclass(frozen=True)
class Row:
    """What an environment of one sort has by default; requests are half of the memory limit."""

    replicas: int
    cpu_request: str
    cpu: str
    memory: str


ROWS: Mapping[str, Row] = {
    "dev": Row(1, "50m", "250m", "128Mi"),
    "staging": Row(2, "100m", "500m", "256Mi"),
    "prod": Row(3, "250m", "1000m", "512Mi"),
}
TRIAL_CPU = "10m"  # so that everything that production asks for has room on one developer's machine
OF_CLASS: Mapping[EnvClass, str] = {"protected": "prod", "standard": "staging", "ephemeral": "dev"}


@dataclass(frozen=True)
class Guardrails:
    """The resolved profile. `min_available` 0 means no disruption budget; `monitoring` '' means no such namespace."""

    row: Row
    overlay: Overlay
    replicas: int
    autoscale: Autoscale | None
    min_available: int
    security: Security
    network: Network
    monitoring: str

    @property
    def fewest(self) -> int:
        """How many pods of the app run at least."""
        return (self.autoscale.min if self.autoscale else None) or self.replicas

    def resources(self, app: Resources | None, process: Resources | None = None) -> dict[str, Amounts]:
        """Return requests and limits of the app, or of a process, whose own limits go before the app's.

        A request written down for the app says nothing about a process with a limit of its own. Raises BadInput when a
        request exceeds its limit.
        """
        written, own = self.overlay.resources or Budget(), _amounts(process)
        limits = {"cpu": self.row.cpu, "memory": self.row.memory} | _amounts(written.limits) | _amounts(app) | own
        asked = {key: amount for key, amount in _amounts(written.requests).items() if key not in own}
        wanted = requests(limits, self.row.cpu_request) | asked
        for key, amount in wanted.items():
            if quantity(amount) > quantity(limits[key]):
                raise BadInput(f"the {key} request {amount} is above the limit {limits[key]}")
        return {"requests": wanted, "limits": limits}

    def budget(self, pods: int) -> int:
        """Return how many of `pods` must stay up; never all of them, which would block every drain (PP-Q21)."""
        return min(self.min_available, pods - 1) if pods > 1 else 0


def guardrails(release: AppRelease, *, trial: bool = False) -> Guardrails:
    """Resolve the profile of a release; on a trial platform without a claim to processors, and without autoscaling.

    Raises BadInput for what the platform does not let a project switch off.
    """
    profile = release.profile
    sort = release.env if release.env in ROWS else OF_CLASS[release.env_class]
    overlay = _overlay(profile, release.env, sort)
    replicas = overlay.replicas or ROWS[sort].replicas
    scaled = _autoscale(profile, replicas)
    row = ROWS[sort]
    if trial:
        row = replace(row, cpu_request=TRIAL_CPU)
        replicas, scaled = (scaled.min or replicas) if scaled else replicas, None
    return Guardrails(
        row=row,
        overlay=overlay,
        replicas=replicas,
        autoscale=scaled,
        min_available=_min_available(profile),
        security=_security(profile),
        network=_network(profile),
        monitoring=profile.monitoring.namespace if isinstance(profile.monitoring, Monitoring) else "",
    )


def _overlay(profile: Profile, env: str, sort: str) -> Overlay:
    """Choose by exact name, then by the longest pattern, then by class (PP-Q29)."""
    return profile.envs.get(closest(profile.envs, env) or sort, Overlay())


def _autoscale(profile: Profile, replicas: int) -> Autoscale | None:
    asked = profile.autoscale
    if asked == "off" or (asked is None and profile.base != "production"):
        return None
    found = asked if isinstance(asked, Autoscale) else Autoscale()
    if found.min is None and replicas < 2:
        return None  # PP-Q27
    fewest = found.min or replicas
    if fewest > found.max:
        raise BadInput(f"profile.autoscale: max is {found.max}, below the {fewest} replicas that run at least")
    if found.cpu == "off" and found.memory == "off":
        raise BadInput("profile.autoscale: with cpu and memory off, nothing is left to scale by")
    return msgspec.structs.replace(found, min=fewest)


def _min_available(profile: Profile) -> int:
    if isinstance(profile.disruption, Disruption):
        return profile.disruption.min_available
    return Disruption().min_available if profile.disruption is None and profile.base == "production" else 0


def _security(profile: Profile) -> Security:
    if profile.security == "off":
        raise BadInput(
            "profile.security cannot be off",
            why="on a shared cluster every container runs without root and without further rights",
            hint="change its parts instead: uid, readOnlyRoot, writable",
        )
    return profile.security or Security()


def _network(profile: Profile) -> Network:
    network = profile.network
    if isinstance(network, str):
        network = Network(mode=network)
    if network and network.mode == "off":
        raise BadInput(
            "profile.network cannot be off",
            why="on a shared cluster the network policy is what keeps projects apart",
            hint="open what the app needs with profile.network.egress",
        )
    return network or Network()


def _amounts(resources: Resources | None) -> Amounts:
    given = {"cpu": resources.cpu, "memory": resources.memory} if resources else {}
    amounts = {key: amount for key, amount in given.items() if amount}
    for key, amount in amounts.items():
        try:
            quantity(amount)
        except ValueError as error:
            raise BadInput(f"resources.{key}: {error}") from None
    return amounts
