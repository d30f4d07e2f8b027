"""The environment the testbed gives: pure."""

import shlex
from collections.abc import Mapping

from testbed import pins
from testbed.home import Home

# They would lead docker past DOCKER_HOST, to another engine or to a builder that is none of this one's.
FOREIGN = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "BUILDX_BUILDER")


def without_foreign(base: Mapping[str, str]) -> dict[str, str]:
    """The variables without those that belong to another engine."""
    return {name: value for name, value in base.items() if name not in FOREIGN}


def engine_environment(home: Home, base: Mapping[str, str]) -> dict[str, str]:
    """What reaches the testbed's own engine: its client first on PATH, its socket, its plugins."""
    client = str(home.artefact("engine") / "client")
    rest = [entry for entry in base.get("PATH", "/usr/bin:/bin").split(":") if entry != client]
    return {
        "PATH": ":".join([client, *rest]),
        "DOCKER_HOST": f"unix://{home.socket}",
        "DOCKER_CONFIG": str(home.root / "docker-config"),
    }


def product_environment(home: Home, base: Mapping[str, str]) -> dict[str, str]:
    """All that a person or a test needs so that the product finds engine, tools and images here."""
    return {
        **engine_environment(home, base),
        "KILTER_TOOLS_MIRROR": str(home.mirror),
        "KILTER_NODE_IMAGE": pins.NODE_IMAGE,
        "KILTER_REGISTRY_MIRROR": f"http://{pins.BRIDGE_ADDRESS}:{pins.MIRROR_PORT}",
    }


def export_lines(variables: Mapping[str, str]) -> str:
    """The same as lines for sh, and none of another engine's."""
    return f"unset {' '.join(FOREIGN)}\n" + "".join(
        f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()
    )
