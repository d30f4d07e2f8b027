"""The image registry and the caches that all clusters of this machine share, and how nodes learn of them."""

from collections.abc import Mapping

from kilter.clusters import registry
from kilter.dev.machine import Machine
from kilter.render.cluster import hosts_toml, registry_hosts


def share_images(machine: Machine, more: Mapping[str, tuple[str, str]] | None = None) -> None:
    """Make the image registry and the caches run, and tell nodes of them.

    `more` are further registries: host to where nodes ask first, and where after that (URLs).
    """
    caches = {host: f"http://{registry.cache_name(host)}:5000" for host in registry.UPSTREAMS}
    hosts = registry_hosts(caches, [registry.HOST_ADDRESS, registry.NODE_ADDRESS], f"http://{registry.NODE_ADDRESS}")
    texts = {name.removesuffix("/hosts.toml"): text for name, text in hosts.items()}
    texts |= {host: hosts_toml(*urls) for host, urls in (more or {}).items()}
    registry.write_hosts(machine.paths, texts)
    registry.ensure(machine.runner, machine.environment, machine.progress)
