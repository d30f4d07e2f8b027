"""The values of the chart `kilter-platform`, from what the administrator said. Pure."""

from dataclasses import dataclass
from typing import Any

import yaml

from kilter.errors import BadInput
from kilter.render import names
from kilter.render.services import merged

Values = dict[str, Any]

CRDS, PLATFORM = "kilter-crds", "kilter"  # the names of the two releases (decision 0011)
LOCAL_STORAGE = "2Gi"
MAPS = frozenset({"gateway", "images", "registry", "server"})  # values that are looked into before the chart is


@dataclass(frozen=True)
class Wanted:
    """What is to be installed: `domain` of the apps, kilter's own `image`, and further values as YAML, which win.

    `platforms` are what the cluster's nodes run, e.g. `linux/arm64`; empty leaves it to the chart.
    """

    domain: str
    image: str
    more: str = ""
    platforms: tuple[str, ...] = ()

    @property
    def server(self) -> dict[str, Any]:
        """The values of the server that follow from it."""
        return {"platforms": list(self.platforms)} if self.platforms else {}


def of_cluster(wanted: Wanted) -> Values:
    """Return the values for a cluster of somebody's. Raises BadInput for further values that are no map."""
    found = {"clusterDomain": wanted.domain, "images": {"kilter": wanted.image}, "server": wanted.server}
    return _with_further(found, wanted.more)


def of_trial(wanted: Wanted, port: int) -> Values:
    """Return the values for the trial platform, where everything answers on one port of this machine.

    The registry is named `localhost`, because that is the one name which Docker trusts without TLS and finds without
    help of DNS.
    """
    registry, server = f"{wanted.domain}:{port}", f"http://{wanted.domain}:{port}"
    found = {
        "clusterDomain": wanted.domain,
        "publicPort": port,
        "trial": True,
        "images": {"kilter": wanted.image},
        "gateway": {"service": {"type": "NodePort", "nodePorts": {"http": port}}, "anyHost": True},
        "metricsServer": {"kubeletInsecureTLS": True},
        "registry": {
            "host": registry,
            "token": {"realm": f"{server}/v1/registry/token"},
            "storage": {"size": LOCAL_STORAGE},
        },
        "postgres": {"storage": {"size": LOCAL_STORAGE}},
        "git": {"storage": {"size": LOCAL_STORAGE}},
        "server": {"extraHosts": [wanted.domain], **wanted.server},
    }
    return _with_further(found, wanted.more)


def server(found: Values) -> str:
    """Return the address of the server, as the chart makes it of these values."""
    gateway = found.get("gateway") or {}
    if gateway.get("enabled", True):
        is_secure = bool((gateway.get("tls") or {}).get("secretName"))
    else:
        is_secure = str((gateway.get("existing") or {}).get("url")).startswith("https:")
    scheme = "https" if is_secure else "http"
    return names.public_url(scheme, f"kilter.{found['clusterDomain']}", found.get("publicPort") or 0)


def refuse_own_registry(found: Values) -> None:
    """Raise BadInput for an image of kilter's that lies where its pods cannot get it: in the registry that needs it."""
    registry, image = found.get("registry") or {}, str((found.get("images") or {}).get("kilter"))
    port = f":{found['publicPort']}" if found.get("publicPort") else ""
    host = registry.get("host") or f"registry.{found['clusterDomain']}{port}"
    if registry.get("enabled", True) and image.startswith(f"{host}/"):
        raise BadInput(
            f"{image} lies in the platform's own registry",
            why="the registry starts with that image, and could not give it out before",
            hint="push it to another registry, and name it by --image",
        )


def definitions(found: Values) -> Values:
    """Return the values of the chart of definitions, from those of the platform.

    A program that the platform leaves out is the cluster's own, and so are its definitions.
    """
    parts = {"flux": found.get("flux"), "gatewayApi": found.get("gateway")}
    return {name: not isinstance(part, dict) or part.get("enabled", True) for name, part in parts.items()}


def _with_further(found: Values, more: str) -> Values:
    try:
        given = yaml.safe_load(more) if more.strip() else {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a day that there is not; brackets without end
        raise BadInput("the values are no YAML", why=" ".join(str(error).split())) from None
    if not isinstance(given, dict):
        raise BadInput("the values are no map", hint="see the chart's values.yaml")
    for name in sorted(MAPS & set(given)):
        if not isinstance(given[name], dict | None):
            raise BadInput(f"`{name}` among the values is no map", hint="see the chart's values.yaml")
    whole = merged(found, given)
    server = whole["server"]
    if isinstance(server, dict) and isinstance(hosts := server.get("extraHosts"), list):
        # A list replaces a list; without its own host the trial platform gives out no login for its registry.
        own = found["server"].get("extraHosts", [])
        server["extraHosts"] = [*(host for host in own if host not in hosts), *hosts]
    return whole
