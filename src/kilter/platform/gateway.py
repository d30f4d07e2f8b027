"""Whether the Gateway serves a platform: what its controller says of the server's route and of the route's listener.

Conditions and their meaning: https://gateway-api.sigs.k8s.io/reference/spec/ (ListenerStatus, RouteParentStatus).
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kilter.errors import NotReady
from kilter.platform.target import Target
from kilter.proc import Runner
from kilter.progress import Step
from kilter.tools.kubectl import parse_list
from kilter.words import shortened

ROUTE = "kilter-server"
GOOD = {"Accepted": "True", "Programmed": "True", "ResolvedRefs": "True", "Conflicted": "False"}
PAUSE = 1.0
PATIENCE = 60.0  # seconds in which a certificate that is missing may come


@dataclass(frozen=True)
class Door:
    """The Gateway, as `namespace/name`, and what keeps it from serving the platform: nothing, if all is well."""

    name: str
    faults: tuple[str, ...] = ()
    is_there: bool = True


def door(runner: Runner, target: Target) -> Door:
    """Look at the Gateway that the server's route names."""
    kubectl = target.kubectl
    found = parse_list(runner.run(kubectl.get("httproutes.gateway.networking.k8s.io", ROUTE)).stdout)
    if not found:
        return Door("none", (f"there is no route {ROUTE}: {target.command('install')} makes it",))
    route = found[0]
    parent = route["spec"]["parentRefs"][0]
    space, name = parent.get("namespace", kubectl.namespace), parent["name"]
    asked = kubectl.get("gateways.gateway.networking.k8s.io", name, "--namespace", space)
    gateways = parse_list(runner.run(asked).stdout)
    if not gateways:
        return Door(f"{space}/{name}", ("there is no such Gateway",), is_there=False)
    # Where the listener is at fault, the route is refused for that very reason.
    faults = tuple(_of_listeners(gateways[0], parent)) or tuple(_of_route(route, name))
    return Door(f"{space}/{name}", faults)


def await_door(runner: Runner, target: Target, limit: float, step: Step) -> None:
    """Wait until the Gateway serves the platform. Raises NotReady after a minute, at once for one that is not there.

    The platform's own is there by now, and nothing that is under way brings one of the cluster's own.
    """
    limit = min(limit, time.monotonic() + PATIENCE)
    while (found := door(runner, target)).faults:
        step.note(found.faults[0])
        if time.monotonic() > limit or not found.is_there:
            raise NotReady(
                f"the Gateway {found.name} does not serve the platform",
                details=found.faults,
                hint=target.again,
            )
        time.sleep(PAUSE)


def _of_listeners(gateway: Mapping[str, Any], parent: Mapping[str, Any]) -> Iterator[str]:
    """Yield the faults of the listener that a route names, of all where it names none."""
    wanted = parent.get("sectionName")
    known = gateway.get("status", {}).get("listeners", [])
    listeners = [each for each in known if wanted in (None, each["name"])]
    if not listeners:
        yield f"no controller has taken up {f'its listener {wanted}' if wanted else 'it'} yet"
    for each in listeners:
        yield from _bad(f"listener {each['name']}", each.get("conditions", ()))


def _of_route(route: Mapping[str, Any], gateway: str) -> Iterator[str]:
    parents = route.get("status", {}).get("parents", [])
    own = [each for each in parents if each["parentRef"]["name"] == gateway]
    if not own:
        yield f"it has not taken up the route {ROUTE} yet"
    for each in own:
        yield from _bad(f"route {ROUTE}", each.get("conditions", ()))


def _bad(what: str, conditions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what is not as it should be; of several conditions that say the same, one."""
    told = set[str]()
    for each in conditions:
        if each.get("status") == GOOD.get(each["type"], each.get("status")):
            continue
        reason, message = each.get("reason", each["type"]), shortened(each.get("message", ""))
        if (message or reason) not in told:
            told.add(message or reason)
            yield ": ".join(filter(None, (what, reason, message)))
