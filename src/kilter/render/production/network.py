"""Who may connect to whom: the peers of the network policies (DP-50 to DP-56, production-profile.md section 6)."""

import ipaddress
from collections.abc import Iterable, Sequence

from kilter.errors import BadInput
from kilter.project.faults import visible
from kilter.render.production.guardrails import Guardrails
from kilter.render.production.release import AppRelease, Platform
from kilter.render.production.services import Binding, database_server

Rule = dict[str, object]

# What "internet" leaves out: networks that are somebody's own, the cluster's and its cloud's among them.
PRIVATE_V4 = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_V6 = ("::1/128", "fc00::/7", "fe80::/10")
INTERNET = (
    {"cidr": "0.0.0.0/0", "except": list(PRIVATE_V4)},
    {"cidr": "::/0", "except": list(PRIVATE_V6)},
)


def origins(release: AppRelease, platform: Platform, guards: Guardrails, *, routed: bool, web: bool) -> list[str]:
    """Return the namespaces beside its own from which a workload's port may be reached.

    `routed` says that a route leads to it. Without one the Gateway's namespace is closed too (DP-54, DP-Q53).
    """
    gateway = [platform.gateway.proxies or platform.gateway.namespace] if routed else []
    monitoring = [guards.monitoring] if guards.monitoring else []
    return list(dict.fromkeys([*gateway, *monitoring, *(release.allow_from if web else ())]))


def egress(release: AppRelease, platform: Platform, guards: Guardrails, bound: Sequence[Binding]) -> list[Rule]:
    """Return where the namespace's pods may connect to beyond their namespace and DNS; raises BadInput."""
    rules: list[Rule] = []
    if any(binding.by == "database" for binding in bound):
        rules.append(_database(platform))
    if guards.monitoring:
        rules.append({"namespace": guards.monitoring})
    rules += [{"namespace": namespace} for namespace in release.allow_to]
    provided = {binding.service.name for binding in bound}
    rules += [rule for target in guards.network.egress for rule in _target(target, provided)]
    if guards.network.mode == "standard":
        rules.append(_internet())
    return [rule for at, rule in enumerate(rules) if rule not in rules[:at]]


def _database(platform: Platform) -> Rule:
    server = database_server(platform)
    if server.namespace:
        return {"namespace": server.namespace, "ports": [server.port]}
    if server.cidr:
        return {"blocks": [{"cidr": server.cidr}], "ports": [server.port]}
    raise BadInput(
        "the platform does not say where its database server is",
        why="a network policy needs a namespace or an address; a host name is neither",
    )


def _internet(port: int = 0) -> Rule:
    return {"blocks": [dict(block) for block in INTERNET]} | ({"ports": [port]} if port else {})


def _target(text: str, provided: set[str]) -> Iterable[Rule]:
    """Read one entry of `profile.network.egress`: `internet`, a service, a CIDR, or `<host>:<port>` (PP-51)."""
    if text in provided:
        return []  # the policy admits what the platform provides anyway
    if text == "internet":
        return [_internet()]
    if address := _address(text):
        return [{"blocks": [{"cidr": address}]}]
    host, colon, number = text.rpartition(":")
    if not (colon and host and number.isascii() and number.isdigit() and 0 < int(number) < 65536):
        raise _no_target(text)
    if address := _address(host.strip("[]")):
        return [{"blocks": [{"cidr": address}], "ports": [int(number)]}]
    # Policies know no host names: the port is opened to all public addresses.
    return [_internet(int(number))]


def _address(text: str) -> str:
    """Return a CIDR; '' for what is none. Raises BadInput for IPv4 in the form of IPv6, which no policy may have."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped:
        raise _no_target(text)
    return str(found)


def _no_target(text: str) -> BadInput:
    return BadInput(
        f"profile.network.egress: '{visible(text)}' is no target",
        hint="write <host>:<port>, a CIDR such as 203.0.113.0/24, or internet",
    )
