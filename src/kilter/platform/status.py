"""`kilter platform status`: which release is installed, where it answers, and what of it runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kilter.dev.machine import Machine
from kilter.errors import KilterError, NotFound
from kilter.platform import local
from kilter.platform.documents import GatewayEntry, PartEntry, PlatformDocument
from kilter.platform.gateway import door
from kilter.platform.parts import parts
from kilter.platform.repository import looked
from kilter.platform.target import Target, check_choice, of_context, of_local
from kilter.platform.tokens import SERVER
from kilter.platform.values import PLATFORM
from kilter.tools.helm import parse_releases
from kilter.tools.kubectl import parse_list

CONDITION = ("python", "-m", "kilter.server", "condition")


@contextmanager
def existing(machine: Machine, context: str, *, is_local: bool) -> Iterator[Target]:
    """Give the cluster that a platform may be on. Raises BadInput, NotFound, NotReady, NotAllowed, Unreachable."""
    check_choice(context, local=is_local)
    if is_local:
        yield of_local(machine, local.running(machine).kubeconfig)
        return
    with of_context(machine, context) as target:
        yield target


def status(machine: Machine, target: Target) -> PlatformDocument:
    """Look at a platform. Raises NotFound where none is installed."""
    release = parse_releases(machine.runner.run(target.helm.releases()).stdout).get(PLATFORM)
    if release is None:
        raise NotFound(f"there is no platform on {target.name}", hint=f"{target.command('install')} makes one")
    found, seen = parts(machine.runner, target), door(machine.runner, target)
    told, source = _condition(machine, target), looked(machine.runner, target)
    usable = source.reachable is not False and source.writable is not False
    serves = not seen.faults and told.get("store_answers") is not False and usable
    return PlatformDocument(
        cluster=target.name,
        release=str(release["chart"]),
        state=str(release["status"]),
        revision=int(release["revision"]),
        server=_server(machine, target),
        ready=release["status"] == "deployed" and bool(found) and all(part.is_up for part in found) and serves,
        gateway=GatewayEntry(name=seen.name, faults=seen.faults),
        network_policy_enforced=told.get("network_policy_enforced"),
        store_answers=told.get("store_answers"),
        repository=source,
        parts=tuple(
            PartEntry(name=part.name, image=part.image, ready=part.ready, wanted=part.wanted, up=part.is_up)
            for part in found
        ),
    )


def _server(machine: Machine, target: Target) -> str:
    """Return the address that the server was told to be its own."""
    found = parse_list(machine.runner.run(target.kubectl.get(SERVER)).stdout)
    containers = [container for item in found for container in item["spec"]["template"]["spec"]["containers"]]
    told = {entry["name"]: entry.get("value", "") for container in containers for entry in container.get("env", ())}
    return str(told.get("KILTER_SERVER_PUBLIC_URL", ""))


def _condition(machine: Machine, target: Target) -> dict[str, Any]:
    """Let the server say how it is placed: whether its store answers, and policies are enforced (DP-Q57).

    Empty where it cannot be asked.
    """
    try:
        found = json.loads(machine.runner.run(target.kubectl.execute(SERVER, *CONDITION, container="server")).stdout)
    except (KilterError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
